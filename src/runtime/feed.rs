//! The batch feed: rows of the user's arrays, gathered in any order and cast while they are copied.

use crate::error::{Error, Result};
use crate::graph::RowList;
use crate::kernels::gemm::share;
use crate::kernels::prefetch::{LINE, Prefetch};
use crate::kernels::simd::prefetch;
use crate::kernels::sparse::SparseRows;
use crate::tensor::{DType, TensorType};
use crate::threads;

/// An argument of a program: a contiguous tensor, or rows of a larger array.
#[derive(Debug, Clone, Copy)]
pub struct Argument<'a> {
    pub data: *const u8,
    pub rows: Option<RowList<'a>>,
    /// What is not zero, if little is.
    pub sparse: Option<SparseRows<'a>>,
}

impl Argument<'_> {
    pub fn whole(data: *const u8) -> Self {
        Self { data, rows: None, sparse: None }
    }
}

/// The element types that arrays may arrive in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementKind {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl ElementKind {
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    fn is(self, dtype: DType) -> bool {
        matches!(
            (self, dtype),
            (Self::F32, DType::F32)
                | (Self::F64, DType::F64)
                | (Self::I32, DType::I32)
                | (Self::Bool, DType::Bool)
        )
    }
}

/// A borrowed array: of rows, of which a batch has some, or an argument that every batch has as it is.
#[derive(Debug, Clone)]
pub struct Column {
    data: *const u8,
    kind: ElementKind,
    /// The first axis counts rows; a scalar is one row.
    shape: Vec<usize>,
    /// In bytes; may be zero or negative.
    strides: Vec<isize>,
    /// Whether each batch has all of it.
    is_whole: bool,
}

// SAFETY: a column only reads, and whoever made it promises that the memory stays readable.
unsafe impl Send for Column {}
// SAFETY: as above.
unsafe impl Sync for Column {}

/// Which rows a batch is made of.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// `first..first + count`.
    Range { first: usize, count: usize },
    /// These, in this order; checked against the columns beforehand.
    Listed(&'a [usize]),
}

impl Rows<'_> {
    pub fn count(&self) -> usize {
        match self {
            Self::Range { count, .. } => *count,
            Self::Listed(rows) => rows.len(),
        }
    }

    fn row(&self, index: usize) -> usize {
        match self {
            Self::Range { first, .. } => first + index,
            Self::Listed(rows) => rows[index],
        }
    }
}

impl Column {
    /// # Safety
    /// For every index within `shape`, the element at `strides` (in bytes) from `data` is readable, initialised and
    /// aligned for `kind`, for as long as the column is used. Another thread may write the memory meanwhile; a batch
    /// then holds old or new elements.
    pub unsafe fn new(data: *const u8, kind: ElementKind, shape: Vec<usize>, strides: Vec<isize>) -> Self {
        assert_eq!(shape.len(), strides.len());
        assert!(!shape.is_empty(), "a column has rows");
        Self { data, kind, shape, strides, is_whole: false }
    }

    /// An array of any shape that every batch has as it is.
    ///
    /// # Safety
    /// As [`Column::new`].
    pub unsafe fn whole(
        data: *const u8,
        kind: ElementKind,
        mut shape: Vec<usize>,
        mut strides: Vec<isize>,
    ) -> Self {
        if shape.is_empty() {
            (shape, strides) = (vec![1], vec![kind.size() as isize]);
        }
        // SAFETY: as the caller promises; a scalar is its only row.
        Self { is_whole: true, ..unsafe { Self::new(data, kind, shape, strides) } }
    }

    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether an argument of this type is some rows of the column, or all of it.
    pub fn fits(&self, ty: &TensorType) -> bool {
        match ty.shape.split_first() {
            None => self.is_whole && self.shape == [1],
            Some((&rows, row_shape)) => {
                row_shape == self.row_shape() && (!self.is_whole || rows == self.rows())
            }
        }
    }

