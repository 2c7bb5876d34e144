//! What runs on the blocks of a kernel's result while they are in cache.

use std::ops::Range;

/// What a kernel that accepts an epilogue does with each finished block of output 0, which is seen as a matrix of `rows` ×
/// `columns` (the last axis); blocks cover the output exactly once, in any order, from any thread.
pub trait Epilogue: Sync {
    fn finish(&self, rows: Range<usize>, columns: Range<usize>);

    /// Whether nothing else reads the output, which then need not be written: its blocks may lie elsewhere.
    fn reads_last(&self) -> bool {
        false
    }

    /// [`Epilogue::finish`] of a block that lies elsewhere: there, element `(row, column)` is where it would be if the whole
    /// output began at `output`. For an epilogue that [`reads_last`](Epilogue::reads_last).
    ///
    /// # Safety
    /// The elements of the block are there, of the output's dtype, and nothing writes them meanwhile.
    unsafe fn finish_elsewhere(&self, _output: *const u8, _rows: Range<usize>, _columns: Range<usize>) {
        unreachable!("the epilogue reads the output where it belongs");
    }
}

impl<F: Fn(Range<usize>, Range<usize>) + Sync> Epilogue for F {
    fn finish(&self, rows: Range<usize>, columns: Range<usize>) {
        self(rows, columns);
    }
}
