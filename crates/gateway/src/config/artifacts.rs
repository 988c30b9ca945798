//! Values of the settings about artifacts.

use std::fmt;
use std::sync::Arc;

use pipeline::{Fingerprinting, Pick, Precision, Resource};

use super::secret::HIDDEN;
use super::values::Value;
use crate::kinds::{ArtifactKind, Kinds};

/// A key that a server of models asks for: any text of one line, shown as `***`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey(Arc<str>);

impl ApiKey {
    /// The key itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Value for ApiKey {
    const EXPECTED: &'static str = "a text";
    const IS_SECRET: bool = true;

    fn of_text(text: &str) -> Result<Self, String> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it is empty, or holds a space or a character that is not of ASCII".to_owned());
        }
        if text == HIDDEN {
            return Err(format!("{HIDDEN} is what is shown in place of a secret"));
        }
        Ok(Self(text.into()))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(HIDDEN.to_owned())
    }
}

impl Value for String {
    const EXPECTED: &'static str = "a text";

    fn of_text(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.clone())
    }
}

impl Value for Kinds {
    const EXPECTED: &'static str = "a list of `keyframes`, `transcript`, `descriptions`, `embeddings`, with commas between them or as a list of TOML";

    fn of_text(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> toml::Value {
        toml::Value::Array(self.iter().map(|kind| toml::Value::String(kind.name().to_owned())).collect())
    }
}

impl Value for ArtifactKind {
    const EXPECTED: &'static str = "`keyframes`, `transcript`, `descriptions` or `embeddings`";

    fn of_text(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.name().to_owned())
    }
}

impl Value for Pick {
    const EXPECTED: &'static str = "`key`, `any`, or a number from 0 to 1";

    fn of_text(text: &str) -> Result<Self, String> {
        match text {
            "key" => Ok(Self::Key),
            "any" => Ok(Self::Any),
            number => match number.parse() {
                Ok(threshold) if (0.0..=1.0).contains(&threshold) => Ok(Self::Scene(threshold)),
                _ => Err(format!("{text:?} is neither key nor any nor a number from 0 to 1")),
            },
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(match self {
            Self::Scene(threshold) => threshold.to_string(),
            Self::Any => "any".to_owned(),
            _ => "key".to_owned(),
        })
    }

    fn of_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Float(number) => Self::of_text(&number.to_string()),
            toml::Value::Integer(number) => Self::of_text(&number.to_string()),
            toml::Value::String(text) => Self::of_text(text),
            _ => Err(format!("it has to be {}", Self::EXPECTED)),
        }
    }
}

/// Declares what stands for each of some choices.
macro_rules! choices {
    ($($type:ty, $expected:literal: $($text:literal = $choice:path),*;)*) => {$(
        impl Value for $type {
            const EXPECTED: &'static str = $expected;

            fn of_text(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok($choice),)*
                    _ => Err(format!("{text:?} is none of {}", [$($text),*].join(", "))),
                }
            }

            fn show(&self) -> toml::Value {
                let text = [$(($choice, $text)),*].into_iter().find(|(choice, _)| choice == self);
                toml::Value::String(text.map_or("", |(_, text)| text).to_owned())
            }
        }
    )*};
}

choices! {
    Fingerprinting, "`content`, `sampled` or `stat`":
        "content" = Self::Content, "sampled" = Self::Sampled, "stat" = Self::Stat;
    Resource, "`cpu`, `gpu` or `net`": "cpu" = Self::Cpu, "gpu" = Self::Gpu, "net" = Self::Net;
    Precision, "`single` or `half`": "single" = Self::Single, "half" = Self::Half;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pick_is_a_word_or_the_number_by_which_scenes_differ() {
        for text in ["key", "any", "0.4", "1"] {
            assert_eq!(Pick::of_text(text).unwrap().show(), toml::Value::String(text.to_owned()));
        }
        for wrong in ["", "scene", "1.5", "-1", "NaN"] {
            assert!(Pick::of_text(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(Pick::of_toml(&toml::Value::Float(0.25)), Ok(Pick::Scene(0.25)));
    }

    #[test]
    fn choices_read_as_they_are_shown() {
        for text in ["content", "sampled", "stat"] {
            assert_eq!(Fingerprinting::of_text(text).unwrap().show(), toml::Value::String(text.to_owned()));
        }
        assert!(Fingerprinting::of_text("remote").unwrap_err().contains("content, sampled, stat"));
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = ApiKey::of_text("sk-hush").unwrap();
        assert_eq!(format!("{key:?} {}", key.show()), "*** \"***\"");
        assert!(ApiKey::of_text("a b").is_err());
    }
}
