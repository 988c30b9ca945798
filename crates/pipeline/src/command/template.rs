//! `Template`: one argument of a command, with names in braces.

use std::ffi::{OsStr, OsString};

/// One argument. A name is lower-case letters in braces; any other brace is itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(String);

impl Template {
    pub(super) const fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        pieces(&self.0).filter_map(|piece| match piece {
            Piece::Name(name) => Some(name),
            Piece::Text(_) => None,
        })
    }

    /// What may be the path of a file: all of it, and what is behind the first `=`; nothing when it holds a name.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        let all = Some(self.as_str()).filter(|text| !text.is_empty() && self.names().next().is_none());
        let behind = all.and_then(|text| text.split_once('=')).map(|(_, behind)| behind);
        all.into_iter().chain(behind.filter(|behind| !behind.is_empty()))
    }

    /// The argument with `values` in the place of their names.
    pub(super) fn filled(&self, values: &[(&str, &OsStr)]) -> OsString {
        let mut filled = OsString::new();
        for piece in pieces(&self.0) {
            match piece {
                Piece::Text(text) => filled.push(text),
                Piece::Name(name) => {
                    filled.extend(values.iter().find(|(named, _)| *named == name).map(|(_, value)| *value));
                }
            }
        }
        filled
    }
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn pieces(mut text: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        if let Some((name, rest)) = leading_name(text) {
            text = rest;
            return Some(Piece::Name(name));
        }
        let end = text.char_indices().skip(1).find(|(_, c)| *c == '{').map_or(text.len(), |(at, _)| at);
        let (piece, rest) = text.split_at(end);
        text = rest;
        Some(Piece::Text(piece))
    })
}

fn leading_name(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('{')?.split_once('}')?;
    (!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase())).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> OsString {
        let values = [("audio", OsStr::new("/a b/{out}.wav")), ("out", OsStr::new("$(x)"))];
        Template::new(text.to_owned()).filled(&values)
    }

    #[test]
    fn names_are_filled_in_once() {
        assert_eq!(filled("{audio}"), "/a b/{out}.wav");
        assert_eq!(filled("--in={audio},{out}"), "--in=/a b/{out}.wav,$(x)");
    }

    #[test]
    fn paths_are_whole_arguments_and_what_is_behind_an_equals_sign() {
        let paths = |text: &str| Template::new(text.to_owned()).paths().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(paths("hear.py"), ["hear.py"]);
        assert_eq!(paths("--model=a=b"), ["--model=a=b", "a=b"]);
        assert!(paths("").is_empty() && paths("{audio}").is_empty() && paths("--in={audio}").is_empty());
    }

    #[test]
    fn other_braces_are_themselves() {
        for text in ["", "{", "}{", "{}", r#"{"a": {"b": 1}}"#, "{Audio}", "{{"] {
            assert_eq!(filled(text), text);
        }
        assert_eq!(Template::new("{a}{b} {".to_owned()).names().collect::<Vec<_>>(), ["a", "b"]);
    }
}
