//! Rules: every legal key is a key of its own.

use cache_core::{Entry, Key, KeyPrefix, Result};

use crate::Case;

/// Texts that mean something to file systems, shells, databases or terminals.
const HOSTILE: &[&str] = &[
    "../escape",
    "../../etc/passwd",
    "..",
    ".",
    "/",
    "/absolute",
    "a/b",
    "a\\b",
    "C:\\con",
    "CON",
    "nul.txt",
    "trailing.",
    "trailing ",
    " ",
    "\0",
    "a\0b",
    "new\nline",
    "\r\n",
    "\t",
    "\u{1b}[31m",
    "%",
    "%00",
    "%2F",
    "*",
    "?",
    "[a-z]",
    "{a,b}",
    "~",
    "$HOME",
    "`id`",
    "'; DROP TABLE entries; --",
    "\"",
    "-rf",
    "=",
    "a=b",
    ":",
    "a:b",
    "\u{feff}bom",
    "\u{202e}right to left",
    "日本語",
    "👩‍👩‍👧",
    "\u{10ffff}",
];

/// Keys from hostile texts hold an entry each, and a scan gives exactly them back.
pub async fn hostile_keys_stay_distinct(case: &Case) -> Result<()> {
    let keys: Result<Vec<Key>> = HOSTILE.iter().map(|text| Key::of(text).build()).collect();
    let mut keys = keys?;
    keys.push(Key::of("a").part("b").build()?);
    keys.push(Key::of("a").part("").build()?);
    keys.push(Key::of("a").part("").part("").build()?);
    keys.push(Key::of("").part("a").build()?);
    keys.push(Key::of("a").param("b", "").build()?);
    stay_distinct(case, &keys).await
}

/// Neither case nor Unicode normalisation makes two keys one.
pub async fn keys_that_differ_by_case_or_unicode_form_stay_distinct(case: &Case) -> Result<()> {
    let texts = ["name", "Name", "NAME", "caf\u{e9}", "cafe\u{301}", "\u{fb01}", "fi", "ß", "ss", "ſ", "s", "İ", "i"];
    let keys: Result<Vec<Key>> = texts.iter().map(|text| Key::of(text).build()).collect();
    stay_distinct(case, &keys?).await
}

/// A key may be the beginning of others: it is no folder.
pub async fn a_key_and_keys_below_it_coexist(case: &Case) -> Result<()> {
    let keys: Result<Vec<Key>> = ["a:b:c", "a", "a:b", "a:b:c:d", "a:b=1"].into_iter().map(Key::parse).collect();
    stay_distinct(case, &keys?).await
}

/// Keys of the greatest length that differ in their last byte only, in one segment or in hundreds.
pub async fn the_longest_keys_stay_distinct(case: &Case) -> Result<()> {
    let stem = "k".repeat(Key::MAX_BYTES - 1);
    let deep = "d:".repeat(Key::MAX_BYTES / 2 - 1);
    let wide = "漢".repeat((Key::MAX_BYTES - 1) / '漢'.len_utf8());
    let mut keys = Vec::new();
    for last in ["x", "y"] {
        keys.push(Key::parse(&format!("{stem}{last}"))?);
        keys.push(Key::parse(&format!("{deep}{last}{last}"))?);
        keys.push(Key::parse(&format!("{wide}{last}"))?);
    }
    stay_distinct(case, &keys).await
}

async fn stay_distinct(case: &Case, keys: &[Key]) -> Result<()> {
    let mut entries: Vec<(&Key, Entry)> = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        entries.push((key, case.put(key, format!("body {number}")).await?));
    }
    for (key, entry) in &entries {
        case.assert_holds(key, entry).await?;
    }
    let mut found: Vec<Key> = case.scan(&KeyPrefix::all()).await?.into_iter().map(|(key, _)| key).collect();
    found.sort();
    let mut expected = keys.to_vec();
    expected.sort();
    assert_eq!(found, expected, "keys that scan finds");
    while let Some((key, _)) = entries.pop() {
        assert!(case.backend.remove(key).await?, "remove of {key}");
        case.assert_absent(key).await?;
        assert_eq!(case.all().await?.len(), entries.len(), "entries left after the remove of {key}");
    }
    Ok(())
}