    /// The rows that a batch of these has of this column.
    pub fn rows_of<'a>(&self, batch: Rows<'a>) -> Rows<'a> {
        if self.is_whole { Rows::Range { first: 0, count: self.rows() } } else { batch }
    }

    pub fn rows(&self) -> usize {
        self.shape[0]
    }

    pub fn row_shape(&self) -> &[usize] {
        &self.shape[1..]
    }

    /// Whether the elements are those of a tensor of this dtype, bit by bit. A byte of a bool of NumPy's may be any.
    fn is_as_read(&self, dtype: DType) -> bool {
        self.kind.is(dtype) && dtype != DType::Bool
    }

    fn row_is_contiguous(&self) -> bool {
        let mut expected = self.kind.size() as isize;
        self.shape.iter().zip(&self.strides).skip(1).rev().all(|(&dim, &stride)| {
            let fits = dim == 1 || stride == expected;
            expected *= dim as isize;
            fits
        })
    }

    /// Bytes of a row without gaps.
    pub fn row_bytes(&self) -> usize {
        self.row_shape().iter().product::<usize>() * self.kind.size()
    }

    /// Whether so many rows are worth asking for before they are gathered.
    pub fn is_far(&self, rows: usize) -> bool {
        const FEW_BYTES: usize = 64 << 10;
        self.row_bytes() * rows >= FEW_BYTES && self.row_is_contiguous()
    }

    /// The rows as memory that is gathered later.
    pub fn prefetch<'a>(&self, order: &'a [usize]) -> Prefetch<'a> {
        Prefetch::rows(self.data, self.strides[0], self.row_bytes(), order)
    }

    /// Where the batch lies already, in the right dtype and order, so that nothing need be copied.
    pub fn in_place(&self, rows: Rows<'_>, ty: &TensorType) -> Option<*const u8> {
        let Rows::Range { first, .. } = rows else { return None };
        let rows_follow = self.rows() <= 1 || self.strides[0] == self.row_bytes() as isize;
        let usable = self.is_as_read(ty.dtype) && self.row_is_contiguous() && rows_follow;
        // SAFETY: `first` is a row of the column, so the address is inside the array that `new` vouches for.
        usable.then(|| unsafe { self.data.offset(first as isize * self.strides[0]) })
    }

    /// The rows where they lie, if these are whole rows in the right dtype.
    pub fn listed<'a>(&self, rows: Rows<'a>, ty: &TensorType) -> Option<Argument<'a>> {
        let Rows::Listed(order) = rows else { return None };
        let row_stride = self.row_stride(ty)?;
        let len = self.rows().checked_sub(1)? * row_stride + self.row_shape().iter().product::<usize>();
        Some(Argument { data: self.data, rows: Some(RowList { len, row_stride, order }), sparse: None })
    }

    /// What is not zero in the rows, if that is little and they are whole float32 rows. `memory` is as in
    /// [`SparseRows::collect`].
    pub fn collect_sparse<'a>(
        &self,
        rows: Rows<'_>,
        ty: &TensorType,
        memory: &'a mut [u8],
    ) -> Option<SparseRows<'a>> {
        let stride = self.row_stride(ty).filter(|_| ty.dtype == DType::F32)?;
        let row_size = self.row_shape().iter().product();
        SparseRows::collect(rows.count(), row_size, memory, &|index| {
            // SAFETY: the row exists (checked by the caller of the batch), contiguous and of this dtype.
            unsafe {
                let row = self.data.cast::<f32>().add(rows.row(index) * stride);
                std::slice::from_raw_parts(row, row_size)
            }
        })
    }

    /// From one row to the next, in elements, if rows are contiguous and in the right dtype.
    fn row_stride(&self, ty: &TensorType) -> Option<usize> {
        let size = self.kind.size();
        let stride = usize::try_from(self.strides[0]).ok().filter(|stride| stride.is_multiple_of(size))?;
        (self.kind.is(ty.dtype) && self.row_is_contiguous()).then_some(stride / size)
    }

    /// Copies the rows into `target`, which is a contiguous tensor of type `ty`, casting each element.
    ///
    /// # Safety
    /// `target` points to `ty.bytes()` writable bytes aligned for `ty.dtype`, which nothing else touches.
    pub unsafe fn gather(&self, rows: Rows<'_>, ty: &TensorType, target: *mut u8) -> Result<()> {
        debug_assert!(self.fits(ty));
        debug_assert_eq!(ty.size(), rows.count() * self.row_shape().iter().product::<usize>());
        /// Nanoseconds an element, when rows come from memory.
        const COST: u64 = 1;
        /// Of longer rows the hardware finds the rest.
        const PREFETCHED_BYTES: usize = 4096;
        const ELEMENTS_A_PART: usize = 1 << 15;
        let row_size: usize = self.row_shape().iter().product();
        let wanted = (row_size * rows.count()).div_ceil(ELEMENTS_A_PART);
        // An even number, for two threads.
        let parts = if wanted > 1 { wanted.next_multiple_of(2).min(rows.count()) } else { wanted };
        let target = Target(target);
        let failed = std::sync::atomic::AtomicBool::new(false);
        let contiguous = self.row_is_contiguous();
        let as_it_is = contiguous && self.is_as_read(ty.dtype);
        let row_bytes = row_size * ty.dtype.size();
        threads::for_each_part(parts, (row_size * rows.count()) as u64 * COST, &|part| {
            let target = &target;
            let own = share(rows.count(), parts, part);
            for index in own.clone() {
                if contiguous && index + 1 < own.end {
                    // The memory of a row anywhere answers late: ask for it while this row is copied.
                    let next = self.data.wrapping_offset(rows.row(index + 1) as isize * self.strides[0]);
                    let bytes = (row_size * self.kind.size()).min(PREFETCHED_BYTES);
                    (0..bytes).step_by(LINE).for_each(|byte| prefetch(next.wrapping_add(byte)));
                }
                // SAFETY: the row exists (checked by the caller of the batch), the target has room for
                // `rows.count()` rows, and each row of the target is written by one part.
                let fits = unsafe {
                    let source = self.data.offset(rows.row(index) as isize * self.strides[0]);
                    let row = target.0.add(index * row_bytes);
                    if as_it_is {
                        copy(source, row, row_bytes);
                        true
                    } else if contiguous {
                        cast_run(source, self.kind, self.kind.size() as isize, ty.dtype, row, row_size)
                    } else {
                        self.cast_strided(source, ty.dtype, row)
                    }
                };
                if !fits {
                    failed.store(true, std::sync::atomic::Ordering::Relaxed);
                }
            }
        });
        if failed.into_inner() {
            let (row, value) = self.first_beyond_int32(rows);
            return Err(Error::Data(format!(
                "expected integers that fit in {}. Received: {value} in row {row}",
                ty.dtype.name()
            )));
        }
        Ok(())
    }

    /// The first element that int32 does not hold, and its row; one of the rows has such an element.
    fn first_beyond_int32(&self, rows: Rows<'_>) -> (usize, String) {
        let row_size: usize = self.row_shape().iter().product();
        for row in (0..rows.count()).map(|index| rows.row(index)) {
            for element in 0..row_size {
                let mut rest = element;
                let mut offset = row as isize * self.strides[0];
                for (&dim, &stride) in self.shape[1..].iter().zip(&self.strides[1..]).rev() {
                    offset += (rest % dim) as isize * stride;
                    rest /= dim;
                }
                let source = self.data.wrapping_offset(offset);
                // SAFETY: the indices are within the shape, so that the element is readable and aligned for `kind`.
                let value = unsafe {
                    match self.kind {
                        ElementKind::U32 => source.cast::<u32>().read().to_string(),
                        ElementKind::U64 => source.cast::<u64>().read().to_string(),
                        ElementKind::I64 => source.cast::<i64>().read().to_string(),
                        ElementKind::F32 => source.cast::<f32>().read().to_string(),
                        ElementKind::F64 => source.cast::<f64>().read().to_string(),
                        _ => continue,
                    }
                };
                let number: f64 = value.parse().expect("a number was written");
                if !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number) {
                    return (row, value);
                }
            }
        }
        // Another thread has changed the array meanwhile.
        (rows.row(0), "a value out of its range".into())
    }

    /// Casts one row, innermost axis by innermost axis.
    ///
    /// # Safety
    /// `source` is a row of the column, `target` has room for it.
    unsafe fn cast_strided(&self, source: *const u8, dtype: DType, target: *mut u8) -> bool {
        let (shape, strides) = (self.row_shape(), &self.strides[1..]);
        let Some((&inner, outer)) = shape.split_last() else {
            // SAFETY: as promised to this function; a row of rank 0 is one element.
            return unsafe { cast_run(source, self.kind, 0, dtype, target, 1) };
        };
        let runs: usize = outer.iter().product();
        (0..runs).fold(true, |fits, run| {
            let mut rest = run;
            let mut offset = 0;
            for (&dim, &stride) in outer.iter().zip(strides).rev() {
                offset += (rest % dim) as isize * stride;
                rest /= dim;
            }
            // SAFETY: the indices stay within the shape, so the run lies in the array.
            let run_fits = unsafe {
                let target = target.add(run * inner * dtype.size());
                cast_run(source.offset(offset), self.kind, strides[strides.len() - 1], dtype, target, inner)
            };
            fits & run_fits
        })
    }
}

