//! NumPy arrays in and out of the engine.

use std::ffi::c_int;

use ndarray::{ArrayD, IxDyn};
use numpy::npyffi::{NPY_ARRAY_ALIGNED, PY_ARRAY_API, npy_intp};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods, dtype};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::errors::ShapeError;
use crate::graph::TensorView;
use crate::runtime::{Column, ElementKind};
use crate::tensor::{DType, Element, Tensor, TensorType, room_for};

/// The bytes of a C-contiguous array of one of the engine's dtypes.
pub struct Bytes {
    pub ty: TensorType,
    data: *mut u8,
    /// Where `data` leads if the array's own bytes are not as the engine has them; held for its memory.
    copy: Option<Vec<u8>>,
}

// SAFETY: used only while the array is borrowed by the caller's Python frame.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    pub fn of(array: &Bound<'_, PyUntypedArray>) -> PyResult<Self> {
        let dtype = match element_kind(array)? {
            ElementKind::F32 => Some(DType::F32),
            ElementKind::F64 => Some(DType::F64),
            ElementKind::I32 => Some(DType::I32),
            ElementKind::Bool => Some(DType::Bool),
            _ => None,
        };
        let dtype = dtype.ok_or_else(|| unfit("dtype float32, float64, int32 or bool", array))?;
        if !array.is_c_contiguous() {
            return Err(unfit("a C-contiguous array", array));
        }
        Ok(Self { ty: TensorType::new(dtype, array.shape()), data: data_of(array), copy: None })
    }

    /// [`Bytes::of`] an array to read. Any byte but 0 is true to NumPy, but only 1 to the engine.
    pub fn to_read(array: &Bound<'_, PyUntypedArray>) -> PyResult<Self> {
        let mut bytes = Self::of(array)?;
        // Looks at all of them, which is quicker than to stop at the first.
        if bytes.ty.dtype == DType::Bool
            && !bytes.as_slice().iter().fold(true, |fit, &byte| fit & (byte <= 1))
        {
            let mut copy = room_for(bytes.ty.bytes())?;
            copy.extend(bytes.as_slice().iter().map(|&byte| u8::from(byte != 0)));
            bytes.data = copy.as_mut_ptr();
            bytes.copy = Some(copy);
        }
        Ok(bytes)
    }

    /// [`Bytes::to_read`] an array that must have this type.
    pub fn of_type(array: &Bound<'_, PyUntypedArray>, ty: &TensorType) -> PyResult<Self> {
        let bytes = Self::to_read(array)?;
        if bytes.ty == *ty {
            Ok(bytes)
        } else {
            Err(ShapeError::new_err(format!("expected {ty}. Received: {}", bytes.ty)))
        }
    }

    pub fn as_ptr(&self) -> *const u8 {
        self.data
    }

    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: a contiguous array holds `ty.bytes()` initialised bytes.
        unsafe { std::slice::from_raw_parts(self.data, self.ty.bytes()) }
    }
}

/// A new array's bytes, writable because nobody else has the array yet.
pub struct NewBytes(Bytes);

impl NewBytes {
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.0.data
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the array was made by `zeros` and not handed out; it holds `ty.bytes()` bytes.
        unsafe { std::slice::from_raw_parts_mut(self.0.data, self.0.ty.bytes()) }
    }
}

/// The array as a column of rows, read where it lies. The array must outlive the column.
pub fn column(array: &Bound<'_, PyUntypedArray>) -> PyResult<Column> {
    let kind = element_kind(array)?;
    if array.ndim() == 0 {
        return Err(unfit("an array with a batch axis", array));
    }
    let (shape, strides) = (array.shape().to_vec(), array.strides().to_vec());
    // SAFETY: NumPy vouches for shape and strides, `element_kind` for alignment and byte order.
    Ok(unsafe { Column::new(data_of(array), kind, shape, strides) })
}

/// The array as an argument that every batch has as it is. It must outlive the column.
pub fn whole(array: &Bound<'_, PyUntypedArray>) -> PyResult<Column> {
    let kind = element_kind(array)?;
    let (shape, strides) = (array.shape().to_vec(), array.strides().to_vec());
    // SAFETY: as for `column`.
    Ok(unsafe { Column::whole(data_of(array), kind, shape, strides) })
}

/// A copy of a C-contiguous array as a tensor of the engine.
pub fn tensor(array: &Bound<'_, PyUntypedArray>) -> PyResult<Tensor> {
    let bytes = Bytes::to_read(array)?;
    Ok(match bytes.ty.dtype {
        DType::F32 => Tensor::F32(copied(&bytes)?),
        DType::F64 => Tensor::F64(copied(&bytes)?),
        DType::I32 => Tensor::I32(copied(&bytes)?),
        DType::Bool => Tensor::Bool(copied(&bytes)?),
    })
}

