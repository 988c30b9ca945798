//! `Names`: names of hosts.

use axum::http::uri::Authority;

use super::values::Value;

/// Names of hosts, without ports, in small letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names(Vec<String>);

impl Names {
    /// Whether `host` is one of them.
    pub(crate) fn has(&self, host: &str) -> bool {
        self.0.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value for Names {
    const EXPECTED: &'static str = "a list of names without ports: `films.example,10.0.0.5`";

    fn of_text(text: &str) -> Result<Self, String> {
        let name = |part: &str| {
            let name = part.trim();
            let is_name = name.parse::<Authority>().is_ok_and(|authority| authority.as_str() == authority.host());
            if is_name { Ok(name.to_ascii_lowercase()) } else { Err(format!("{name:?} is not the name of a host")) }
        };
        if text.is_empty() {
            Ok(Self::default())
        } else {
            text.split(',').map(name).collect::<Result<_, _>>().map(Self)
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::Array(self.0.iter().cloned().map(toml::Value::String).collect())
    }
}
