//! Random graphs for tests: the same graph for the same seed, of elementwise ops, broadcasts, views, products, reductions,
//! gathers and poolings, with the gradients of a sum of what they give.

use super::gradients;
use crate::graph::{Attribute, Attributes, Graph, Value};
use crate::ops::elementwise::{
    add, cast, maximum, multiply, negative, relu, sigmoid, square, subtract, tanh,
};
use crate::ops::matmul::matmul;
use crate::ops::reduce::reduce_sum;
use crate::ops::registry;
use crate::ops::shape::{broadcast_to, reshape, transpose};
use crate::ops::testing::{ints, uniform};
use crate::tensor::{DType, Tensor};

/// Elements of a value, at most.
const MOST_ELEMENTS: usize = 400;

/// A graph in the making, and what its inputs are.
pub struct RandomGraph {
    pub graph: Graph,
    pub feed: Vec<Tensor>,
    leaves: Vec<Value>,
    values: Vec<Value>,
    state: u64,
}

impl RandomGraph {
    pub fn new(seed: u64) -> Self {
        let mut random = Self {
            graph: Graph::new(),
            feed: Vec::new(),
            leaves: Vec::new(),
            values: Vec::new(),
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        };
        for shape in [&[4, 5][..], &[5], &[3, 4, 5], &[2, 4, 6, 2]] {
            let leaf = random.leaf(shape);
            random.push(leaf);
        }
        random
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        // xorshift
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 33) as usize % end
    }

    fn input(&mut self, tensor: Tensor) -> Value {
        let value = self.graph.input(self.feed.len(), tensor.tensor_type());
        self.feed.push(tensor);
        value
    }

    /// A new input of float64 numbers in −1..1.
    pub fn leaf(&mut self, shape: &[usize]) -> Value {
        let seed = self.state ^ self.feed.len() as u64;
        let leaf = self.input(uniform(shape, seed, -1.0, 1.0));
        self.leaves.push(leaf);
        leaf
    }

    /// A new input of float32 numbers in 0.5..2.
    pub fn single(&mut self) -> Value {
        let Tensor::F64(array) = uniform(&[4, 5], self.state, 0.5, 2.0) else {
            unreachable!("uniform is float64")
        };
        let leaf = self.input(Tensor::F32(array.mapv(|element| element as f32)));
        self.leaves.push(leaf);
        leaf
    }

    /// New ids below `end`.
    pub fn ids(&mut self, shape: &[usize], end: usize) -> Value {
        let count = shape.iter().product();
        let ids: Vec<i32> = (0..count).map(|_| self.below(end) as i32).collect();
        self.input(ints(shape, &ids))
    }

    /// One of the float64 values so far.
    pub fn pick(&mut self) -> Value {
        let index = self.below(self.values.len());
        self.values[index]
    }

    /// One of rank `rank`: at the least a leaf is.
    pub fn pick_of_rank(&mut self, rank: usize) -> Value {
        let fitting: Vec<Value> =
            self.values.iter().copied().filter(|&value| self.graph.shape(value).len() == rank).collect();
        fitting[self.below(fitting.len())]
    }

    /// One that is of images (B, H, W, C) of 3 × 3 pixels or more.
    pub fn image(&mut self) -> Value {
        let is_image = |shape: &[usize]| matches!(shape, &[_, height, width, _] if height > 2 && width > 2);
        let images: Vec<Value> =
            self.values.iter().copied().filter(|&value| is_image(self.graph.shape(value))).collect();
        images[self.below(images.len())]
    }

    /// A value that later ops may read, and results depend on. What is not float64 becomes so.
    pub fn push(&mut self, value: Value) {
        let value = match self.graph.ty(value).dtype {
            DType::F64 => value,
            _ => cast(&mut self.graph, value, DType::F64).unwrap(),
        };
        self.values.push(value);
    }

    /// Appends up to `count` random nodes.
    pub fn grow(&mut self, count: usize) {
        for _ in 0..count {
            let (a, b) = (self.pick(), self.pick());
            let (kind, flag) = (self.below(15), self.below(2) == 0);
            let graph = &mut self.graph;
            let shape = graph.shape(a).to_vec();
            let new = match kind {
                0 => tanh(graph, a),
                1 => sigmoid(graph, a),
                2 => relu(graph, a),
                3 => negative(graph, a).and_then(|y| square(graph, y)),
                4 => add(graph, a, b),
                5 => multiply(graph, a, b),
                6 => subtract(graph, a, b),
                7 => maximum(graph, a, b),
                8 => matmul(graph, a, b, (false, flag)),
                9 if !shape.is_empty() => {
                    let axis = if flag { 0 } else { shape.len() - 1 };
                    reduce_sum(graph, a, &[axis], kind == 9)
                }
                10 => reshape(graph, a, &[shape.iter().product()]),
                11 => broadcast_to(graph, a, &[&[2], &shape[..]].concat()),
                12 if shape.len() == 2 => transpose(graph, a, &[1, 0]),
                13 => {
                    let (table, ids) = (self.leaf(&[3, 4]), self.ids(&[4], 3));
                    Ok(gather(&mut self.graph, table, ids))
                }
                14 => {
                    let image = self.image();
                    Ok(max_pool(&mut self.graph, image, 2, 1 + usize::from(flag)))
                }
                _ => continue,
            };
            // A pair of shapes that do not fit is no failure of the graph: the next choice follows.
            if let Ok(value) = new
                && self.graph.ty(value).size() <= MOST_ELEMENTS
            {
                self.push(value);
            }
        }
    }

    /// The last values; where `with_gradients`, also the gradients of their sum by all inputs.
    pub fn roots(&mut self, with_gradients: bool) -> Vec<Value> {
        let first = self.values.len().saturating_sub(3);
        let mut roots = self.values[first..].to_vec();
        if with_gradients {
            let graph = &mut self.graph;
            let mut sums = Vec::new();
            for &value in &roots {
                let axes: Vec<usize> = (0..graph.shape(value).len()).collect();
                let squares = square(graph, value).unwrap();
                sums.push(reduce_sum(graph, squares, &axes, false).unwrap());
            }
            let loss = sums.into_iter().reduce(|a, b| add(graph, a, b).unwrap()).unwrap();
            let gradients = gradients(graph, loss, &self.leaves).unwrap();
            roots = gradients.into_iter().flatten().collect();
            roots.push(loss);
        }
        roots
    }
}