struct Target(*mut u8);
// SAFETY: parts write disjoint rows.
unsafe impl Sync for Target {}

/// Casts `count` elements that lie `stride` bytes apart; false where a value does not fit an int.
///
/// # Safety
/// All the source elements are readable and the target has room for `count` elements, both aligned.
unsafe fn cast_run(
    source: *const u8,
    kind: ElementKind,
    stride: isize,
    dtype: DType,
    target: *mut u8,
    count: usize,
) -> bool {
    if kind == ElementKind::Bool {
        // SAFETY: `dtype` says what the target holds.
        unsafe {
            match dtype {
                DType::F32 => run(source, stride, target, count, |value: u8| f32::from(value != 0)),
                DType::F64 => run(source, stride, target, count, |value: u8| f64::from(value != 0)),
                DType::I32 => run(source, stride, target, count, |value: u8| i32::from(value != 0)),
                DType::Bool => run(source, stride, target, count, |value: u8| u8::from(value != 0)),
            }
        }
        return true;
    }
    macro_rules! from {
        ($($kind:ident: $type:ty),*) => {
            match kind {
                $(ElementKind::$kind => {
                    // SAFETY: `kind` says what the source holds, `dtype` what the target does.
                    unsafe {
                        match dtype {
                            DType::F32 => run::<$type, f32>(source, stride, target, count, |value| value as f32),
                            DType::F64 => run::<$type, f64>(source, stride, target, count, |value| value as f64),
                            DType::Bool => run::<$type, u8>(source, stride, target, count, |value| (value != (0 as $type)) as u8),
                            DType::I32 => {
                                run::<$type, i32>(source, stride, target, count, |value| value as i32);
                                return fits_i32::<$type>(source, stride, count, |value| value as f64);
                            }
                        }
                    }
                })*
                ElementKind::Bool => unreachable!("handled above"),
            }
        };
    }
    from!(U8: u8, I8: i8, U16: u16, I16: i16, U32: u32, I32: i32, U64: u64, I64: i64, F32: f32, F64: f64);
    true
}

