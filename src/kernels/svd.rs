//! The singular value decomposition by one-sided Jacobi rotations.
//!
//! Pairs of columns are rotated until all are orthogonal; their lengths are then the singular values, each with a small
//! error *relative to itself*. Everything is computed in float64.
//!
//! Source: Hestenes 1958, https://doi.org/10.1137/0106005; Demmel and Veselić 1992, https://doi.org/10.1137/0613074

use super::Real;

/// Two columns are orthogonal where the cosine of their angle is below this.
const TOLERANCE: f64 = 1e-15;
/// Sweeps over all pairs; 6 to 10 are usual.
const MAX_SWEEPS: usize = 60;

/// The float64 numbers that [`svd`] needs beside its operands.
pub fn workspace(m: usize, n: usize) -> usize {
    let (long, short) = (m.max(n), m.min(n));
    short * (long + short)
}

/// u (m, k) · diag(s (k)) · vt (k, n) = a (m, n), k the lesser of m and n; s descends, none below 0.
///
/// The rows of vt (columns of u, where m < n) that belong to a singular value of 0 are 0. All is NaN where an element of a
/// is not finite.
pub fn svd<T: Real>([u, s, vt]: [&mut [T]; 3], a: &[T], (m, n): (usize, usize), workspace: &mut [f64]) {
    let (long, short) = (m.max(n), m.min(n));
    let scale = a.iter().fold(0.0, |scale: f64, x| scale.max(x.to_f64().abs()));
    if a.iter().any(|x| !x.is_finite()) {
        [u, s, vt].into_iter().for_each(|part| part.fill(T::from_f64(f64::NAN)));
        return;
    }
    // Of a, or of its transpose where that has fewer columns: the columns, scaled so that no square overflows, and the
    // product of all rotations, both column after column.
    let (columns, rotations) = workspace.split_at_mut(short * long);
    let scaled = |x: T| if scale > 0.0 { x.to_f64() / scale } else { 0.0 };
    for column in 0..short {
        for row in 0..long {
            let at = if m < n { column * n + row } else { row * n + column };
            columns[column * long + row] = scaled(a[at]);
        }
        for row in 0..short {
            rotations[column * short + row] = f64::from(u8::from(row == column));
        }
    }
    for _ in 0..MAX_SWEEPS {
        let mut rotated = false;
        for i in 0..short {
            for j in i + 1..short {
                rotated |= orthogonalize(columns, rotations, (i, j), (long, short));
            }
        }
        if !rotated {
            break;
        }
    }
    for place in 0..short {
        // The longest column that is left; a column is crossed out by a NaN.
        let length = |column: usize| dot(columns, columns, (column, column), long).sqrt();
        let longest = (0..short).filter(|&column| !columns[column * long].is_nan());
        let Some(column) = longest.max_by(|&a, &b| length(a).total_cmp(&length(b))) else { unreachable!() };
        let sigma = length(column);
        s[place] = T::from_f64(sigma * scale);
        for row in 0..long {
            let x = columns[column * long + row];
            let x = T::from_f64(if sigma > 0.0 { x / sigma } else { 0.0 });
            if m < n { vt[place * n + row] = x } else { u[row * short + place] = x }
        }
        for row in 0..short {
            let x = T::from_f64(rotations[column * short + row]);
            if m < n { u[row * short + place] = x } else { vt[place * n + row] = x }
        }
        columns[column * long] = f64::NAN;
    }
}

/// Makes columns i and j orthogonal, if they are not.
fn orthogonalize(
    columns: &mut [f64],
    rotations: &mut [f64],
    (i, j): (usize, usize),
    (long, short): (usize, usize),
) -> bool {
    let [alpha, beta, gamma] = [(i, i), (j, j), (i, j)].map(|pair| dot(columns, columns, pair, long));
    if gamma.abs() <= TOLERANCE * (alpha * beta).sqrt() {
        return false;
    }
    let zeta = (beta - alpha) / (2.0 * gamma);
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = cosine * tangent;
    for (vectors, length) in [(columns, long), (rotations, short)] {
        let (before, after) = vectors.split_at_mut(j * length);
        for (x, y) in before[i * length..][..length].iter_mut().zip(after) {
            (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
        }
    }
    true
}

fn dot(a: &[f64], b: &[f64], (i, j): (usize, usize), length: usize) -> f64 {
    a[i * length..][..length].iter().zip(&b[j * length..]).map(|(a, b)| a * b).sum()
}
