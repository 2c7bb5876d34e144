//! The graph: values, nodes, and what an op is.
//!
//! A [`Graph`] is only ever appended to, so the order of its nodes is a topological order. Shapes are
//! static: every value has a [`TensorType`](crate::tensor::TensorType).

mod attributes;
mod builder;
mod call;
mod op;
mod properties;

pub(crate) use attributes::attributes;
pub use attributes::{Attribute, AttributeType, Attributes};
pub use builder::{Graph, Node, NodeId, Origin, Source, Value, Write};
pub use call::{Call, RowList, TensorView, TensorViewMut};
pub use op::{Differentiated, Effect, Op, OpRef};
pub use properties::Properties;
