//! Biases that are added to a product: the product adds them itself, before a sum leaves its register.

use super::simplify::Rewriter;
use crate::error::Result;
use crate::graph::{Node, Value};
use crate::ops::matmul;

impl Rewriter<'_> {
    /// matmul(a, b) + bias (N) → matmul(a, b, bias), where nothing else reads the product.
    pub fn with_own_bias(&mut self, node: &Node, inputs: &[Value]) -> Result<Option<Vec<Value>>> {
        if node.op.name() != "add" {
            return Ok(None);
        }
        for (product, bias) in [(0, 1), (1, 0)] {
            let (is_read_once, bias) = (self.readers.count(node.inputs[product]) == 1, inputs[bias]);
            let Some(below) = self.produced_by(inputs[product], "matmul").filter(|_| is_read_once) else {
                continue;
            };
            let columns = self.new.shape(inputs[product]).last();
            if !matches!(self.new.shape(bias), [length] if Some(length) == columns) {
                continue;
            }
            let Some(op) = matmul::with_bias(&*below.op, self.new.shape(below.inputs[1])) else { continue };
            let operands = [&below.inputs[..], &[bias]].concat();
            self.leaves_unread = true;
            return self.append(&op, operands).map(Some);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::simplify::simplify;
    use crate::graph::Graph;
    use crate::ops::elementwise::{add, relu};
    use crate::ops::matmul::matmul;
    use crate::ops::testing::{elements, evaluate, uniform};
    use crate::tensor::{DType, TensorType};

    /// relu(a·b + bias) and what became of its nodes, for shapes of a, b and bias; `shared`: a·b is a result too.
    fn check(shapes: [&[usize]; 3], transposed: (bool, bool), shared: bool, expected: &[&str]) {
        let mut graph = Graph::new();
        let [a, b, bias] = [0, 1, 2].map(|i| graph.input(i, TensorType::new(DType::F64, shapes[i])));
        let product = matmul(&mut graph, a, b, transposed).unwrap();
        // The bias comes first where b is transposed: either order will do.
        let (left, right) = if transposed.1 { (bias, product) } else { (product, bias) };
        let biased = add(&mut graph, left, right).unwrap();
        let mut roots = vec![relu(&mut graph, biased).unwrap()];
        roots.extend(shared.then_some(product));
        let feed = [0, 1, 2].map(|i| uniform(shapes[i], i as u64, -1.0, 1.0));
        let before = evaluate(&graph, &feed, &roots).unwrap();

        let (simplified, roots) = simplify(&graph, &roots).unwrap();
        let after = evaluate(&simplified, &feed, &roots).unwrap();
        assert_eq!(
            after.iter().map(elements).collect::<Vec<_>>(),
            before.iter().map(elements).collect::<Vec<_>>()
        );
        assert!(elements(&after[0]).iter().any(|element| *element > 0.0));
        let names: Vec<_> = simplified.nodes().iter().map(|node| node.op.name()).collect();
        assert_eq!(names, expected, "{shapes:?}");
    }

    #[test]
    fn a_product_adds_its_bias() {
        let joined = &["matmul", "relu"];
        check([&[5, 3], &[3, 4], &[4]], (false, false), false, joined);
        check([&[5, 3], &[4, 3], &[4]], (false, true), false, joined);
        check([&[2, 5, 3], &[3, 4], &[4]], (false, false), false, joined);
        check([&[5, 3], &[3, 1], &[1]], (false, false), false, joined);
        check([&[1, 3], &[4, 3], &[4]], (false, true), false, joined);
    }

    #[test]
    fn other_sums_of_products_stay() {
        let apart = &["matmul", "add", "relu"];
        check([&[5, 3], &[3, 4], &[4]], (false, false), true, apart);
        check([&[3, 5], &[3, 4], &[4]], (true, false), false, apart);
        check([&[2, 5, 3], &[2, 3, 4], &[4]], (false, false), false, apart);
        check([&[5, 3], &[3, 4], &[5, 1]], (false, false), false, apart);
        check([&[5, 3], &[3, 4], &[1]], (false, false), false, apart);
        check([&[1, 3], &[3, 4], &[5, 4]], (false, false), false, apart);
    }
}
