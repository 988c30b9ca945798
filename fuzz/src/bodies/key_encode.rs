//! Keys: different lists of parts and parameters print differently, because what is printed says which it was.

use cache_core::{Key, KeyBuilder, KeyPrefix};

use crate::Verdict;

/// What a key is built from.
#[derive(Debug, PartialEq, Eq)]
struct List<'a> {
    parts: Vec<&'a str>,
    /// By name.
    params: Vec<(&'a str, &'a str)>,
}

/// Two lists with an empty line between them; a line with a tab is a parameter, another one a part.
pub(super) fn body(input: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(input);
    let (one, other) = text.split_once("\n\n").unwrap_or((&text, ""));
    let (one, other) = (List::of(one), List::of(other));
    let (Some(left), Some(right)) = (one.key(), other.key()) else { return one.key().is_some().into() };
    assert_eq!(left == right, one == other, "{left} and {right}");
    assert!(one != other || left.hash64() == right.hash64());
    Verdict::Accepted
}

impl<'a> List<'a> {
    fn of(text: &'a str) -> Self {
        let (params, parts): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.contains('\t'));
        let mut params: Vec<_> = params.into_iter().filter_map(|line| line.split_once('\t')).collect();
        params.sort_unstable_by_key(|(name, _)| escaped(name));
        Self { parts, params }
    }

    /// The key of the list, after it was looked at.
    fn key(&self) -> Option<Key> {
        let (first, rest) = self.parts.split_first()?;
        let builder = rest.iter().fold(Key::of(first), KeyBuilder::part);
        let built = self.params.iter().rev().fold(builder, |builder, (name, value)| builder.param(name, value)).build();
        let is_twice = self.params.windows(2).any(|pair| pair[0].0 == pair[1].0);
        let printed = self.printed();
        let is_one = !is_twice && !printed.is_empty() && printed.len() <= Key::MAX_BYTES;
        assert_eq!(built.is_ok(), is_one, "{self:?}");
        let key = built.ok()?;
        assert_eq!(key.as_str(), printed);
        assert_eq!(Key::parse(&printed).expect("what is printed is read"), key);
        assert!(KeyPrefix::below(&key).matches(&key), "a key is below itself");
        Some(key)
    }

    /// What docs/formats.md says that is printed.
    fn printed(&self) -> String {
        let params = self.params.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        self.parts.iter().map(|part| escaped(part)).chain(params).collect::<Vec<_>>().join(":")
    }
}

fn escaped(text: &str) -> String {
    let mut utf8 = [0; 4];
    let one = |c: char| match c {
        ':' | '=' | '*' | '?' | '%' => format!("%{:02X}", c as u32),
        c if c.is_control() => {
            let bytes: Vec<String> = c.encode_utf8(&mut utf8).bytes().map(|byte| format!("%{byte:02X}")).collect();
            bytes.concat()
        }
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}
