//! `Words` and `Paths`: commands and folders.

use std::fmt;
use std::path::PathBuf;

use super::secret::HIDDEN;
use super::values::Value;

/// A program and its arguments. Of the arguments nothing is shown: they may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl Words {
    fn of(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut words = words.into_iter();
        let program = words.next().filter(|program| !program.is_empty()).ok_or("it names no program")?;
        let arguments: Vec<String> = words.collect();
        if arguments.iter().any(|word| word.contains('\0')) || program.contains('\0') {
            return Err("it holds a NUL byte".to_owned());
        }
        if arguments.iter().any(|word| word == HIDDEN) {
            return Err(format!("{HIDDEN} is what is shown in place of its arguments"));
        }
        Ok(Self { program: program.into(), arguments })
    }
}

impl Value for Words {
    const EXPECTED: &'static str = "a program and its arguments: a list of texts in the file, words as a shell splits them \
                                    elsewhere; no shell runs them, and arguments are not shown";

    fn of_text(text: &str) -> Result<Self, String> {
        let words = shlex::split(text).ok_or("it has a quotation mark without its other one")?;
        Self::of(words)
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }

    fn of_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Array(parts) => {
                let words = parts.iter().map(|part| part.as_str().map(str::to_owned));
                Self::of(words.collect::<Option<Vec<_>>>().ok_or("it is a list of something else than texts")?)
            }
            toml::Value::String(text) => Self::of_text(text),
            _ => Err(format!("it has to be {}", Self::EXPECTED)),
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        if self.arguments.is_empty() { Ok(()) } else { write!(f, " {HIDDEN}") }
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Some folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Paths(pub(crate) Vec<PathBuf>);

impl Value for Paths {
    const EXPECTED: &'static str =
        "paths from the root on: a list of texts in the file, with `:` between them elsewhere";

    fn of_text(text: &str) -> Result<Self, String> {
        let path = |part: &str| {
            let path = PathBuf::from(part);
            if path.is_absolute() { Ok(path) } else { Err(format!("{part:?} does not begin with /")) }
        };
        text.split(':').filter(|part| !part.is_empty()).map(path).collect::<Result<_, _>>().map(Self)
    }

    fn show(&self) -> toml::Value {
        toml::Value::Array(self.0.iter().map(Value::show).collect())
    }

    fn of_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Array(parts) => {
                let paths = parts.iter().map(|part| {
                    let path = part.as_str().ok_or("it is a list of something else than texts")?;
                    Self::of_text(path).map(|paths| paths.0).map_err(|why| why.clone())
                });
                Ok(Self(paths.collect::<Result<Vec<_>, String>>()?.into_iter().flatten().collect()))
            }
            toml::Value::String(text) => Self::of_text(text),
            _ => Err(format!("it has to be {}", Self::EXPECTED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_list_or_words_in_quotes() {
        let text = Words::of_text("whisper-cli -m 'a b.bin' \"{audio}\"").unwrap();
        let list: toml::Value =
            "a = [\"whisper-cli\", \"-m\", \"a b.bin\", \"{audio}\"]".parse::<toml::Table>().unwrap()["a"].clone();
        assert_eq!(Words::of_toml(&list).unwrap(), text);
        assert_eq!(text.arguments, ["-m", "a b.bin", "{audio}"]);
        for wrong in ["", "'a", "''"] {
            assert!(Words::of_text(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn arguments_are_not_shown() {
        let command = Words::of_text("curl -H 'Authorization: hush'").unwrap();
        assert_eq!(format!("{command} {command:?} {}", command.show()), "curl *** curl *** \"curl ***\"");
        assert_eq!(Words::of_text("hear").unwrap().to_string(), "hear");
    }

    #[test]
    fn folders_begin_at_the_root() {
        assert_eq!(Paths::of_text("/films:/more films").unwrap().0, [PathBuf::from("/films"), "/more films".into()]);
        assert!(Paths::of_text("films").is_err());
        assert_eq!(Paths::of_text("").unwrap(), Paths::default());
    }
}
