//! `Value`: a setting as text, in the file, in variables and in flags.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use cache_core::PolicyKind;

use super::secret::{Address, Secret, Secrets};
use crate::reach::{Ports, Reach};
use crate::tiers::{TierKind, TierList};
use crate::units::{self, ByteCount};

/// A setting as it was written.
#[derive(Clone)]
pub(crate) enum Raw {
    /// In the file.
    Toml(toml::Value),
    /// In a variable or a flag.
    Text(OsString),
}

/// The type of a setting.
pub(crate) trait Value: Sized {
    /// What has to be written, for the documentation.
    const EXPECTED: &'static str;
    /// Whether it is shown as `***`.
    const IS_SECRET: bool = false;

    /// Reads it. An error says what is expected; it quotes the text unless that may be secret.
    fn of_text(text: &str) -> Result<Self, String>;

    /// What is shown of it: what reads as the same, where it is no secret.
    fn show(&self) -> toml::Value;

    /// Reads it, from texts of the system that need not be text.
    fn of_os(text: &OsStr) -> Result<Self, String> {
        Self::of_text(text.to_str().ok_or("it is no text")?)
    }

    /// Reads it from the file: a text, or a number or a list where that is written so elsewhere.
    fn of_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Self::of_text(text),
            toml::Value::Integer(number) => Self::of_text(&number.to_string()),
            toml::Value::Boolean(flag) => Self::of_text(&flag.to_string()),
            toml::Value::Array(parts) => {
                let parts = parts.iter().map(|part| match part {
                    toml::Value::String(text) if !text.contains(',') => Some(text.clone()),
                    toml::Value::Integer(number) => Some(number.to_string()),
                    _ => None,
                });
                let parts = parts.collect::<Option<Vec<_>>>().ok_or("it is a list of something else than texts")?;
                Self::of_text(&parts.join(","))
            }
            other => Err(format!("it is {}: it has to be {}", kind_of(other), Self::EXPECTED)),
        }
    }
}

/// Reads a setting, wherever it is written.
pub(crate) fn read<T: Value>(raw: &Raw) -> Result<T, String> {
    match raw {
        Raw::Toml(value) => T::of_toml(value),
        Raw::Text(text) => T::of_os(text),
    }
}

fn kind_of(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::Float(_) => "a number with a point",
        toml::Value::Datetime(_) => "a date",
        toml::Value::Table(_) => "a table",
        toml::Value::Array(_) => "a list",
        _ => "something else",
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn of_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
    }

    fn show(&self) -> toml::Value {
        toml::Value::Boolean(*self)
    }
}

impl Value for u64 {
    const EXPECTED: &'static str = "a whole number";

    fn of_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is not a whole number"))
    }

    fn show(&self) -> toml::Value {
        i64::try_from(*self).map_or_else(|_| toml::Value::String(self.to_string()), toml::Value::Integer)
    }
}

impl Value for ByteCount {
    const EXPECTED: &'static str = "bytes: `10GiB`, `10GB`, `512 MiB` or a plain number of bytes";

    fn of_text(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.exactly())
    }
}

impl Value for Duration {
    const EXPECTED: &'static str = "a span: `90s`, `6h`, `1h30m`, `30d` or a plain number of seconds";

    fn of_text(text: &str) -> Result<Self, String> {
        units::span_of(text)
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(units::written(*self))
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn of_text(text: &str) -> Result<Self, String> {
        Self::of_os(OsStr::new(text))
    }

    fn of_os(text: &OsStr) -> Result<Self, String> {
        if text.as_bytes().is_empty() { Err("it is empty".to_owned()) } else { Ok(Self::from(text)) }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.display().to_string())
    }
}

impl Value for SocketAddr {
    const EXPECTED: &'static str = "an address with a port: `127.0.0.1:7878`, `[::1]:7878`";

    fn of_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is not an address: write for example 127.0.0.1:7878"))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

impl Value for PolicyKind {
    const EXPECTED: &'static str = "`fifo`, `lru`, `slru`, `sieve`, `s3fifo`, `tinylfu`, `gdsf` or `agd`";

    fn of_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: cache_core::Error| error.message().to_owned())
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.name().to_owned())
    }
}

impl Value for TierKind {
    const EXPECTED: &'static str = "`memory`, `file`, `sqlite`, `redis` or `s3`";

    fn of_text(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.name().to_owned())
    }
}

impl Value for TierList {
    const EXPECTED: &'static str =
        "a list of `memory`, `file`, `sqlite`, `redis`, `s3`, with commas between them or as a list of TOML";

    fn of_text(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> toml::Value {
        toml::Value::Array(self.iter().map(|kind| kind.show()).collect())
    }
}

impl Value for Reach {
    const EXPECTED: &'static str = "`public` or `anywhere`";

    fn of_text(text: &str) -> Result<Self, String> {
        <Self as clap::ValueEnum>::from_str(text, false).map_err(|_| format!("{text:?} is neither public nor anywhere"))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(if *self == Self::Public { "public" } else { "anywhere" }.to_owned())
    }
}

impl Value for Ports {
    const EXPECTED: &'static str = "a list of numbers and ranges: `80,443,8000-8999`";

    fn of_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|why: String| format!("{text:?} is {why}"))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

impl Value for Secret {
    const EXPECTED: &'static str = "a text of 16 characters or more";
    const IS_SECRET: bool = true;

    fn of_text(text: &str) -> Result<Self, String> {
        Self::new(text)
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

impl Value for Secrets {
    const EXPECTED: &'static str = "texts of 16 characters or more, with commas between them or as a list of TOML";
    const IS_SECRET: bool = true;

    fn of_text(text: &str) -> Result<Self, String> {
        Self::new(text.split(',').map(str::trim))
    }

    fn show(&self) -> toml::Value {
        if self.is_empty() {
            return toml::Value::String(String::new());
        }
        toml::Value::Array(self.iter().map(Secret::show).collect())
    }

    fn of_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Self::of_text(text),
            toml::Value::Array(parts) => {
                let texts: Option<Vec<&str>> = parts.iter().map(toml::Value::as_str).collect();
                Self::new(texts.ok_or("it is a list of something else than texts")?)
            }
            _ => Err(format!("it has to be {}", Self::EXPECTED)),
        }
    }
}

impl Value for Address {
    const EXPECTED: &'static str = "an address (its password and its options are not shown)";
    const IS_SECRET: bool = true;

    fn of_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Self::new(text)) }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}

/// What need not be there: it is shown as nothing then.
impl<T: Value> Value for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const IS_SECRET: bool = T::IS_SECRET;

    fn of_text(text: &str) -> Result<Self, String> {
        T::of_text(text).map(Some)
    }

    fn show(&self) -> toml::Value {
        self.as_ref().map_or_else(|| toml::Value::String(String::new()), Value::show)
    }

    fn of_os(text: &OsStr) -> Result<Self, String> {
        T::of_os(text).map(Some)
    }

    fn of_toml(value: &toml::Value) -> Result<Self, String> {
        T::of_toml(value).map(Some)
    }
}
