//! `KeyBuilder`: parts and parameters gathered into a canonical key.

use std::fmt::{Display, Write};

use super::{Key, KeyPrefix, escape::Escaping, too_long};
use crate::{Error, ErrorKind, Result};

/// Room for what most keys add, in bytes.
const USUAL: usize = 96;

/// Gathers the parts and parameters of a [`Key`].
///
/// Parameters are sorted by name and follow the parts, whatever the order of the calls. Text beyond
/// [`Key::MAX_BYTES`] is an error of [`build`](Self::build), not of the call that added it.
#[derive(Debug, Clone)]
#[must_use = "a builder is not a key until it is built"]
pub struct KeyBuilder {
    text: String,
    segments: usize,
    params: Vec<(String, String)>,
}

impl KeyBuilder {
    pub(super) fn new() -> Self {
        Self { text: String::with_capacity(USUAL), segments: 0, params: Vec::new() }
    }

    pub(super) fn below(parent: &Key) -> Self {
        let mut text = String::with_capacity(parent.as_str().len() + USUAL);
        text.push_str(parent.as_str());
        Self { text, segments: 1, params: Vec::new() }
    }

    /// Adds a part.
    pub fn part(mut self, part: impl Display) -> Self {
        self.begin_segment();
        escape_into(&mut self.text, part);
        self
    }

    /// Adds a parameter. Its name must be given once only.
    pub fn param(mut self, name: impl Display, value: impl Display) -> Self {
        self.params.push((escaped(name), escaped(value)));
        self
    }

    /// The key.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a parameter was given twice, or the text is empty or longer than
    /// [`Key::MAX_BYTES`].
    pub fn build(mut self) -> Result<Key> {
        self.params.sort();
        if let Some(twice) = self.params.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let name = &twice[0].0;
            return Err(Error::new(ErrorKind::Invalid, format!("the key parameter {name} was given twice")));
        }
        for (name, value) in std::mem::take(&mut self.params) {
            self.begin_segment();
            self.text.push_str(&name);
            self.text.push('=');
            self.text.push_str(&value);
        }
        if self.text.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "a key needs at least one character"));
        }
        if self.text.len() > Key::MAX_BYTES {
            return Err(too_long(self.text.len()));
        }
        Ok(Key::from_canonical(&self.text))
    }

    /// The prefix that selects this key and everything below it.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn prefix(self) -> Result<KeyPrefix> {
        self.build().map(|key| KeyPrefix::below(&key))
    }

    fn begin_segment(&mut self) {
        if self.segments > 0 {
            self.text.push(':');
        }
        self.segments += 1;
    }
}

fn escaped(value: impl Display) -> String {
    let mut text = String::new();
    escape_into(&mut text, value);
    text
}

fn escape_into(text: &mut String, value: impl Display) {
    // Writing into a String fails only when the value's own Display does; what it wrote so far then stands.
    let _ = write!(Escaping(text), "{value}");
}