fn apply(graph: &mut Graph, name: &str, attributes: Vec<(&str, Attribute)>, inputs: &[Value]) -> Vec<Value> {
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
    graph.apply(registry::build(name, &Attributes::new(attributes)).unwrap(), inputs).unwrap()
}

fn list(name: &'static str, values: &[usize]) -> (&'static str, Attribute) {
    (name, Attribute::Ints(values.iter().map(|&value| value as i64).collect()))
}

/// Rows of a table.
pub fn gather(graph: &mut Graph, table: Value, ids: Value) -> Value {
    apply(graph, "gather", vec![("axis", Attribute::Int(0))], &[table, ids])[0]
}

/// A maximum pooling over square windows.
pub fn max_pool(graph: &mut Graph, x: Value, window: usize, stride: usize) -> Value {
    max_pool_with_argmax(graph, x, window, stride).0
}

fn windows(window: usize, stride: usize) -> Vec<(&'static str, Attribute)> {
    vec![list("pool", &[window; 2]), list("strides", &[stride; 2]), list("padding", &[0; 4])]
}

/// [`max_pool`] and the argmax of each window.
pub fn max_pool_with_argmax(graph: &mut Graph, x: Value, window: usize, stride: usize) -> (Value, Value) {
    let outputs = apply(graph, "max_pool2d", windows(window, stride), &[x]);
    (outputs[0], outputs[1])
}

/// What of `map` lies at the argmax of each window.
pub fn select_at(graph: &mut Graph, argmax: Value, map: Value, window: usize, stride: usize) -> Value {
    apply(graph, "max_pool2d_select", windows(window, stride), &[argmax, map])[0]
}

/// A convolution with the same padding on all sides.
pub fn conv(graph: &mut Graph, x: Value, kernel: Value, padding: usize) -> Value {
    let lists = [list("strides", &[1, 1]), list("padding", &[padding; 4]), list("dilation", &[1, 1])];
    let attributes = lists.into_iter().chain([("groups", Attribute::Int(1))]).collect();
    apply(graph, "conv2d", attributes, &[x, kernel])[0]
}
