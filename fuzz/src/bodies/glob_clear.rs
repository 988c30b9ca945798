//! Patterns of keys, compared with the definition: a table of which part of one matches which part of the other.

use cache_core::{Key, KeyPattern};

use crate::Verdict;

pub(super) fn body(input: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(input);
    let (pattern, text) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(glob) = KeyPattern::parse(pattern) else { return Verdict::Refused };
    assert_eq!(glob.as_str(), pattern);
    let text = text.strip_suffix('\n').unwrap_or(text);
    for key in [Key::parse(text), Key::of(text).build()].into_iter().flatten() {
        let is_selected = selects(pattern, key.as_str());
        assert_eq!(glob.matches(&key), is_selected, "{pattern:?} of {key}");
        assert!(!is_selected || glob.prefix().matches(&key), "{key} is not below {}", glob.prefix());
    }
    Verdict::Accepted
}

fn selects(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Whether what was seen of the pattern matches the first characters, so many as the index says.
    let mut row: Vec<bool> = (0..=text.len()).map(|seen| seen == 0).collect();
    for wanted in pattern.chars() {
        let before = row.clone();
        row[0] = before[0] && wanted == '*';
        for at in 1..row.len() {
            row[at] = match wanted {
                '*' => row[at - 1] || before[at],
                '?' => before[at - 1],
                wanted => before[at - 1] && wanted == text[at - 1],
            };
        }
    }
    row.last().copied().unwrap_or_default()
}
