//! Runs: the positions along one axis whose window reaches the data with the same taps.
//!
//! A convolution forward reads source = destination·stride + tap·dilation − padding; a convolution backward by input
//! is the same sum the other way round, where only the taps that hit a whole multiple of the stride have a source. In
//! both, the destinations of one axis fall into runs of equal steps whose every member has the same taps, all of them
//! inside the data. A tile of pixels out of such runs needs neither zeros around the data nor a check in its loop.

use std::ops::Range;

use super::Window;

/// Destinations `start + i·step`, `i < count`, whose taps `tap + j·tap_step`, `j < taps`, have the sources
/// `source + i·source_step + j·source_tap_step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub start: usize,
    pub step: usize,
    pub count: usize,
    pub tap: usize,
    pub tap_step: usize,
    pub taps: usize,
    pub source: usize,
    pub source_step: usize,
    pub source_tap_step: usize,
}

/// One axis of a convolution, in one of its two directions.
#[derive(Debug, Clone, Copy)]
pub enum Axis {
    /// x → y.
    Forward { size: usize, stride: usize, dilation: usize, before: usize, sources: usize },
    /// dy → dx. The taps are numbered from the kernel's far end, so that their sources ascend.
    Backward { size: usize, stride: usize, dilation: usize, before: usize, sources: usize },
}

impl Axis {
    /// `axis` 0 is the height, 1 the width; `input` is the length of x along it.
    pub fn forward(window: &Window, axis: usize, input: usize) -> Self {
        let (size, stride) = (window.size[axis], window.strides[axis]);
        let (dilation, before) = (window.dilation[axis], window.before[axis]);
        Self::Forward { size, stride, dilation, before, sources: input }
    }

    pub fn backward(window: &Window, axis: usize, output: usize) -> Self {
        let (size, stride) = (window.size[axis], window.strides[axis]);
        let (dilation, before) = (window.dilation[axis], window.before[axis]);
        Self::Backward { size, stride, dilation, before, sources: output }
    }

    /// The runs that cover the destinations `range`, each destination once.
    pub fn runs(self, range: Range<usize>) -> Runs {
        Runs { axis: self, next: range.start, residue: range.start, range }
    }

    /// Destinations of one run are this far apart.
    fn step(&self) -> usize {
        match *self {
            Self::Forward { .. } => 1,
            Self::Backward { stride, .. } => stride,
        }
    }

    /// The run of the one destination `start`.
    fn at(&self, start: usize) -> Run {
        match *self {
            Self::Forward { size, stride, dilation, before, sources } => {
                let origin = start * stride;
                let first = before.saturating_sub(origin).div_ceil(dilation);
                let end = (sources + before).saturating_sub(origin).div_ceil(dilation).min(size);
                let taps = end.saturating_sub(first);
                let (tap, source) =
                    if taps == 0 { (0, 0) } else { (first, origin + first * dilation - before) };
                let (source_step, source_tap_step) = (stride, dilation);
                Run { start, step: 1, count: 1, tap, tap_step: 1, taps, source, source_step, source_tap_step }
            }
            Self::Backward { size, stride, dilation, before, sources } => {
                // Tap t from the far end reads source (start + before − (size − 1 − t)·dilation) / stride.
                let shifted = start + before;
                let reaches = |tap: usize| {
                    shifted
                        .checked_sub((size - 1 - tap) * dilation)
                        .filter(|position| position % stride == 0 && position / stride < sources)
                };
                let (mut tap, mut source, mut taps) = (0, 0, 0);
                for candidate in 0..size {
                    if let Some(position) = reaches(candidate) {
                        if taps == 0 {
                            (tap, source) = (candidate, position / stride);
                        }
                        taps += 1;
                    }
                }
                let tap_step = stride / greatest_common_divisor(stride, dilation);
                let source_tap_step = tap_step * dilation / stride;
                Run {
                    start,
                    step: stride,
                    count: 1,
                    tap,
                    tap_step,
                    taps,
                    source,
                    source_step: 1,
                    source_tap_step,
                }
            }
        }
    }
}

/// The runs of a range of destinations: those of its first residue by the step, then those of the next.
#[derive(Debug, Clone)]
pub struct Runs {
    axis: Axis,
    range: Range<usize>,
    residue: usize,
    next: usize,
}

impl Iterator for Runs {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let step = self.axis.step();
        if self.next >= self.range.end {
            self.residue += 1;
            self.next = self.residue;
            if self.residue >= self.range.end || self.residue - self.range.start >= step {
                return None;
            }
        }
        let mut run = self.axis.at(self.next);
        loop {
            self.next += step;
            if self.next >= self.range.end {
                break;
            }
            let other = self.axis.at(self.next);
            if (other.tap, other.taps) != (run.tap, run.taps) {
                break;
            }
            run.count += 1;
        }
        Some(run)
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (destination, tap, source) of every term, as the definition reads.
    fn terms(window: &Window, input: usize, output: usize, backward: bool) -> Vec<(usize, usize, usize)> {
        let mut terms = Vec::new();
        for o in 0..output {
            for tap in 0..window.size[0] {
                let Some(i) =
                    (o * window.strides[0] + tap * window.dilation[0]).checked_sub(window.before[0])
                else {
                    continue;
                };
                if i < input {
                    terms.push(if backward { (i, window.size[0] - 1 - tap, o) } else { (o, tap, i) });
                }
            }
        }
        terms.sort_unstable();
        terms
    }

    #[test]
    fn runs_hold_every_term_once() {
        for size in 1..4 {
            for stride in 1..4 {
                for (dilation, input) in [(1, 7), (2, 9), (3, 8)] {
                    for before in 0..3 {
                        let window = Window {
                            size: [size, 1],
                            strides: [stride, 1],
                            before: [before, 0],
                            after: [1, 0],
                            dilation: [dilation, 1],
                        };
                        let output = window.positions(0, input);
                        for backward in [false, true] {
                            let (axis, length) = match backward {
                                false => (Axis::forward(&window, 0, input), output),
                                true => (Axis::backward(&window, 0, output), input),
                            };
                            let (mut found, mut covered) = (Vec::new(), Vec::new());
                            for run in axis.runs(0..2.min(length)).chain(axis.runs(2.min(length)..length)) {
                                for i in 0..run.count {
                                    covered.push(run.start + i * run.step);
                                    for j in 0..run.taps {
                                        let source =
                                            run.source + i * run.source_step + j * run.source_tap_step;
                                        let tap = run.tap + j * run.tap_step;
                                        found.push((run.start + i * run.step, tap, source));
                                    }
                                }
                            }
                            found.sort_unstable();
                            covered.sort_unstable();
                            assert_eq!(
                                found,
                                terms(&window, input, output, backward),
                                "{window:?} {backward}"
                            );
                            assert_eq!(covered, (0..length).collect::<Vec<_>>());
                        }
                    }
                }
            }
        }
    }
}
