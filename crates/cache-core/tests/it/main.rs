//! Laws of the policies and of the catalog, checked against naive models.

mod catalog_concurrency;
mod catalog_edges;
mod catalog_exact;
mod catalog_laws;
mod catalog_ops;
mod catalog_plans;
mod policy_adaptive;
mod policy_custom;
mod policy_laws;
mod policy_models;
mod policy_replay;
mod policy_weighted;

use proptest::prelude::ProptestConfig;

/// At least ten thousand cases; the environment may ask for more. Failures print their minimal input.
fn laws() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases.max(10_000), failure_persistence: None, ..asked }
}
