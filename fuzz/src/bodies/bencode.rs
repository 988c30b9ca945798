//! Torrent files: what is taken has names that lead nowhere, lengths within limits that a second reading finds too, and the hash
//! of its description.

mod second;

use std::collections::HashSet;

use bytes::Bytes;
use torrents::{Contents, Limits};

use crate::Verdict;
use second::{File, Said};

/// The longest torrent here, so that what exceeds it is short.
const LONGEST: u64 = 64 << 20;

pub(super) fn body(input: &[u8]) -> Verdict {
    let mut limits = Limits::default();
    limits.total_len = LONGEST;
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
    if let Some(said) = Said::of(input) {
        agrees(&contents, &said);
    }
    // What is around the description makes no difference to what it is.
    let around = [b"d8:announce3:a:/", input.get(1..).unwrap_or_default()].concat();
    if let Ok(named) = Contents::read(&around.into(), &limits) {
        assert_eq!((named.hash(), named.files()), (contents.hash(), contents.files()));
    }
    Verdict::Accepted
}

/// Whether the files are those that the torrent file names, and as long as its pieces together.
fn agrees(contents: &Contents, said: &Said) {
    assert!(said.files.iter().all(|file| !file.is_link), "a link");
    let is_file = |file: &&(usize, &File)| !file.1.is_padding && file.1.len > 0;
    let said_files = said.files.iter().enumerate().filter(|file| is_file(&file)).map(|(index, file)| (index, file.len));
    let files = contents.files().iter().map(|file| (file.index, u128::from(file.len)));
    assert_eq!(files.collect::<Vec<_>>(), said_files.collect::<Vec<_>>());
    let total: u128 = said.files.iter().map(|file| file.len).sum();
    assert!(total <= u128::from(LONGEST), "{total} bytes, with those between files");
    let pieces = [total.div_ceil(said.piece_len), total / said.piece_len + 1].map(|pieces| pieces * 20);
    assert!(pieces.contains(&(said.pieces as u128)), "{} bytes of hashes, {pieces:?} expected", said.pieces);
}

fn is_harmless(name: &str) {
    let leads_away = name.starts_with('/') || name.contains('\\') || name.chars().any(char::is_control);
    let has_dots = name.split('/').any(|part| matches!(part, "" | "." | ".."));
    assert!(!leads_away && !has_dots, "{name:?}");
}
