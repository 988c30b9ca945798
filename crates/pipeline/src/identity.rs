//! `Identity`: what an artifact is, as a chain from its parameters to the identities of its inputs.

mod encode;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::params::Params;

/// What an artifact is, whatever the source: two that differ in anything that matters never share one.
///
/// Prints as 64 hex digits.
#[derive(Debug, Clone)]
pub struct Identity {
    digest: Digest,
    chain: Arc<Chain>,
}

/// Everything that an [`Identity`] is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Chain {
    /// Name of the kind.
    pub kind: String,
    /// Version of the kind's type.
    pub schema: u32,
    /// Name of the stage.
    pub stage: String,
    /// Version of the stage.
    pub version: u32,
    /// Length of the segments in microseconds; `None` for whole sources.
    pub segment_us: Option<u64>,
    /// The parameters that are not at their defaults.
    pub params: Params,
    /// Versions of models by name.
    pub models: BTreeMap<String, String>,
    /// Versions of programs by name.
    pub programs: BTreeMap<String, String>,
    /// The identities of the inputs, in the order of the recipe.
    pub inputs: Vec<InputIdentity>,
}

/// An input of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InputIdentity {
    /// Name of its kind.
    pub kind: String,
    /// Digest of its identity.
    pub digest: Digest,
}

/// One component in which two chains differ.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The component, e.g. `"param max_frames"` or `"program ffmpeg"`.
    pub component: String,
    /// What is wanted; `None` where it is not there.
    pub wanted: Option<String>,
    /// What is cached.
    pub cached: Option<String>,
}

impl Identity {
    /// The identity that `chain` is.
    pub fn of(chain: Chain) -> Self {
        Self { digest: encode::digest(&chain), chain: Arc::new(chain) }
    }

    /// Its digest: equal exactly when the chains are.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// What it is made from.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }
}

impl Chain {
    /// In what `self`, which is wanted, differs from `cached`; empty when in nothing.
    pub fn differences(&self, cached: &Self) -> Vec<Difference> {
        let (ours, theirs) = (self.components(), cached.components());
        let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let difference = |name: &String| {
            let (wanted, cached) = (ours.get(name).cloned(), theirs.get(name).cloned());
            (wanted != cached).then(|| Difference { component: name.clone(), wanted, cached })
        };
        names.into_iter().filter_map(difference).collect()
    }

    /// Every component by name, as text.
    fn components(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([
            ("kind".to_owned(), self.kind.clone()),
            ("schema".to_owned(), self.schema.to_string()),
            ("stage".to_owned(), self.stage.clone()),
            ("version".to_owned(), self.version.to_string()),
            ("segment".to_owned(), self.segment_us.map_or_else(|| "whole".to_owned(), |us| format!("{us} us"))),
        ]);
        all.extend(self.params.iter().map(|(name, value)| (format!("param {name}"), value.to_string())));
        all.extend(self.models.iter().map(|(name, version)| (format!("model {name}"), version.clone())));
        all.extend(self.programs.iter().map(|(name, version)| (format!("program {name}"), version.clone())));
        let inputs = self.inputs.iter().enumerate();
        all.extend(inputs.map(|(at, input)| (format!("input {at} {}", input.kind), input.digest.to_string())));
        all
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Identity {}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.digest, f)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} (schema {})", self.kind, self.schema)?;
        write!(f, "  stage {} version {}", self.stage, self.version)?;
        match self.segment_us {
            Some(us) => writeln!(f, ", in segments of {} s", us as f64 / 1e6)?,
            None => writeln!(f, ", as a whole")?,
        }
        for (name, value) in self.params.iter() {
            writeln!(f, "  param {name} = {value}")?;
        }
        for (name, version) in &self.models {
            writeln!(f, "  model {name} = {version}")?;
        }
        for (name, version) in &self.programs {
            writeln!(f, "  program {name} = {version}")?;
        }
        self.inputs.iter().try_for_each(|input| writeln!(f, "  input {} = {:.12}", input.kind, input.digest))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "the default".to_owned());
        write!(f, "{}: wanted {}, cached {}", self.component, or(&self.wanted), or(&self.cached))
    }
}

#[cfg(test)]
mod tests;
