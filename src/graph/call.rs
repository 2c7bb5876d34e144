//! What a running op sees: typed views of its inputs, outputs and workspace.

use std::marker::PhantomData;

use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};

use crate::kernels::Epilogue;
use crate::kernels::prefetch::Prefetch;
use crate::kernels::sparse::SparseRows;
use crate::tensor::{DType, Element, TensorType};

/// Rows of a larger array, in any order: row i of the tensor begins `order[i] * row_stride` elements into the array.
#[derive(Debug, Clone, Copy)]
pub struct RowList<'a> {
    /// Elements of the array.
    pub len: usize,
    pub row_stride: usize,
    pub order: &'a [usize],
}

/// A read-only input: contiguous, row-major, 64-byte aligned unless it is a variable, a constant or an argument.
///
/// For an op that [`accepts_row_list`](super::Op::accepts_row_list), its rows may lie apart, and it may come with a list of
/// what is not zero.
#[derive(Clone, Copy)]
pub struct TensorView<'a> {
    data: *const u8,
    ty: &'a TensorType,
    rows: Option<RowList<'a>>,
    sparse: Option<SparseRows<'a>>,
}

impl<'a> TensorView<'a> {
    /// # Safety
    /// `data` points to `ty.bytes()` initialised bytes, aligned for `ty.dtype`, readable for `'a`.
    pub unsafe fn new(data: *const u8, ty: &'a TensorType) -> Self {
        Self { data, ty, rows: None, sparse: None }
    }

    /// The rows of `data`, if they lie apart, and what is not zero of them, if that is known.
    ///
    /// # Safety
    /// As [`TensorView::new`], or `data` points to `rows.len` such elements, which hold all the listed rows.
    pub unsafe fn of_rows(
        data: *const u8,
        ty: &'a TensorType,
        rows: Option<RowList<'a>>,
        sparse: Option<SparseRows<'a>>,
    ) -> Self {
        Self { data, ty, rows, sparse }
    }

    pub fn tensor_type(&self) -> &'a TensorType {
        self.ty
    }

    pub fn dtype(&self) -> DType {
        self.ty.dtype
    }

    pub fn shape(&self) -> &'a [usize] {
        &self.ty.shape
    }

    pub fn as_ptr(&self) -> *const u8 {
        assert!(self.rows.is_none(), "a kernel that wants contiguous rows was given a list");
        self.data
    }

    /// Whether the rows may lie apart.
    pub fn is_row_list(&self) -> bool {
        self.rows.is_some()
    }

    /// The array and which of its rows these are, if the rows lie apart.
    pub fn row_list<T: Element>(&self) -> Option<(&'a [T], RowList<'a>)> {
        assert_eq!(self.ty.dtype, T::DTYPE, "a kernel was called with another dtype");
        // SAFETY: `of_rows` promises `len` initialised, aligned elements of this dtype for 'a.
        self.rows.map(|rows| (unsafe { std::slice::from_raw_parts(self.data.cast(), rows.len) }, rows))
    }

    /// The elements that are not zero, if these are known and few.
    pub fn sparse(&self) -> Option<SparseRows<'a>> {
        self.sparse
    }

    /// The elements in row-major order.
    pub fn slice<T: Element>(&self) -> &'a [T] {
        assert_eq!(self.ty.dtype, T::DTYPE, "a kernel was called with another dtype");
        assert!(self.rows.is_none(), "a kernel that wants contiguous rows was given a list");
        // SAFETY: `new` promises `size` initialised, aligned elements of this dtype for 'a.
        unsafe { std::slice::from_raw_parts(self.data.cast(), self.ty.size()) }
    }

    pub fn array<T: Element>(&self) -> ArrayViewD<'a, T> {
        ArrayViewD::from_shape(IxDyn(&self.ty.shape), self.slice())
            .expect("a contiguous slice has its own shape")
    }
}

/// A writable output: contiguous, row-major, not cleared.
pub struct TensorViewMut<'a> {
    data: *mut u8,
    ty: &'a TensorType,
    exclusive: PhantomData<&'a mut u8>,
}

impl<'a> TensorViewMut<'a> {
    /// # Safety
    /// As [`TensorView::new`], and nothing else reads or writes the bytes during `'a`, except that a fused
    /// elementwise loop may be given the same memory as input and output.
    pub unsafe fn new(data: *mut u8, ty: &'a TensorType) -> Self {
        Self { data, ty, exclusive: PhantomData }
    }

    pub fn tensor_type(&self) -> &'a TensorType {
        self.ty
    }

    pub fn dtype(&self) -> DType {
        self.ty.dtype
    }

    pub fn shape(&self) -> &'a [usize] {
        &self.ty.shape
    }

    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.data
    }

    /// The elements in row-major order.
    pub fn slice<T: Element>(&mut self) -> &mut [T] {
        assert_eq!(self.ty.dtype, T::DTYPE, "a kernel was called with another dtype");
        // SAFETY: `new` promises exclusive, aligned memory for `size` elements of this dtype; every bit
        // pattern is a value of the element types (f32, f64, i32, u8).
        unsafe { std::slice::from_raw_parts_mut(self.data.cast(), self.ty.size()) }
    }

    pub fn array<T: Element>(&mut self) -> ArrayViewMutD<'_, T> {
        let shape = IxDyn(&self.ty.shape);
        ArrayViewMutD::from_shape(shape, self.slice()).expect("a contiguous slice has its own shape")
    }
}

/// The arguments of one run of an op.
pub struct Call<'a> {
    pub inputs: &'a [TensorView<'a>],
    pub outputs: &'a mut [TensorViewMut<'a>],
    pub workspace: &'a mut [u8],
    pub epilogue: Option<&'a dyn Epilogue>,
    /// What the program reads after this step, from memory that is far: a kernel with time to spare may ask for it.
    pub prefetch: Option<&'a Prefetch<'a>>,
}

impl<'a> Call<'a> {
    pub fn input<T: Element>(&self, index: usize) -> &'a [T] {
        self.inputs[index].slice()
    }

    pub fn output<T: Element>(&mut self, index: usize) -> &mut [T] {
        self.outputs[index].slice()
    }
}
