//! What the shape rules of convolution and pooling share.

use crate::error::{Error, Result};
use crate::graph::Attributes;
use crate::kernels::conv::Window;
use crate::tensor::{DType, TensorType};

/// Runs `$body` with the type `$T` bound to f32 or f64.
macro_rules! by_float {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::tensor::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::tensor::DType::F64 => {
                type $T = f64;
                $body
            }
            other => unreachable!("the shape rule admits floats only, not {}", other.name()),
        }
    };
}
pub(super) use by_float;

/// The window of `size` that the attributes `strides` [h, w] and `padding` [top, bottom, left, right] describe.
pub fn window_attributes(attributes: &Attributes, size: [usize; 2], dilation: &[usize]) -> Result<Window> {
    let padding = attributes.sizes("padding")?;
    let &[top, bottom, left, right] = &padding[..] else {
        return Err(Error::Configuration(format!(
            "expected padding as [top, bottom, left, right]. Received: padding={padding:?}"
        )));
    };
    Ok(Window {
        size,
        strides: positive_pair("strides", &attributes.sizes("strides")?)?,
        before: [top, left],
        after: [bottom, right],
        dilation: positive_pair("dilation", dilation)?,
    })
}

/// Lists what [`window_attributes`] reads, but for the dilation.
pub fn list_window(attributes: &mut Attributes, window: &Window) {
    let [[top, left], [bottom, right]] = [window.before, window.after];
    attributes.list("strides", &window.strides);
    attributes.list("padding", &[top, bottom, left, right]);
}

/// `values` as a (height, width) of 1 or more each.
pub fn positive_pair(name: &str, values: &[usize]) -> Result<[usize; 2]> {
    match *values {
        [height, width] if height > 0 && width > 0 => Ok([height, width]),
        _ => Err(Error::Configuration(format!(
            "expected {name} as [height, width], each 1 or more. Received: {name}={values:?}"
        ))),
    }
}

/// The attribute `name`: a shape of rank 4.
pub fn rank_4_shape(attributes: &Attributes, name: &str) -> Result<[usize; 4]> {
    let shape = attributes.sizes(name)?;
    shape
        .as_slice()
        .try_into()
        .map_err(|_| Error::Configuration(format!("expected {name} with 4 axes. Received: {name}={shape:?}")))
}

/// The dtype of `count` inputs that must be floats of one type.
pub fn check_float(inputs: &[&TensorType], count: usize) -> Result<DType> {
    if inputs.len() != count {
        return Err(Error::Shape(format!("expected {count} inputs. Received: {} inputs", inputs.len())));
    }
    let dtype = inputs[0].dtype;
    if dtype.is_float() && inputs.iter().all(|ty| ty.dtype == dtype) {
        return Ok(dtype);
    }
    let dtypes: Vec<_> = inputs.iter().map(|ty| ty.dtype.name()).collect();
    Err(Error::Shape(format!("expected inputs of one floating-point dtype. Received: dtypes={dtypes:?}")))
}
