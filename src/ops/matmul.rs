//! Matrix products of stacks of matrices: y = a·b over the last two axes, with either operand transposed. `compile/rules/bias.rs`
//! gives a product the bias that is added to it as a third operand.

use std::any::Any;
use std::sync::Arc;

use super::entry::Entry;
use super::reduce::sum_to;
use super::shape::reshape;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Properties, Value, attributes};
use crate::kernels::Real;
use crate::kernels::gemm::{
    Addend, Left, ListedRows, Matrix, MatrixMut, gemm_before, gemm_stack, gemm_stack_workspace,
};
use crate::kernels::sparse::{self, ColumnProduct};
use crate::tensor::{DType, TensorType};

pub const OPS: &[Entry] =
    &[Entry { name: "matmul", build: |attributes| Ok(Arc::new(MatMul::from_attributes(attributes)?)) }];

/// y (…, M, N) = a (…, M, K) · b (…, K, N); a is (…, K, M) where `transpose_a`, b is (…, N, K) where `transpose_b`.
/// The leading axes broadcast.
pub fn matmul(
    graph: &mut Graph,
    a: Value,
    b: Value,
    (transpose_a, transpose_b): (bool, bool),
) -> Result<Value> {
    graph.apply1(product((transpose_a, transpose_b)), &[a, b])
}

/// The op of [`matmul`].
pub fn product((transpose_a, transpose_b): (bool, bool)) -> OpRef {
    Arc::new(MatMul { transpose_a, transpose_b, has_bias: false })
}

