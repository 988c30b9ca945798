//! Laws of keys: injective, canonical, bounded.

use proptest::prelude::*;

use super::*;

fn build(parts: &[String], params: &[(String, String)]) -> Result<Key> {
    let mut builder = KeyBuilder::new();
    for part in parts {
        builder = builder.part(part);
    }
    for (name, value) in params {
        builder = builder.param(name, value);
    }
    builder.build()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab:=%*?/.]{0,4}",
        any::<String>().prop_map(|text| text.chars().take(8).collect()),
        Just("..".to_owned()),
        Just("\u{0}\n\u{85}".to_owned()),
    ]
}

fn parts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 1..4)
}

fn params() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::btree_map(text(), text(), 0..3).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn trust_23_different_lists_print_different_keys(a in parts(), b in parts(), p in params(), q in params()) {
        if let (Ok(left), Ok(right)) = (build(&a, &p), build(&b, &q)) {
            prop_assert_eq!(left == right, (&a, &p) == (&b, &q));
        }
    }

    #[test]
    fn the_printed_form_reads_back(parts in parts(), params in params()) {
        if let Ok(key) = build(&parts, &params) {
            prop_assert_eq!(&Key::parse(key.as_str()).unwrap(), &key);
            prop_assert!(!key.as_str().contains(char::is_control));
            prop_assert!(key.segments().take(parts.len()).eq(parts.iter().map(String::as_str)));
        }
    }

    #[test]
    fn parse_never_panics_and_is_canonical(text in any::<String>()) {
        if let Ok(key) = Key::parse(&text) {
            prop_assert_eq!(key.as_str(), text);
        }
    }

    #[test]
    fn a_prefix_selects_exactly_the_keys_below(a in parts(), b in parts()) {
        if let (Ok(above), Ok(key)) = (build(&a, &[]), build(&b, &[])) {
            let below = b.len() >= a.len() && b[..a.len()] == a[..];
            prop_assert_eq!(KeyPrefix::below(&above).matches(&key), below);
        }
    }

    #[test]
    fn a_glob_agrees_with_the_recursive_definition(pattern in "[ab:*?]{1,8}", text in "[ab:]{1,10}") {
        fn naive(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.first(), text.first()) {
                (None, None) => true,
                (Some(b'*'), _) => {
                    naive(&pattern[1..], text) || (!text.is_empty() && naive(pattern, &text[1..]))
                }
                (Some(b'?'), Some(_)) => naive(&pattern[1..], &text[1..]),
                (Some(p), Some(t)) => p == t && naive(&pattern[1..], &text[1..]),
                _ => false,
            }
        }
        let (glob, key) = (KeyPattern::parse(&pattern).unwrap(), Key::parse(&text).unwrap());
        prop_assert_eq!(glob.matches(&key), naive(pattern.as_bytes(), text.as_bytes()));
        if glob.matches(&key) {
            prop_assert!(glob.prefix().matches(&key), "{} must be below {}", key, glob.prefix());
        }
    }
}

#[test]
fn parameters_are_sorted_and_follow_the_parts() {
    let key = Key::of("video").param("b", 2).param("a", 1).part("keyframes").build().unwrap();
    assert_eq!(key.as_str(), "video:keyframes:a=1:b=2");
}

#[test]
fn a_parameter_given_twice_is_an_error() {
    assert_eq!(Key::of("v").param("a", 1).param("a", 1).build().unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn children_follow_the_parameters_of_their_parent() {
    let parent = Key::of("video").param("max", 3).build().unwrap();
    let child = parent.child("frame").part(7).build().unwrap();
    assert_eq!(child.as_str(), "video:max=3:frame:7");
    assert!(KeyPrefix::below(&parent).matches(&child));
}

#[test]
fn keys_end_at_their_limit() {
    assert!(Key::of("x".repeat(Key::MAX_BYTES)).build().is_ok());
    assert!(Key::of("x".repeat(Key::MAX_BYTES + 1)).build().is_err());
    assert!(Key::of("").build().is_err());
    assert!(Key::of("").part("").build().is_ok());
}

#[test]
fn trust_30_a_pathological_glob_stays_cheap() {
    let pattern = KeyPattern::parse(&"*a".repeat(500)).unwrap();
    let key = Key::parse(&"a".repeat(499)).unwrap();
    assert!(!pattern.matches(&key));
}

#[test]
fn patterns_that_match_nothing_are_refused() {
    assert!(KeyPattern::parse("100%").is_err());
    assert!(KeyPattern::parse("").is_err());
    assert!(KeyPattern::parse("a%2Ab*").unwrap().matches(&Key::of("a*bc").build().unwrap()));
}

#[test]
fn text_that_no_builder_prints_is_refused() {
    for text in ["a=1", "a:b=c=d", "a:z=1:b=2", "a:x=1:x=2", "a:=1:=2"] {
        assert_eq!(Key::parse(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
    }
    for text in ["a:b=1:z=2", "a:z=1:b:b=2", "a:=", ":", "a:b="] {
        assert!(Key::parse(text).is_ok(), "{text}");
    }
}