/// # Safety
/// As [`cast_run`].
#[inline(always)]
unsafe fn run<S: Copy, T>(
    source: *const u8,
    stride: isize,
    target: *mut u8,
    count: usize,
    cast: impl Fn(S) -> T,
) {
    let target: *mut T = target.cast();
    if stride == size_of::<S>() as isize {
        let source: *const S = source.cast();
        for index in 0..count {
            // SAFETY: promised by the caller.
            unsafe { target.add(index).write(cast(source.add(index).read())) };
        }
    } else {
        for index in 0..count {
            // SAFETY: promised by the caller.
            unsafe {
                target.add(index).write(cast(source.offset(index as isize * stride).cast::<S>().read()))
            };
        }
    }
}

/// # Safety
/// As [`cast_run`].
#[inline(always)]
unsafe fn fits_i32<S: Copy>(
    source: *const u8,
    stride: isize,
    count: usize,
    widen: impl Fn(S) -> f64,
) -> bool {
    (0..count).all(|index| {
        // SAFETY: promised by the caller.
        let value = widen(unsafe { source.offset(index as isize * stride).cast::<S>().read() });
        (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value)
    })
}

/// Copies bytes; a few of them in words, of which the last two may overlap, without a call to `memcpy`, which would take
/// longer than the copy.
///
/// # Safety
/// `source` is readable and `target` writable for so many bytes; they do not overlap.
#[inline(always)]
unsafe fn copy(source: *const u8, target: *mut u8, bytes: usize) {
    const FEW: usize = 64;
    type Word = [u8; 16];
    // SAFETY: every access lies within the bytes that the caller promises.
    unsafe {
        if bytes == size_of::<f32>() {
            target.cast::<f32>().write_unaligned(source.cast::<f32>().read_unaligned());
        } else if (size_of::<Word>()..=FEW).contains(&bytes) {
            let copy_word = |offset: usize| {
                target.add(offset).cast::<Word>().write(source.add(offset).cast::<Word>().read());
            };
            let last = bytes - size_of::<Word>();
            (0..last).step_by(size_of::<Word>()).for_each(copy_word);
            copy_word(last);
        } else {
            target.copy_from_nonoverlapping(source, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(data: &[i64], shape: &[usize], strides: &[isize]) -> Column {
        // SAFETY: the tests pass strides that stay inside `data`, which outlives the column.
        unsafe { Column::new(data.as_ptr().cast(), ElementKind::I64, shape.to_vec(), strides.to_vec()) }
    }

    fn gather_f32(column: &Column, rows: Rows<'_>) -> Vec<f32> {
        let mut shape = vec![rows.count()];
        shape.extend(column.row_shape());
        let ty = TensorType::new(DType::F32, shape);
        let mut target = vec![0f32; ty.size()];
        // SAFETY: the target has the type's size.
        unsafe { column.gather(rows, &ty, target.as_mut_ptr().cast()) }.unwrap();
        target
    }

    #[test]
    fn rows_are_gathered_in_the_listed_order_and_cast() {
        let data: Vec<i64> = (0..12).collect();
        let column = column(&data, &[4, 3], &[24, 8]);
        assert_eq!(gather_f32(&column, Rows::Listed(&[2, 0])), [6., 7., 8., 0., 1., 2.]);
        assert_eq!(gather_f32(&column, Rows::Range { first: 1, count: 2 }), [3., 4., 5., 6., 7., 8.]);
    }

    #[test]
    fn rows_of_every_length_are_copied_whole() {
        for columns in 1..=40 {
            let data: Vec<f32> = (0..3 * columns).map(|i| i as f32).collect();
            let (shape, row_bytes) = (vec![3, columns], 4 * columns as isize);
            // SAFETY: contiguous rows of `data`, which outlives the column.
            let column =
                unsafe { Column::new(data.as_ptr().cast(), ElementKind::F32, shape, vec![row_bytes, 4]) };
            let rows = gather_f32(&column, Rows::Listed(&[2, 0]));
            assert_eq!(rows, [&data[2 * columns..], &data[..columns]].concat(), "{columns} columns");
        }
    }

    #[test]
    fn any_strides_are_read_where_they_lie() {
        let data: Vec<i64> = (0..12).collect();
        // The transpose of a (3, 4) matrix: row i is column i.
        let transposed = column(&data, &[4, 3], &[8, 32]);
        assert_eq!(gather_f32(&transposed, Rows::Listed(&[1])), [1., 5., 9.]);
        // A (2, 2, 2) view with a zero stride and a rank-0 row.
        let repeated = column(&data, &[2, 2, 2], &[48, 0, 8]);
        assert_eq!(gather_f32(&repeated, Rows::Listed(&[1, 0])), [6., 7., 6., 7., 0., 1., 0., 1.]);
        let scalars = column(&data, &[12], &[8]);
        assert_eq!(gather_f32(&scalars, Rows::Listed(&[11, 3])), [11., 3.]);
    }

    #[test]
    fn an_int_out_of_range_is_an_error() {
        let data = [1i64, 1 << 40];
        let column = column(&data, &[2], &[8]);
        let ty = TensorType::new(DType::I32, [2]);
        let mut target = [0i32; 2];
        // SAFETY: the target has the type's size.
        let result =
            unsafe { column.gather(Rows::Range { first: 0, count: 2 }, &ty, target.as_mut_ptr().cast()) };
        assert!(matches!(result, Err(Error::Data(_))));
    }
}
