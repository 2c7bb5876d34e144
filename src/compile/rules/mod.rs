//! The rewrites: one rule a file. A file tells what its rule matches, what it puts in place, and why that is the same.
//!
//! A rule is added with its file and one line of [`RULES`]. `RUSTNET_DISABLE_RULES` and `rustnet.config.disable_rules`
//! switch single rules off, for finding faults.

use super::rewrite::Rule;
use crate::error::{Error, Result};

macro_rules! rules {
    ($($module:ident::$rule:ident,)*) => {
        $(mod $module;)*

        /// All rules, in the order in which a node is offered to them.
        pub const RULES: &[&dyn Rule] = &[$(&$module::$rule),*];
    };
}

rules! {
    unchanged::Unchanged,
    nested_views::NestedViews,
    neutral::Neutral,
    single_folds::SingleFolds,
    broadcast_operands::BroadcastOperands,
    reciprocal_root::ReciprocalRoot,
    bias::Bias,
    pooled_monotone::PooledMonotone,
    pooled_gradient::PooledGradient,
    pooled_choice::PooledChoice,
    pooled_sum::PooledSum,
    pooled_window::PooledWindow,
    gathered_rows::RowsOfTable,
    gathered_product::GatheredProduct,
    gathered_recurrence::GatheredRecurrence,
    scattered_linear::ScatteredLinear,
}

#[cfg(test)]
mod testing;

/// The names of all rules.
pub fn names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.name())
}

/// All rules but those of these names.
pub fn without<S: AsRef<str>>(disabled: &[S]) -> Result<Vec<&'static dyn Rule>> {
    if let Some(unknown) = disabled.iter().map(S::as_ref).find(|name| names().all(|known| known != *name)) {
        let known: Vec<&str> = names().collect();
        return Err(Error::Configuration(format!(
            "expected names of rules: {}. Received: {unknown:?}",
            known.join(", ")
        )));
    }
    let is_enabled = |rule: &&&'static dyn Rule| disabled.iter().all(|name| name.as_ref() != rule.name());
    Ok(RULES.iter().filter(is_enabled).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::testing::assert_same;
    use super::*;
    use crate::compile::random_graphs::{RandomGraph, conv, max_pool};
    use crate::compile::rewrite::{pass, rewrite};
    use crate::ops::elementwise::{add, relu, tanh};
    use crate::ops::testing::evaluate;

    #[test]
    fn a_rule_has_the_name_of_its_file() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/compile/rules");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| !["mod", "testing"].contains(&&**name))
            .collect();
        let mut rules: Vec<&str> = names().collect();
        files.sort_unstable();
        rules.sort_unstable();
        assert_eq!(files, rules);
    }

    #[test]
    fn single_rules_are_switched_off_and_unknown_names_refused() {
        let kept = without(&["bias", "neutral"]).unwrap();
        assert_eq!(kept.len(), RULES.len() - 2);
        assert!(kept.iter().all(|rule| !["bias", "neutral"].contains(&rule.name())));
        let error = without(&["bias", "bia"]).err().unwrap().to_string();
        assert!(error.contains("unchanged, nested_views") && error.ends_with("Received: \"bia\""), "{error}");
    }

    #[test]
    fn all_rules_together_change_no_result_and_come_to_an_end() {
        for seed in 0..300 {
            let mut random = RandomGraph::new(seed);
            random.grow(5);
            let image = random.image();
            let channels = random.graph.shape(image)[3];
            let (kernel, bias) = (random.leaf(&[1, 1, channels, 3]), random.leaf(&[3]));
            let map = conv(&mut random.graph, image, kernel, 0);
            let biased = add(&mut random.graph, map, bias).unwrap();
            let active = if seed % 2 == 0 { relu } else { tanh }(&mut random.graph, biased).unwrap();
            let y = max_pool(&mut random.graph, active, 2, 2);
            random.push(y);
            random.grow(6);
            let roots = random.roots(seed % 3 != 0);
            let expected = evaluate(&random.graph, &random.feed, &roots).unwrap();
            let (graph, new_roots) = rewrite(&random.graph, &roots, RULES).unwrap();
            assert!(!pass(&graph, &new_roots, RULES).unwrap().changed, "graph {seed}: rules apply for ever");
            let found = evaluate(&graph, &random.feed, &new_roots).unwrap();
            assert_same(&found, &expected, 1e-9, &format!("graph {seed}"));
        }
    }
}
