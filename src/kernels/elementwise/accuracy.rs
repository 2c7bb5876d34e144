//! How exact a function of float32 is, for tests: numbers to try, and the measure of an error.

/// |got − exact| in units in the last place of float32 at `exact`.
pub fn ulps(got: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if got == rounded || (got.is_nan() && rounded.is_nan()) {
        return 0.0;
    }
    if !got.is_finite() || !rounded.is_finite() {
        return f64::INFINITY;
    }
    let exponent = exact.abs().log2().floor().max(-126.0);
    (f64::from(got) - exact).abs() / (exponent - 23.0).exp2()
}

/// Every 4001st float32 of both signs, and the points where functions change their form.
pub fn sweep() -> Vec<f32> {
    let mut numbers: Vec<f32> = (0..=u32::MAX).step_by(4001).map(f32::from_bits).collect();
    for edge in [
        0.0,
        1.0,
        0.5,
        2.0,
        0.925,
        4.0,
        17.0,
        30.0,
        87.3,
        88.722_84,
        89.0,
        103.97,
        104.0,
        1e6,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
    ] {
        for near in [edge.next_down(), edge, edge.next_up()] {
            numbers.extend([near, -near]);
        }
    }
    numbers
}