/// Which operands `op` transposes, if it is a product without a bias.
pub fn transposes(op: &dyn Op) -> Option<(bool, bool)> {
    let product = (op as &dyn Any).downcast_ref::<MatMul>()?;
    (!product.has_bias).then_some((product.transpose_a, product.transpose_b))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MatMul {
    transpose_a: bool,
    transpose_b: bool,
    /// A third operand, see [`Op::with_bias`].
    has_bias: bool,
}
attributes!(MatMul { transpose_a, transpose_b, has_bias = false });

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let (operands, bias) = match inputs {
            [operands @ .., bias] if self.has_bias => (operands, Some(bias)),
            _ => (inputs, None),
        };
        let [a, b] = operands else {
            return Err(Error::Configuration(format!("expected two operands. Received: {}", inputs.len())));
        };
        let expected = |what: String| Error::Shape(format!("expected {what}. Received: a={a}, b={b}"));
        if a.dtype != b.dtype || !a.dtype.is_float() {
            return Err(expected("two operands of the same floating-point dtype".into()));
        }
        if a.rank() < 2 || b.rank() < 2 {
            return Err(expected("operands of rank 2 or more".into()));
        }
        let sizes = Sizes::new(*self, &a.shape, &b.shape);
        if sizes.k != sizes.b_k {
            let a_axis = if self.transpose_a { "second last" } else { "last" };
            let b_axis = if self.transpose_b { "last" } else { "second last" };
            return Err(expected(format!("the {a_axis} axis of a to equal the {b_axis} axis of b")));
        }
        if let Some(bias) = bias.filter(|bias| bias.dtype != a.dtype || bias.shape != [sizes.n]) {
            return Err(Error::Shape(format!(
                "expected a bias with an element for each column of a·b. Received: bias={bias}, a={a}, b={b}"
            )));
        }
        let (a_batch, b_batch) = (leading(&a.shape), leading(&b.shape));
        let rank = a_batch.len().max(b_batch.len());
        let dim = |batch: &[usize], axis: usize| match (axis + batch.len()).checked_sub(rank) {
            Some(own) => batch[own],
            None => 1,
        };
        let mut shape = Vec::with_capacity(rank + 2);
        for axis in 0..rank {
            shape.push(match (dim(a_batch, axis), dim(b_batch, axis)) {
                (1, dim) | (dim, 1) => dim,
                (dim, other) if dim == other => dim,
                _ => return Err(expected("leading axes that are equal or 1".into())),
            });
        }
        shape.extend([sizes.m, sizes.n]);
        Ok(vec![TensorType::new(a.dtype, shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        if self.has_bias {
            return Err(Error::Internal("a product gets its bias after differentiation".into()));
        }
        let (a, b, dy) = (node.inputs[0], node.inputs[1], node.doutput());
        let (ta, tb) = (self.transpose_a, self.transpose_b);
        // da = dy·bᵀ, or its transpose b·dyᵀ
        let da = match node.wanted[0] {
            false => None,
            true => {
                let da =
                    if ta { matmul(graph, b, dy, (tb, true))? } else { matmul(graph, dy, b, (false, !tb))? };
                let shape = graph.shape(a).to_vec();
                Some(sum_to(graph, da, &shape)?)
            }
        };
        // db = aᵀ·dy, or its transpose dyᵀ·a
        let db = match node.wanted[1] {
            false => None,
            true => {
                let (mut left, mut right) = (a, dy);
                let flat = !ta && meets_all_rows(graph.shape(b));
                if flat {
                    // The sum over the stack is the product's own sum over rows.
                    (left, right) = (as_rows(graph, a)?, as_rows(graph, dy)?);
                }
                let db = match tb {
                    true => matmul(graph, right, left, (true, ta))?,
                    false => matmul(graph, left, right, (!ta, false))?,
                };
                let shape = graph.shape(b).to_vec();
                Some(if flat { reshape(graph, db, &shape)? } else { sum_to(graph, db, &shape)? })
            }
        };
        Ok(vec![da, db])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> usize {
        let (count, sizes) = self.stack(&inputs[0].shape, &inputs[1].shape, &outputs[0].shape);
        let dense = match inputs[0].dtype {
            DType::F64 => gemm_stack_workspace::<f64>(count, sizes.m, sizes.k, sizes.n),
            _ => gemm_stack_workspace::<f32>(count, sizes.m, sizes.k, sizes.n),
        };
        let sparse = self.by_columns(inputs[0].dtype, count, &sizes);
        dense.max(sparse.map_or(0, |product| product.workspace_bytes()))
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        if self.run_sparse(call) || self.run_by_columns(call) {
            return Ok(());
        }
        match call.inputs[0].dtype() {
            DType::F64 => self.run_stack::<f64>(call),
            _ => self.run_stack::<f32>(call),
        }
        Ok(())
    }

    fn accepts_epilogue(&self) -> bool {
        true
    }

    fn properties(&self) -> Properties {
        Properties { linear: [!self.has_bias; 2], ..Properties::NONE }
    }

    fn on_rows(&self, inputs: &[&TensorType]) -> Option<OpRef> {
        let has_rows = !self.transpose_a && inputs[1].rank() == 2;
        has_rows.then(|| Arc::new(*self) as OpRef)
    }

    /// Of a product whose a is not transposed and meets the same b in all rows.
    fn with_bias(&self, inputs: &[&TensorType]) -> Option<OpRef> {
        let accepts = !self.has_bias && !self.transpose_a && meets_all_rows(&inputs[1].shape);
        accepts.then(|| Arc::new(Self { has_bias: true, ..*self }) as OpRef)
    }

    fn accepts_row_list(&self, input: usize) -> bool {
        input == 0
    }

    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        2 * (outputs[0].size() * Sizes::new(*self, &inputs[0].shape, &inputs[1].shape).k) as u64
    }
}

/// All axes but the last two.
fn leading(shape: &[usize]) -> &[usize] {
    &shape[..shape.len() - 2]
}

/// Whether an operand b of this shape is one matrix for the whole stack.
fn meets_all_rows(b: &[usize]) -> bool {
    leading(b).iter().all(|&dim| dim == 1)
}

/// (…, M, K) as (… · M, K)
fn as_rows(graph: &mut Graph, value: Value) -> Result<Value> {
    let shape = graph.shape(value);
    let columns = shape[shape.len() - 1];
    let rows = shape[..shape.len() - 1].iter().product();
    reshape(graph, value, &[rows, columns])
}

/// One product: (m, k) · (b_k, n).
struct Sizes {
    m: usize,
    k: usize,
    b_k: usize,
    n: usize,
}

impl Sizes {
    fn new(op: MatMul, a: &[usize], b: &[usize]) -> Self {
        let matrix = |shape: &[usize], transposed: bool| {
            let (rows, columns) = (shape[shape.len() - 2], shape[shape.len() - 1]);
            if transposed { (columns, rows) } else { (rows, columns) }
        };
        let (m, k) = matrix(a, op.transpose_a);
        let (b_k, n) = matrix(b, op.transpose_b);
        Self { m, k, b_k, n }
    }
}

impl MatMul {
    /// How many products there are, and their sizes.
    fn stack(&self, a: &[usize], b: &[usize], y: &[usize]) -> (usize, Sizes) {
        let sizes = Sizes::new(*self, a, b);
        let count = leading(y).iter().product();
        if !self.transpose_a && meets_all_rows(b) {
            // The rows of the whole stack follow one another and meet the same b.
            return (1, Sizes { m: count * sizes.m, ..sizes });
        }
        (count, sizes)
    }

    /// Multiplies only what is not zero of a, where that is known and comes to the same.
    fn run_sparse(&self, call: &mut Call<'_>) -> bool {
        let Some(a) = call.inputs[0].sparse() else { return false };
        let (b, n) = (call.input::<f32>(1), call.outputs[0].shape()[1]);
        let exact = !self.transpose_b && sparse::all_finite(b);
        if exact {
            let (bias, y) = (self.has_bias.then(|| call.input(2)), call.outputs[0].slice());
            match self.transpose_a {
                true => sparse::transposed_product(a, b, y, n, call.epilogue),
                false => sparse::product(a, b, bias, y, n, call.epilogue),
            }
        }
        exact
    }

    /// The product that skips the zeros of b: for the gradient of a kernel, where b is that of the layer's output.
    fn by_columns(&self, dtype: DType, count: usize, sizes: &Sizes) -> Option<ColumnProduct> {
        let is_gradient = self.transpose_a && !self.transpose_b && count == 1 && dtype == DType::F32;
        if is_gradient { ColumnProduct::new(sizes.k, sizes.m, sizes.n) } else { None }
    }

    /// Multiplies only what is not zero of b, where that pays and comes to the same.
    fn run_by_columns(&self, call: &mut Call<'_>) -> bool {
        let [a, b] = call.inputs else { return false };
        let (count, sizes) = self.stack(a.shape(), b.shape(), call.outputs[0].shape());
        let product = self.by_columns(a.dtype(), count, &sizes).filter(|_| !a.is_row_list());
        product.is_some_and(|product| {
            let (a, b, c) = (a.slice(), b.slice(), call.outputs[0].slice());
            product.run(a, b, c, call.epilogue, call.workspace)
        })
    }

    fn run_stack<T: Real>(&self, call: &mut Call<'_>) {
        let (a_shape, b_shape) = (call.inputs[0].shape(), call.inputs[1].shape());
        let y_shape = call.outputs[0].shape();
        let (count, Sizes { m, k, n, .. }) = self.stack(a_shape, b_shape, y_shape);
        let b = call.input::<T>(1);
        let addend = if self.has_bias { Addend::Row(call.input(2)) } else { Addend::Nothing };
        let right = |b| match self.transpose_b {
            true => Matrix::row_major(b, n, k).transposed(),
            false => Matrix::row_major(b, k, n),
        };
        if let Some((array, rows)) = call.inputs[0].row_list::<T>() {
            let a = ListedRows::new(array, rows.row_stride, rows.order, a_shape[1]);
            let a = if self.transpose_a { Left::ListedTransposed(a) } else { Left::Listed(a) };
            let y = MatrixMut::row_major(call.outputs[0].slice::<T>(), m, n);
            return gemm_before(a, right(b), y, addend, call.epilogue, call.prefetch, call.workspace);
        }
        let a = call.input::<T>(0);
        let left = |a| match self.transpose_a {
            true => Matrix::row_major(a, k, m).transposed(),
            false => Matrix::row_major(a, m, k),
        };
        let y = MatrixMut::row_major(call.outputs[0].slice::<T>(), count * m, n);
        if count == 1 {
            return gemm_before(left(a), right(b), y, addend, call.epilogue, call.prefetch, call.workspace);
        }
        let operands = |index: usize| {
            let a_index = operand_index(index, leading(y_shape), leading(a_shape));
            let b_index = operand_index(index, leading(y_shape), leading(b_shape));
            (left(&a[a_index * m * k..][..m * k]), right(&b[b_index * k * n..][..k * n]))
        };
        gemm_stack(count, &operands, y, call.epilogue, call.workspace);
    }
}

/// Which of an operand's matrices belongs to product `index` of the stack with leading axes `y`.
fn operand_index(mut index: usize, y: &[usize], operand: &[usize]) -> usize {
    let (mut own, mut step) = (0, 1);
    for (&dim, &extent) in operand.iter().rev().zip(y.iter().rev()) {
        if dim != 1 {
            own += index % extent * step;
            step *= dim;
        }
        index /= extent;
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Attribute;
    use crate::ops::registry;
    use crate::ops::testing::{check_gradient, elements, run, tensor, uniform};
    use crate::tensor::Tensor;

    fn op(transpose_a: bool, transpose_b: bool) -> OpRef {
        let attributes = Attributes::new([
            ("transpose_a".to_owned(), Attribute::Bool(transpose_a)),
            ("transpose_b".to_owned(), Attribute::Bool(transpose_b)),
        ]);
        registry::build("matmul", &attributes).unwrap()
    }

    /// The same stack of matrices with the last two axes exchanged.
    fn swapped(t: &Tensor) -> Tensor {
        let Tensor::F64(array) = t else { panic!("tests use float64") };
        let rank = array.ndim();
        let mut swapped = array.clone();
        swapped.swap_axes(rank - 2, rank - 1);
        Tensor::F64(swapped.as_standard_layout().into_owned())
    }

    const LAYOUTS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

    #[test]
    fn leading_axes_broadcast() {
        // (a, b, y): shapes of a (…, M, K), b (…, K, N), y (…, M, N)
        let table: &[(&[usize], &[usize], &[usize])] = &[
            (&[2, 3], &[3, 4], &[2, 4]),
            (&[5, 2, 3], &[3, 4], &[5, 2, 4]),
            (&[2, 3], &[5, 3, 4], &[5, 2, 4]),
            (&[5, 2, 3], &[5, 3, 4], &[5, 2, 4]),
            (&[6, 1, 2, 3], &[5, 3, 4], &[6, 5, 2, 4]),
            (&[6, 5, 2, 3], &[6, 1, 3, 4], &[6, 5, 2, 4]),
            (&[2, 0], &[0, 4], &[2, 4]),
            (&[0, 3], &[3, 4], &[0, 4]),
        ];
        for &(a_shape, b_shape, y_shape) in table {
            let (a, b) = (uniform(a_shape, 1, -1.0, 1.0), uniform(b_shape, 2, -1.0, 1.0));
            let (Tensor::F64(left), Tensor::F64(right)) = (&a, &b) else { unreachable!() };
            let full = |last: [usize; 2]| [leading(y_shape), &last].concat();
            let (m, k, n) =
                (a_shape[a_shape.len() - 2], a_shape[a_shape.len() - 1], b_shape[b_shape.len() - 1]);
            let left = left.broadcast(full([m, k])).unwrap().as_standard_layout().into_owned();
            let right = right.broadcast(full([k, n])).unwrap().as_standard_layout().into_owned();
            let (left, right) = (left.as_slice().unwrap(), right.as_slice().unwrap());
            let expected: Vec<f64> = (0..y_shape.iter().product())
                .map(|flat| {
                    let (index, row, column) = (flat / (m * n), flat / n % m, flat % n);
                    (0..k)
                        .map(|i| left[(index * m + row) * k + i] * right[(index * k + i) * n + column])
                        .sum()
                })
                .collect();
            for (ta, tb) in LAYOUTS {
                let a = if ta { swapped(&a) } else { a.clone() };
                let b = if tb { swapped(&b) } else { b.clone() };
                let y = run(&op(ta, tb), &[a, b]).unwrap().remove(0);
                assert_eq!(y.shape(), y_shape);
                for (y, expected) in elements(&y).iter().zip(&expected) {
                    assert!((y - expected).abs() < 1e-12, "{a_shape:?} · {b_shape:?}: {y}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn gradients() {
        let table: &[(&[usize], &[usize])] = &[
            (&[2, 3], &[3, 4]),
            (&[5, 2, 3], &[5, 3, 4]),
            (&[2, 2, 2, 3], &[3, 4]),
            (&[2, 3], &[5, 3, 4]),
            (&[2, 3], &[1, 3, 4]),
            (&[2, 1, 2, 3], &[3, 3, 4]),
        ];
        for &(a, b) in table {
            let (a, b) = (uniform(a, 3, -1.0, 1.0), uniform(b, 4, -1.0, 1.0));
            for (ta, tb) in LAYOUTS {
                let a = if ta { swapped(&a) } else { a.clone() };
                let b = if tb { swapped(&b) } else { b.clone() };
                check_gradient(&op(ta, tb), &[a, b]);
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let fails = |a: &[usize], b: &[usize], tb: bool| {
            let zeros = |shape: &[usize]| tensor(shape, |_| 0.0);
            run(&op(false, tb), &[zeros(a), zeros(b)]).unwrap_err().to_string()
        };
        assert_eq!(
            fails(&[2, 3], &[4, 5], false),
            "expected the last axis of a to equal the second last axis of b. \
             Received: a=float64[2, 3], b=float64[4, 5]"
        );
        assert!(fails(&[2, 3], &[3, 5], true).contains("the last axis of b"));
        assert!(fails(&[2, 2, 3], &[3, 3, 5], false).contains("leading axes that are equal or 1"));
        assert!(fails(&[3], &[3, 5], false).contains("rank 2 or more"));
    }
}