fn copied<T: Element>(bytes: &Bytes) -> PyResult<ArrayD<T>> {
    let mut elements = room_for(bytes.ty.size())?;
    // SAFETY: the bytes are those of so many aligned elements, of the type that the dtype says.
    elements.extend_from_slice(unsafe { std::slice::from_raw_parts(bytes.data.cast(), bytes.ty.size()) });
    Ok(ArrayD::from_shape_vec(IxDyn(&bytes.ty.shape), elements).expect("as many elements as the shape says"))
}

/// A new, zeroed array of this type, and where its bytes are. The error is Python's where NumPy has not the memory, or
/// does not make arrays of such a rank.
pub fn zeros<'py>(py: Python<'py>, ty: &TensorType) -> PyResult<(Bound<'py, PyUntypedArray>, NewBytes)> {
    let descriptor: Bound<'py, PyArrayDescr> = match ty.dtype {
        DType::F32 => dtype::<f32>(py),
        DType::F64 => dtype::<f64>(py),
        DType::I32 => dtype::<i32>(py),
        DType::Bool => dtype::<bool>(py),
    };
    let rank = c_int::try_from(ty.rank()).unwrap_or(c_int::MAX);
    let mut sizes = ty.shape.iter().map(|&size| size as npy_intp).collect::<Vec<_>>();
    // SAFETY: as many sizes as the rank says, or a rank that NumPy refuses; the call takes over the descriptor, and returns null where it sets an error.
    let array: Bound<'py, PyAny> = unsafe {
        let array = PY_ARRAY_API.PyArray_Zeros(py, rank, sizes.as_mut_ptr(), descriptor.into_dtype_ptr(), 0);
        Bound::from_owned_ptr_or_err(py, array).map_err(|error| rank_error(py, error, ty))?
    };
    let array = array.cast_into::<PyUntypedArray>()?;
    let bytes = NewBytes(Bytes { ty: ty.clone(), data: data_of(&array), copy: None });
    Ok((array, bytes))
}

/// A new array with the content of a tensor of the engine.
pub fn copy_of<'py>(py: Python<'py>, view: &TensorView<'_>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let ty = view.tensor_type();
    let (array, mut target) = zeros(py, ty)?;
    // SAFETY: a view leads to `ty.bytes()` initialised bytes.
    let source = unsafe { std::slice::from_raw_parts(view.as_ptr(), ty.bytes()) };
    target.as_mut_slice().copy_from_slice(source);
    Ok(array)
}

/// NumPy's error where the memory is missing; the only other one is that of the rank.
fn rank_error(py: Python<'_>, error: PyErr, ty: &TensorType) -> PyErr {
    if !error.is_instance_of::<PyValueError>(py) {
        return error;
    }
    let rank = ty.rank();
    PyValueError::new_err(format!(
        "expected a shape that NumPy has arrays of: {error}. Received: rank {rank}"
    ))
}

fn element_kind(array: &Bound<'_, PyUntypedArray>) -> PyResult<ElementKind> {
    let dtype = array.dtype();
    // SAFETY: the array is alive, and its flags are read while the interpreter is held.
    let aligned = unsafe { (*array.as_array_ptr()).fields.flags } & NPY_ARRAY_ALIGNED != 0;
    if !aligned || dtype.is_native_byteorder() == Some(false) {
        return Err(unfit("an aligned array in native byte order", array));
    }
    match (dtype.kind(), dtype.itemsize()) {
        (b'b', 1) => Ok(ElementKind::Bool),
        (b'u', 1) => Ok(ElementKind::U8),
        (b'i', 1) => Ok(ElementKind::I8),
        (b'u', 2) => Ok(ElementKind::U16),
        (b'i', 2) => Ok(ElementKind::I16),
        (b'u', 4) => Ok(ElementKind::U32),
        (b'i', 4) => Ok(ElementKind::I32),
        (b'u', 8) => Ok(ElementKind::U64),
        (b'i', 8) => Ok(ElementKind::I64),
        (b'f', 4) => Ok(ElementKind::F32),
        (b'f', 8) => Ok(ElementKind::F64),
        _ => Err(unfit("an array of bools, ints, float32 or float64", array)),
    }
}

fn data_of(array: &Bound<'_, PyUntypedArray>) -> *mut u8 {
    // SAFETY: the array is alive; only the pointer is read.
    unsafe { (*array.as_array_ptr()).fields.data.cast() }
}

fn unfit(expected: &str, array: &Bound<'_, PyUntypedArray>) -> PyErr {
    ShapeError::new_err(format!(
        "expected {expected}. Received: dtype={}, shape={:?}",
        array.dtype(),
        array.shape()
    ))
}
