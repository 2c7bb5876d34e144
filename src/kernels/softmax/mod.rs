//! Softmax, its logarithm and its cross-entropies over rows of `classes` elements, each with its backward.
//!
//! With m = max x and s = Σ exp(x − m): softmax p = exp(x − m) / s, log-softmax = x − m − ln s.
//!
//! Long rows are worked on one after another ([`long`]), short ones sixteen side by side ([`short`]). A row's result
//! does not depend on the rows beside it.

mod long;
pub mod reference;
mod short;
#[cfg(test)]
mod tests;

use super::Real;
use super::elementwise::math;
use super::parallel::{for_each_chunk, items_per_part};
use super::transposed_rows::MOST_COLUMNS;

/// Elements of one part of a parallel loop.
const PART: usize = 1 << 13;

/// eˣ and ln x in the form that vectorises.
pub trait Exponential: Real {
    fn exponential<const FMA: bool>(self) -> Self;
    fn logarithm<const FMA: bool>(self) -> Self;
}

impl Exponential for f32 {
    #[inline(always)]
    fn exponential<const FMA: bool>(self) -> Self {
        math::exp::<FMA>(self)
    }
    #[inline(always)]
    fn logarithm<const FMA: bool>(self) -> Self {
        math::log::<FMA>(self)
    }
}

impl Exponential for f64 {
    #[inline(always)]
    fn exponential<const FMA: bool>(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn logarithm<const FMA: bool>(self) -> Self {
        self.ln()
    }
}

/// The larger one, NaN where either is.
#[inline(always)]
#[allow(clippy::eq_op)] // b != b is the test for NaN
fn larger<T: Real>(a: T, b: T) -> T {
    if b > a || b != b { b } else { a }
}

/// Rows that one part takes, and the work of all rows in nanoseconds.
fn split(size: usize, classes: usize) -> (usize, u64) {
    (items_per_part(size / classes, classes, PART), size as u64)
}

/// y (rows, classes) = softmax of each row of x.
pub fn softmax<T: Exponential>(y: &mut [T], x: &[T], classes: usize) {
    over_rows(y, x, classes, [short::softmax, long::softmax]);
}

/// dx = y · (dy − Σ dy·y), from y = softmax x.
pub fn softmax_backward<T: Exponential>(dx: &mut [T], y: &[T], dy: &[T], classes: usize) {
    over_rows2(dx, y, dy, classes, long::softmax_backward);
}

/// y (rows, classes) = log-softmax of each row of x.
pub fn log_softmax<T: Exponential>(y: &mut [T], x: &[T], classes: usize) {
    over_rows(y, x, classes, [short::log_softmax, long::log_softmax]);
}

/// dx = dy − exp(y) Σ dy, from y = log-softmax x.
pub fn log_softmax_backward<T: Exponential>(dx: &mut [T], y: &[T], dy: &[T], classes: usize) {
    over_rows2(dx, y, dy, classes, long::log_softmax_backward);
}

/// loss (rows) = −Σ target · log-softmax(logits); logits and target (rows, classes).
pub fn cross_entropy<T: Exponential>(loss: &mut [T], logits: &[T], target: &[T], classes: usize) {
    let body = pick(classes, [short::cross_entropy, long::cross_entropy]);
    let (per_part, work) = split(logits.len(), classes);
    for_each_chunk(loss, per_part, work, &|part, loss| {
        let elements = part * per_part * classes..(part * per_part + loss.len()) * classes;
        body(loss, &logits[elements.clone()], &target[elements], classes);
    });
}

/// dlogits = (p Σ target − target) · dloss, with p = softmax(logits).
pub fn cross_entropy_backward<T: Exponential>(
    dlogits: &mut [T],
    logits: &[T],
    target: &[T],
    dloss: &[T],
    classes: usize,
) {
    let body = pick(classes, [short::cross_entropy_backward, long::cross_entropy_backward]);
    let (per_part, work) = split(logits.len(), classes);
    for_each_chunk(dlogits, per_part * classes, work, &|part, dlogits| {
        let start = part * per_part;
        let elements = start * classes..start * classes + dlogits.len();
        let dloss = &dloss[start..start + dlogits.len() / classes];
        body(dlogits, &logits[elements.clone()], &target[elements], dloss, classes);
    });
}

/// loss (rows) = −log-softmax(logits)[label]; logits (rows, classes), labels (rows) within the classes.
pub fn sparse_cross_entropy<T: Exponential>(loss: &mut [T], logits: &[T], labels: &[i32], classes: usize) {
    let body = pick(classes, [short::sparse_cross_entropy, long::sparse_cross_entropy]);
    let (per_part, work) = split(logits.len(), classes);
    for_each_chunk(loss, per_part, work, &|part, loss| {
        let start = part * per_part;
        let logits = &logits[start * classes..(start + loss.len()) * classes];
        body(loss, logits, &labels[start..start + loss.len()], classes);
    });
}

/// dlogits = (p − one-hot(label)) · dloss, with p = softmax(logits).
pub fn sparse_cross_entropy_backward<T: Exponential>(
    dlogits: &mut [T],
    logits: &[T],
    labels: &[i32],
    dloss: &[T],
    classes: usize,
) {
    let body = pick(classes, [short::sparse_cross_entropy_backward, long::sparse_cross_entropy_backward]);
    let (per_part, work) = split(logits.len(), classes);
    for_each_chunk(dlogits, per_part * classes, work, &|part, dlogits| {
        let rows = part * per_part..part * per_part + dlogits.len() / classes;
        let logits = &logits[rows.start * classes..rows.end * classes];
        body(dlogits, logits, &labels[rows.clone()], &dloss[rows], classes);
    });
}

/// The body for short rows or the one for long rows.
fn pick<F>(classes: usize, [short, long]: [F; 2]) -> F {
    if classes <= MOST_COLUMNS { short } else { long }
}

type Map<T> = fn(&mut [T], &[T], usize);
type Map2<T> = fn(&mut [T], &[T], &[T], usize);

fn over_rows<T: Real>(y: &mut [T], x: &[T], classes: usize, bodies: [Map<T>; 2]) {
    if y.is_empty() {
        return;
    }
    let body = pick(classes, bodies);
    let (per_part, work) = split(x.len(), classes);
    for_each_chunk(y, per_part * classes, work, &|part, y| {
        body(y, &x[part * per_part * classes..][..y.len()], classes)
    });
}

fn over_rows2<T: Real>(y: &mut [T], a: &[T], b: &[T], classes: usize, body: Map2<T>) {
    if y.is_empty() {
        return;
    }
    let (per_part, work) = split(y.len(), classes);
    for_each_chunk(y, per_part * classes, work, &|part, y| {
        let start = part * per_part * classes;
        body(y, &a[start..][..y.len()], &b[start..][..y.len()], classes)
    });
}
