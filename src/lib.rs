//! The engine of rustnet: a graph of tensor ops that is differentiated, optimised, planned and run on CPUs.
//!
//! The modules depend on each other in one direction only, in this order:
//!
//! - [`error`], [`tensor`]: the vocabulary.
//! - [`threads`]: the pool that kernels split their work over.
//! - [`kernels`]: the mathematics, over slices and ndarray views; no graph, no allocation.
//! - [`graph`]: values, nodes, and the trait [`graph::Op`].
//! - [`ops`]: every op, one family a file: attributes, shape rule, gradient rule, kernel.
//! - [`compile`]: gradient, simplification, fusion and memory plan: from a graph to a program.
//! - [`runtime`]: variables, arenas, the compiled program and the batch feed.
//! - `python`: the boundary; nothing else names pyo3 or numpy.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod compile;
pub mod error;
pub mod graph;
pub mod kernels;
pub mod ops;
#[cfg(feature = "python")]
mod python;
pub mod runtime;
pub mod tensor;
pub mod threads;
