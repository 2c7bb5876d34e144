//! Convolution as its definition reads: the oracle of the fast kernels.

use super::Geometry;
use crate::kernels::Real;

/// y[b, oh, ow, o] = Σ x[b, oh·stride + kh·dilation − padding, …, c] · kernel[kh, kw, c, o], over the taps that lie
/// inside x and the channels of o's group.
pub fn forward<T: Real>(g: &Geometry, x: &[T], kernel: &[T], y: &mut [T]) {
    y.fill(T::ZERO);
    for_each_product(g, |x_index, kernel_index, y_index| y[y_index] += x[x_index] * kernel[kernel_index]);
}

/// dx, the gradient of x where dy is that of y.
pub fn backward_input<T: Real>(g: &Geometry, dy: &[T], kernel: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    for_each_product(g, |x_index, kernel_index, y_index| dx[x_index] += dy[y_index] * kernel[kernel_index]);
}

/// dkernel, the gradient of the kernel where dy is that of y.
pub fn backward_filter<T: Real>(g: &Geometry, x: &[T], dy: &[T], dkernel: &mut [T]) {
    dkernel.fill(T::ZERO);
    for_each_product(g, |x_index, kernel_index, y_index| dkernel[kernel_index] += x[x_index] * dy[y_index]);
}

/// Visits every product of the convolution's sum as (index in x, index in kernel, index in y).
fn for_each_product(g: &Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    let (channels, filters) = (g.channels_per_group(), g.filters_per_group());
    for y_pixel in 0..g.output_pixels() {
        let (oh, ow) = (y_pixel / g.output[1] % g.output[0], y_pixel % g.output[1]);
        let b = y_pixel / (g.output[0] * g.output[1]);
        for tap in 0..g.taps() {
            let (kh, kw) = (tap / g.window.size[1], tap % g.window.size[1]);
            let position = |axis: usize, o: usize, k: usize| {
                (o * g.window.strides[axis] + k * g.window.dilation[axis])
                    .checked_sub(g.window.before[axis])
                    .filter(|&i| i < g.input[axis])
            };
            let (Some(h), Some(w)) = (position(0, oh, kh), position(1, ow, kw)) else { continue };
            let x_pixel = (b * g.input[0] + h) * g.input[1] + w;
            for o in 0..g.filters {
                let group = o / filters;
                for c in 0..channels {
                    let x_index = x_pixel * g.channels + group * channels + c;
                    visit(x_index, (tap * channels + c) * g.filters + o, y_pixel * g.filters + o);
                }
            }
        }
    }
}
