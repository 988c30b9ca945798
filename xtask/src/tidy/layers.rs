//! Rules for the dependency graph: which crate may be built from which.

use super::finding::Finding;
use super::graph::Graph;

/// Which members each member may be built from. Who is not named here fails, so a new crate takes its place on purpose.
const LAYERS: &[(&str, &[&str])] = &[
    ("cache-core", &[]),
    ("cache-mem", &["cache-core"]),
    ("cache-local", &["cache-core"]),
    ("cache-file", &["cache-core", "cache-local"]),
    ("cache-sqlite", &["cache-core", "cache-local"]),
    ("cache-s3", &["cache-core"]),
    ("cache-layers", &["cache-core"]),
    ("cache-redis", &["cache-core"]),
    ("cache-testkit", &["cache-core"]),
    ("cache-tiered", &["cache-core", "cache-mem"]),
    ("cache-blob", &["cache-core", "cache-local"]),
    ("pipeline", &["cache-core", "cache-tiered"]),
    ("providers", &["cache-core", "cache-tiered"]),
    ("torrents", &["cache-core", "cache-blob"]),
    (
        "gateway",
        &[
            "cache-core",
            "cache-mem",
            "cache-file",
            "cache-sqlite",
            "cache-redis",
            "cache-s3",
            "cache-layers",
            "cache-tiered",
            "cache-blob",
            "pipeline",
            "providers",
            "torrents",
        ],
    ),
    ("examples", &["cache-core", "cache-mem", "cache-file", "cache-layers", "cache-tiered", "pipeline", "providers"]),
    ("benches", &[]),
    (
        "fuzz",
        &["cache-core", "cache-blob", "cache-file", "cache-mem", "cache-redis", "gateway", "providers", "torrents"],
    ),
    ("xtask", &[]),
];

/// Crates that a member must not be built from, however far down, and why.
const KEPT_OUT: &[(&str, &[&str], &str)] = &[
    ("cache-core", &["tokio", "async-std", "smol"], "contracts know no runtime"),
    ("cache-core", &["rand", "getrandom", "fastrand"], "contracts know no chance"),
    ("cache-core", &["redb", "mio", "socket2"], "contracts know no input and output"),
    ("cache-core", &["chrono", "jiff"], "contracts know no clock"),
];

/// Libraries with one home: who else wants them goes through it.
const HOMES: &[(&str, &str)] = &[
    ("redb", "cache-file"),
    ("rusqlite", "cache-sqlite"),
    ("fred", "cache-redis"),
    ("axum", "gateway"),
    ("clap", "gateway"),
    ("tracing-subscriber", "gateway"),
    ("quick-xml", "providers"),
    ("scraper", "providers"),
    ("librqbit", "torrents"),
];

/// Everything wrong with the layering of `graph`.
pub(crate) fn check(graph: &Graph) -> Vec<Finding> {
    [edges(graph, LAYERS), cycles(graph), kept_out(graph, KEPT_OUT), homes(graph, HOMES), descriptions(graph)].concat()
}

fn edges(graph: &Graph, layers: &[(&str, &[&str])]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, this) in graph.members() {
        let Some((_, allowed)) = layers.iter().find(|(layer, _)| *layer == name) else {
            findings.push(Finding::new("layers", name, "is not in the table of layers (xtask/src/tidy/layers.rs)"));
            continue;
        };
        let members = this.normal.iter().filter(|to| graph.crates.get(*to).is_some_and(|to| to.is_member));
        for to in members.filter(|to| !allowed.contains(&to.as_str())) {
            findings.push(Finding::new("layers", name, format!("must not be built from {to}")));
        }
    }
    let gone = layers.iter().filter(|(layer, _)| !graph.crates.contains_key(*layer));
    findings.extend(gone.map(|(layer, _)| Finding::new("layers", layer, "is in the table of layers and not there")));
    findings
}

/// A crate whose tests use a crate built from it is compiled twice, and the two do not share types.
fn cycles(graph: &Graph) -> Vec<Finding> {
    let in_cycle = |name: &str, to: &str| graph.built_from(to).contains(name);
    let of_member = |(name, this): (&str, &super::graph::Crate)| {
        let bad = this.dev.iter().filter(|to| in_cycle(name, to));
        bad.map(|to| Finding::new("dev-cycles", name, format!("tests itself through {to}, which is built from it")))
            .collect::<Vec<_>>()
    };
    graph.members().flat_map(of_member).collect()
}

fn kept_out(graph: &Graph, table: &[(&str, &[&str], &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, strangers, reason) in table {
        let tree = graph.built_from(name);
        for stranger in strangers.iter().filter(|stranger| tree.contains(**stranger)) {
            findings.push(Finding::new("kept-out", name, format!("is built from {stranger}: {reason}")));
        }
    }
    findings
}

fn homes(graph: &Graph, homes: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (library, home) in homes {
        let users = graph.members().filter(|(name, this)| name != home && this.normal.contains(*library));
        findings.extend(users.map(|(name, _)| Finding::new("homes", name, format!("leaves {library} to {home}"))));
    }
    findings
}

fn descriptions(graph: &Graph) -> Vec<Finding> {
    let nameless = graph.members().filter(|(_, this)| this.description.as_deref().is_none_or(str::is_empty));
    nameless.map(|(name, _)| Finding::new("description", name, "has no description in its Cargo.toml")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[(&str, &[&str])] = &[("core", &[]), ("file", &["core"]), ("tiered", &["core"])];

    fn good() -> Graph {
        Graph::sketch(&[("core", &[], &[]), ("file", &["core"], &[]), ("tiered", &["core"], &["file"])])
    }

    #[test]
    fn a_graph_that_keeps_to_the_table_passes() {
        assert_eq!(edges(&good(), TABLE), []);
        assert_eq!(cycles(&good()), []);
    }

    #[test]
    fn an_edge_beside_the_table_is_found() {
        let graph =
            Graph::sketch(&[("core", &[], &[]), ("file", &["core", "tiered"], &[]), ("tiered", &["core"], &[])]);
        assert_eq!(edges(&graph, TABLE), [Finding::new("layers", "file", "must not be built from tiered")]);
    }

    #[test]
    fn a_member_without_a_place_and_a_place_without_a_member_are_found() {
        assert_eq!(edges(&good(), &TABLE[..2])[0].place, "tiered");
        assert_eq!(edges(&Graph::default(), &TABLE[..1])[0].place, "core");
    }

    #[test]
    fn a_crate_that_tests_itself_through_another_is_found() {
        let graph = Graph::sketch(&[("core", &[], &["tiered"]), ("file", &["core"], &[]), ("tiered", &["file"], &[])]);
        assert_eq!(cycles(&graph).len(), 1);
    }

    #[test]
    fn a_stranger_far_down_the_tree_is_found() {
        let graph = Graph::sketch(&[("core", &["a"], &["tokio"]), ("a", &["tokio"], &[]), ("tokio", &[], &[])]);
        assert_eq!(kept_out(&graph, &[("core", &["tokio"], "why")]).len(), 1);
        assert_eq!(kept_out(&graph, &[("tokio", &["a"], "why")]), []);
    }

    #[test]
    fn a_library_outside_its_home_is_found() {
        let graph = Graph::sketch(&[("file", &["redb"], &[]), ("tiered", &["redb"], &[])]);
        assert_eq!(homes(&graph, &[("redb", "file")]), [Finding::new("homes", "tiered", "leaves redb to file")]);
    }

    #[test]
    fn a_member_without_a_description_is_found() {
        assert_eq!(descriptions(&good()).len(), 3);
    }
}
