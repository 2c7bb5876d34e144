//! Kernels that work on rows, applied along any axis.

use crate::graph::{Call, TensorView};
use crate::kernels::Transpose;
use crate::kernels::copy::{Strided, copy_strided};
use crate::kernels::parallel::elements_of;
use crate::tensor::{Element, TensorType};

/// The length of an axis, and the number of elements that each step along it moves over.
pub fn length_and_inner(shape: &[usize], axis: usize) -> (usize, usize) {
    (shape[axis], shape[axis + 1..].iter().product())
}

/// Scratch that [`along_axis`] needs: inputs and output transposed, where the axis is not the last.
pub fn workspace_bytes(inputs: &[&TensorType], outputs: &[&TensorType], axis: usize) -> usize {
    match length_and_inner(&inputs[0].shape, axis).1 {
        1 => 0,
        _ => inputs.iter().chain(outputs).map(|ty| ty.bytes().next_multiple_of(8)).sum(),
    }
}

/// Runs `body(output, inputs, length)` on rows along `axis`: where they lie if it is the last axis, else on transposed
/// copies. Inputs and output have one shape.
pub fn along_axis<T: Element + Transpose, U: Element + Transpose, const N: usize>(
    call: &mut Call<'_>,
    axis: usize,
    body: impl Fn(&mut [U], [&[T]; N], usize),
) {
    let (length, inner) = length_and_inner(call.inputs[0].shape(), axis);
    let inputs: [&TensorView<'_>; N] = std::array::from_fn(|index| &call.inputs[index]);
    if inner == 1 {
        return body(call.outputs[0].slice(), inputs.map(TensorView::slice), length);
    }
    let size = inputs[0].tensor_type().size();
    if size == 0 {
        return;
    }
    let outer = size / (length * inner);
    // The two inner axes swapped.
    let swapped = |rows: usize, columns: usize| {
        let axes = [(outer, (length * inner) as isize), (rows, 1), (columns, rows as isize)];
        Strided::new(0, axes.into_iter())
    };
    let bytes = |element: usize| (size * element).next_multiple_of(8);
    let (for_inputs, for_output) = call.workspace.split_at_mut(N * bytes(size_of::<T>()));
    let mut parts = for_inputs.chunks_exact_mut(bytes(size_of::<T>()));
    let rows = inputs.map(|input| {
        let rows = &mut elements_of::<T>(parts.next().expect("one part an input"))[..size];
        copy_strided(rows, input.slice(), &swapped(inner, length));
        &*rows
    });
    let output = &mut elements_of::<U>(for_output)[..size];
    body(output, rows, length);
    copy_strided(call.outputs[0].slice(), output, &swapped(length, inner));
}
