//! The configuration file: where it is, and what its bytes say.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use cache_core::{Error, ErrorKind, Result};

/// The variable that names it.
pub(crate) const VARIABLE: &str = "REELCACHE_CONFIG";
/// The longest file, in bytes.
const LONGEST: u64 = 1 << 20;

/// What a file says.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) path: PathBuf,
    pub(crate) table: toml::Table,
}

/// Reads the file that `flag` or the variable names, or else `reelcache/config.toml` in the user's configuration directory,
/// which need not be there.
///
/// # Errors
/// `Invalid` when a file that is named is not there, and when one is no TOML.
pub(crate) fn find(flag: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Written>> {
    let named = flag.map(Path::to_owned).or_else(|| variable(VARIABLE).filter(|path| !path.is_empty()).map(Into::into));
    if let Some(path) = named {
        return parse(path).map(Some);
    }
    match crate::dirs::config_file(variable) {
        Some(path) if path.exists() => parse(path).map(Some),
        _ => Ok(None),
    }
}

fn parse(path: PathBuf) -> Result<Written> {
    let text = read_bounded(&path, LONGEST).map_err(|why| wrong(&path, &why))?;
    Written::of(path, &text)
}

impl Written {
    /// What `text` says, of a file at `path`.
    ///
    /// # Errors
    /// `Invalid` when it is no TOML.
    pub(super) fn of(path: PathBuf, text: &str) -> Result<Self> {
        let table = text.parse::<toml::Table>().map_err(|error| {
            // Without the line itself, which may hold a secret.
            let at = error.span().map_or(0, |span| span.start);
            let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            wrong(&path, &format!("line {line} is no TOML: {}", error.message().replace('\n', " ")))
        })?;
        Ok(Self { path, table })
    }
}

fn wrong(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("the configuration file {}: {why}", path.display()))
}

/// The text of a file of at most `most` bytes.
pub(super) fn read_bounded(path: &Path, most: u64) -> std::result::Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let mut text = String::new();
    file.take(most + 1).read_to_string(&mut text).map_err(|error| format!("it cannot be read: {error}"))?;
    if text.len() as u64 > most { Err(format!("it is longer than {most} bytes")) } else { Ok(text) }
}
