//! The mathematics, over slices and ndarray views: no graph, no Python, no allocation inside a step.

pub mod elementwise;
