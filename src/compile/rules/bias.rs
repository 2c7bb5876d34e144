//! A row that is added to each row of a product: the product adds it itself, before a sum leaves its register. For every op
//! that can ([`Op::with_bias`](crate::graph::Op::with_bias)). The same bits: the sum is rounded, then the bias is added.

use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Value};
use crate::tensor::TensorType;

pub struct Bias;

impl Rule for Bias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["add"])
    }

    /// f(…) + bias (N) → f(…, bias), where nothing else reads f(…), whose last axis is N.
    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        for (product, bias) in [(0, 1), (1, 0)] {
            let is_read_once = rewriter.readers().count(node.inputs[product]) == 1;
            let (product, bias) = (inputs[product], inputs[bias]);
            let Some(above) = rewriter.producer(product).filter(|_| is_read_once) else { continue };
            if rewriter.shape(bias).len() != 1
                || rewriter.shape(product).last() != rewriter.shape(bias).first()
            {
                continue;
            }
            let types: Vec<&TensorType> = above.inputs.iter().map(|&input| rewriter.ty(input)).collect();
            let Some(op) = above.op.with_bias(&types) else { continue };
            let operands = [&above.inputs[..], &[bias]].concat();
            return rewriter.add(&op, &operands).map(Some);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::rules::testing::{check_rule, names_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::{add, relu};
    use crate::ops::matmul::matmul;
    use crate::tensor::DType;

    /// What becomes of relu(a·b + bias), for shapes of a, b and bias; `is_shared`: a·b is a result too.
    fn check(shapes: [&[usize]; 3], transposed: (bool, bool), is_shared: bool, expected: &[&str]) {
        let mut graph = Graph::new();
        let [a, b, bias] = [0, 1, 2].map(|i| graph.input(i, TensorType::new(DType::F64, shapes[i])));
        let product = matmul(&mut graph, a, b, transposed).unwrap();
        // The bias comes first where b is transposed: either order will do.
        let (left, right) = if transposed.1 { (bias, product) } else { (product, bias) };
        let biased = add(&mut graph, left, right).unwrap();
        let mut roots = vec![relu(&mut graph, biased).unwrap()];
        roots.extend(is_shared.then_some(product));
        assert_eq!(names_with(&Bias, &graph, &roots), expected, "{shapes:?}");
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

    #[test]
    fn random_graphs() {
        check_rule(&Bias, 0.0, |random| {
            let x = random.pick_of_rank(2);
            let kernel = random.leaf(&[random.graph.shape(x)[1], 3]);
            let bias = random.leaf(&[3]);
            let product = matmul(&mut random.graph, x, kernel, (false, false)).unwrap();
            let y = add(&mut random.graph, product, bias).unwrap();
            random.push(y);
        });
    }
}
