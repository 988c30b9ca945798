//! Torrent files: what is taken has names that lead nowhere, lengths within limits, and the hash of its description.

use std::collections::HashSet;

use bytes::Bytes;
use torrents::{Contents, Limits};

use crate::Verdict;

pub(super) fn body(input: &[u8]) -> Verdict {
    let limits = Limits::default();
    let file = Bytes::copy_from_slice(input);
    let Ok(contents) = Contents::read(&file, &limits) else { return Verdict::Refused };
    let total = contents.files().iter().try_fold(0_u64, |sum, file| sum.checked_add(file.len));
    assert!(total.is_some_and(|total| total > 0 && total <= limits.total_len), "{total:?} bytes");
    assert!(contents.files().is_sorted_by_key(|file| file.index), "the order of files");
    assert!(contents.files().len() <= limits.files, "too many files");
    let mut names = HashSet::new();
    for file in contents.files() {
        is_harmless(&file.name);
        assert!(names.insert(file.name.to_lowercase()), "{:?} twice", file.name);
    }
    is_harmless(contents.name());
    // What is around the description makes no difference to what it is.
    let around = [b"d8:announce3:a:/", input.get(1..).unwrap_or_default()].concat();
    if let Ok(named) = Contents::read(&around.into(), &limits) {
        assert_eq!((named.hash(), named.files()), (contents.hash(), contents.files()));
    }
    Verdict::Accepted
}

fn is_harmless(name: &str) {
    let leads_away = name.starts_with('/') || name.contains('\\') || name.chars().any(char::is_control);
    let has_dots = name.split('/').any(|part| matches!(part, "" | "." | ".."));
    assert!(!leads_away && !has_dots, "{name:?}");
}
