//! The layers of configuration: defaults < file < variables < flags, each setting with where it comes from.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use cache_core::{Error, ErrorKind, Result};
use providers::ProviderTable;
use serde::Deserialize;

use super::file::{self, Written};
use super::settings::{SECTIONS, all};
use super::table::Setting;
use super::values::Raw;
use super::{Config, Effective};
use crate::dirs;

/// The table of the file that describes providers, each in a table of its own.
const PROVIDERS: &str = "providers";
/// Variables with our prefixes that are no settings.
const OTHER_VARIABLES: [&str; 4] = [file::VARIABLE, "REELCACHE_SERVER", "REELCACHE_FFMPEG", "REELCACHE_FFPROBE"];
const PREFIXES: [&str; 2] = ["CACHE_", "REELCACHE_"];

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Variable(&'static str),
    Flag(&'static str),
}

/// What was said, layer by layer.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) file: Option<Written>,
    pub(crate) variables: BTreeMap<OsString, OsString>,
    /// By name of the flag.
    pub(crate) flags: BTreeMap<&'static str, OsString>,
}

/// What one layer says about a setting.
type Layer = fn(&Sources, &'static Setting) -> Option<(Raw, Origin)>;

impl Sources {
    /// What they say together.
    ///
    /// # Errors
    /// `Invalid` for a setting that is unknown or has a wrong value, for two ways to set the same in one layer, and for
    /// settings that contradict each other.
    pub(crate) fn resolve(self) -> Result<Effective> {
        self.check_names().map_err(invalid)?;
        let mut effective =
            Effective { config: Config::default(), origins: BTreeMap::new(), file: None, has_secrets: false };
        let mut places: Vec<String> = all().map(Setting::place).collect();
        places.dedup();
        for place in places {
            let Some((setting, raw, origin)) = self.winner(&place).map_err(invalid)? else { continue };
            (setting.read)(&mut effective.config, &raw)
                .map_err(|why| invalid(format!("the value of {} is wrong: {why}", origin.of(setting))))?;
            if let (Raw::Toml(written), true) = (&raw, setting.is_secret) {
                // An address without a password is shown as it is written, and the name of a file with a token is no token.
                effective.has_secrets |= *written != (setting.show)(&effective.config);
            }
            effective.origins.insert(place, origin);
        }
        if let Some(written) = self.file {
            effective.config.providers = providers_of(&written).map_err(invalid)?;
            effective.has_secrets |= !effective.config.providers.is_empty();
            effective.file = Some(written.path);
        }
        // What is reported is what runs.
        let dir = effective.config.cache.dir.take();
        effective.config.cache.dir =
            dir.or_else(|| dirs::cache_dir(|name| self.variables.get(OsStr::new(name)).cloned()));
        effective.config.cache.tiers = effective.config.cache.running()?;
        match effective.config.contradiction() {
            Some(why) => Err(invalid(why)),
            None => Ok(effective),
        }
    }

    /// What the highest layer that knows `place` says about it.
    fn winner(&self, place: &str) -> std::result::Result<Option<(&'static Setting, Raw, Origin)>, String> {
        let layers: [Layer; 3] = [Self::of_flag, Self::of_variable, Self::of_file];
        for layer in layers {
            let mut said = all().filter(|setting| setting.place() == place).filter_map(|setting| {
                let (raw, origin) = layer(self, setting)?;
                Some((setting, raw, origin))
            });
            let Some(first) = said.next() else { continue };
            if let Some(second) = said.next() {
                let names = (first.2.of(first.0), second.2.of(second.0));
                return Err(format!("{} and {} are both set: keep one of them", names.0, names.1));
            }
            return Ok(Some(first));
        }
        Ok(None)
    }

    fn of_flag(&self, setting: &'static Setting) -> Option<(Raw, Origin)> {
        let (flag, _) = setting.flag?;
        Some((Raw::Text(self.flags.get(flag)?.clone()), Origin::Flag(flag)))
    }

    /// An empty variable counts as none.
    fn of_variable(&self, setting: &'static Setting) -> Option<(Raw, Origin)> {
        let mut text = self.variables.get(&OsString::from(setting.variable))?.clone();
        if text.is_empty() {
            return None;
        }
        let is_number = text.to_str().is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        if let (Some(unit), true) = (setting.unit, is_number) {
            text.push(unit);
        }
        Some((Raw::Text(text), Origin::Variable(setting.variable)))
    }

    fn of_file(&self, setting: &'static Setting) -> Option<(Raw, Origin)> {
        let Written { path, table } = self.file.as_ref()?;
        let value = table.get(setting.section)?.as_table()?.get(setting.name)?;
        Some((Raw::Toml(value.clone()), Origin::File(path.clone())))
    }

    fn check_names(&self) -> std::result::Result<(), String> {
        if let Some(written) = &self.file {
            check_keys(written)?;
        }
        let known: Vec<&str> = all().map(|setting| setting.variable).chain(OTHER_VARIABLES).collect();
        for name in self.variables.keys().filter_map(|name| name.to_str()) {
            if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !known.contains(&name) {
                return Err(format!("the variable {name} is unknown{}", suggestion(name, known.iter().copied())));
            }
        }
        Ok(())
    }
}

fn check_keys(written: &Written) -> std::result::Result<(), String> {
    let file = written.path.display();
    let keys: Vec<String> = all().map(Setting::key).collect();
    for (section, value) in &written.table {
        let is_section = section == PROVIDERS || SECTIONS.iter().any(|&(known, _)| known == section);
        if !is_section {
            let known = SECTIONS.iter().map(|&(known, _)| known).chain([PROVIDERS]);
            // A setting outside of its table is as likely as a table with a wrong name.
            let stray = keys.iter().find(|key| key.ends_with(&format!(".{section}")));
            let suggested = stray.map_or_else(|| suggestion(section, known), |key| format!(": did you mean {key}?"));
            return Err(format!("{section} in {file} is unknown{suggested}"));
        }
        let table = value.as_table().ok_or_else(|| format!("{section} in {file} has to be a table: [{section}]"))?;
        for name in table.keys().filter(|_| section != PROVIDERS) {
            let key = format!("{section}.{name}");
            if !keys.contains(&key) {
                let suggested = suggestion(&key, keys.iter().map(String::as_str));
                return Err(format!("{key} in {file} is unknown{suggested}"));
            }
        }
    }
    Ok(())
}

fn providers_of(written: &Written) -> std::result::Result<BTreeMap<String, ProviderTable>, String> {
    let Some(tables) = written.table.get(PROVIDERS).and_then(toml::Value::as_table) else { return Ok(BTreeMap::new()) };
    let read = |(name, table): (&String, &toml::Value)| {
        // Without what serde says: it may quote a secret.
        let read = ProviderTable::deserialize(table.clone());
        let wrong = || format!("providers.{name} in {} has to be a table with a `kind`", written.path.display());
        read.map(|table| (name.clone(), table)).map_err(|_| wrong())
    };
    tables.iter().map(read).collect()
}

/// The known name that is nearest to a wrong one: what all names begin with makes none of them alike.
fn suggestion<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    let (place, name) = parts_of(wrong);
    let apart = |known: &str| {
        let (known_place, known_name) = parts_of(known);
        strsim::damerau_levenshtein(name, known_name) + usize::from(place != known_place)
    };
    // What is much longer or shorter is not near, and what somebody else wrote may be very long.
    let known = known.filter(|known| parts_of(known).1.len().abs_diff(name.len()) <= known.len() / 3);
    match known.min_by_key(|known| apart(known)) {
        Some(nearest) if apart(nearest) <= parts_of(nearest).1.len() / 3 => format!(": did you mean {nearest}?"),
        _ => ": docs/configuration.md lists what there is".to_owned(),
    }
}

/// A name as its section or its prefix, and what is behind that.
fn parts_of(name: &str) -> (&str, &str) {
    let prefix = PREFIXES.iter().find(|prefix| name.starts_with(*prefix));
    prefix.map_or_else(|| name.split_once('.').unwrap_or(("", name)), |prefix| name.split_at(prefix.len()))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

impl Origin {
    /// How `setting` is called there.
    fn of(&self, setting: &Setting) -> String {
        match self {
            Self::Default => setting.key(),
            Self::File(path) => format!("{} in {}", setting.key(), path.display()),
            Self::Variable(name) => (*name).to_owned(),
            Self::Flag(name) => format!("--{name}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

#[cfg(test)]
mod tests;
