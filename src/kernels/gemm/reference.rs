//! The plain product: what the fast one is compared with.

use super::Matrix;
use crate::kernels::Real;

/// c (M, N) = a (M, K) · b (K, N), summed in f64.
pub fn reference<T: Real>(a: Matrix<'_, T>, b: Matrix<'_, T>) -> Vec<f64> {
    let mut c = Vec::with_capacity(a.rows * b.columns);
    for i in 0..a.rows {
        for j in 0..b.columns {
            let products = (0..a.columns).map(|k| {
                let left = a.data[i * a.row_stride + k * a.column_stride];
                let right = b.data[k * b.row_stride + j * b.column_stride];
                left.to_f64() * right.to_f64()
            });
            c.push(products.sum());
        }
    }
    c
}
