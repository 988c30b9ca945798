//! `Config`: what the user has set, by all the ways there are to set it.

mod artifacts;
mod file;
mod layers;
mod limit;
mod names;
mod pipeline;
mod public_url;
mod secret;
mod settings;
mod show;
mod table;
mod values;
mod words;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use cache_core::{Error, ErrorKind, Result};
use providers::ProviderTable;

use crate::tiers::{TierKind, TierList};
use file::Written;

pub(crate) use artifacts::ApiKey;
pub(crate) use file::find as find_file;
pub(crate) use layers::{Origin, Sources};
pub(crate) use limit::OrOff;
pub(crate) use names::Names;
pub(crate) use secret::Secret;
pub(crate) use settings::{Cache, Pipeline, Serve, Torrents, all};
pub(crate) use table::Setting;
pub(crate) use values::Value;
pub(crate) use words::Words;

/// What the user has set. Its `Debug` shows no secret.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) cache: Cache,
    pub(crate) serve: Serve,
    pub(crate) torrents: Torrents,
    pub(crate) pipeline: Pipeline,
    /// Providers by name.
    pub(crate) providers: BTreeMap<String, ProviderTable>,
}

/// A [`Config`] with where each setting comes from.
#[derive(Debug, Clone)]
pub(crate) struct Effective {
    pub(crate) config: Config,
    /// By section and name; what is not here is a default.
    pub(crate) origins: BTreeMap<String, Origin>,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Whether that file holds what others should not read.
    pub(crate) has_secrets: bool,
}

/// The configuration that the text of a file and variables come to, as `reelcache config` prints it: TOML that reads as
/// the same, secrets aside, which it does not show.
///
/// What a setting names by a path, such as a file with a token, is read: it blocks.
///
/// # Errors
/// `Invalid` for what is no TOML, and for settings that are unknown, wrong or contradict each other. No secret is in it.
pub fn effective_configuration(
    file: &str,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<String> {
    let file = Some(Written::of(PathBuf::from("config.toml"), file)?);
    let sources = Sources { file, variables: variables.into_iter().collect(), flags: BTreeMap::new() };
    sources.resolve().map(|effective| effective.toml(false))
}

impl Serve {
    /// Whether others than this machine can ask, directly or through a proxy, for which there are names: then what is played
    /// needs a token, too.
    pub(crate) fn is_for_others(&self) -> bool {
        !self.listen.ip().is_loopback() || !self.hosts.is_empty() || self.public_url.is_some()
    }
}

impl Cache {
    /// Those of its tiers that run.
    ///
    /// # Errors
    /// `Invalid` when there is none left.
    fn running(&self) -> Result<TierList> {
        let stays = |kind: &TierKind| self.persistent || !matches!(kind, TierKind::File | TierKind::Sqlite);
        TierList::of(self.tiers.iter().filter(stays)).ok_or_else(|| {
            let message = format!(
                "no tier is left: cache.persistent is false, and {} keeps its entries: set CACHE_PERSISTENT=true or \
                 name the memory tier",
                self.tiers.iter().map(TierKind::name).collect::<Vec<_>>().join(", ")
            );
            Error::new(ErrorKind::Invalid, message)
        })
    }

    /// The directory of this machine's tiers.
    ///
    /// # Errors
    /// `Invalid` when none is set and the environment names no home.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        let unknown = || "no cache directory is known: set HOME or give --cache-dir DIR";
        self.dir.clone().ok_or_else(|| Error::new(ErrorKind::Invalid, unknown()))
    }
}
