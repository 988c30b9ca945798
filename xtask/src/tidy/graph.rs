//! The dependency graph as the rules see it: crates by name, versions and platforms merged.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};

/// What is known of one crate.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    pub(crate) is_member: bool,
    pub(crate) description: Option<String>,
    /// Licence expressions, one for each version in the tree.
    pub(crate) licences: BTreeSet<Option<String>>,
    /// Names of the crates that it is built from.
    pub(crate) normal: BTreeSet<String>,
    /// Names of the crates that only its tests use.
    pub(crate) dev: BTreeSet<String>,
}

/// Every crate in the tree, by name.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) crates: BTreeMap<String, Crate>,
}

impl Graph {
    /// The graph of a workspace.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let mut graph = Self::default();
        let names: BTreeMap<&PackageId, &str> =
            metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
        for package in &metadata.packages {
            graph.add(package, metadata.workspace_members.contains(&package.id));
        }
        for node in metadata.resolve.iter().flat_map(|resolve| &resolve.nodes) {
            let Some(from) = names.get(&node.id).and_then(|name| graph.crates.get_mut(*name)) else { continue };
            for dep in &node.deps {
                let Some(to) = names.get(&dep.pkg) else { continue };
                for kind in &dep.dep_kinds {
                    from.link(to, kind.kind);
                }
            }
        }
        graph
    }

    fn add(&mut self, package: &Package, is_member: bool) {
        let this = self.crates.entry(package.name.to_string()).or_default();
        this.is_member |= is_member;
        this.description.clone_from(&package.description);
        this.licences.insert(package.license.clone());
        // The resolved graph lacks optional dependencies and those of other platforms: members declare theirs.
        for dependency in package.dependencies.iter().filter(|_| is_member) {
            this.link(&dependency.name, dependency.kind);
        }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Crate)> {
        self.crates.iter().filter(|(_, this)| this.is_member).map(|(name, this)| (name.as_str(), this))
    }

    /// Everything that `name` is built from, itself included.
    pub(crate) fn built_from(&self, name: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = self.crates.get_key_value(name).map(|(name, _)| name.as_str()).into_iter().collect();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                let deps = self.crates.get(next).map(|this| &this.normal);
                open.extend(deps.into_iter().flatten().map(String::as_str));
            }
        }
        seen
    }

    /// A graph of members written down for a test: name, normal dependencies, dev-dependencies.
    #[cfg(test)]
    pub(crate) fn sketch(members: &[(&str, &[&str], &[&str])]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let member = |&(name, normal, dev): &(&str, &[&str], &[&str])| {
            let this = Crate { is_member: true, normal: owned(normal), dev: owned(dev), ..Crate::default() };
            (name.to_owned(), this)
        };
        Self { crates: members.iter().map(member).collect() }
    }
}

impl Crate {
    fn link(&mut self, to: &str, kind: DependencyKind) {
        let links = if kind == DependencyKind::Development { &mut self.dev } else { &mut self.normal };
        links.insert(to.to_owned());
    }
}
