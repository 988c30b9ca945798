//! Precedence, names and contradictions.

use std::path::PathBuf;

use super::*;

fn written(text: &str) -> Written {
    Written { path: PathBuf::from("/c.toml"), table: text.parse().unwrap() }
}

fn sources(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Sources {
    Sources {
        file: Some(written(file)),
        variables: variables.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        flags: flags.iter().map(|&(name, value)| (name, value.into())).collect(),
    }
}

fn ttl(sources: Sources) -> (String, String) {
    let effective = sources.resolve().unwrap();
    let ttl = &effective.json()["cache"]["ttl"];
    (ttl["value"].as_str().unwrap().to_owned(), ttl["origin"].as_str().unwrap().to_owned())
}

fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    sources(file, variables, &[]).resolve().unwrap_err().to_string()
}

#[test]
fn a_higher_layer_wins() {
    let (file, variable, flag) = ("[cache]\nttl = \"2h\"", ("CACHE_TTL", "3600"), ("ttl", "90s"));
    let of = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(ttl(sources("", &[], &[])), of("30d", "default"));
    assert_eq!(ttl(sources(file, &[], &[])), of("2h", "file /c.toml"));
    assert_eq!(ttl(sources(file, &[variable], &[])), of("1h", "variable CACHE_TTL"));
    assert_eq!(ttl(sources(file, &[variable], &[flag])), of("1m30s", "flag --ttl"));
    assert_eq!(ttl(sources(file, &[("CACHE_TTL", "")], &[])), of("2h", "file /c.toml"));
}

#[test]
fn a_plain_number_counts_what_the_name_of_the_variable_says() {
    let disk =
        |variables: &[(&str, &str)], file: &str| sources(file, variables, &[]).resolve().unwrap().config.cache.disk.0;
    assert_eq!(disk(&[("CACHE_MAX_DISK_MB", "5000")], ""), 5_000_000_000);
    assert_eq!(disk(&[("CACHE_MAX_DISK_MB", "5GiB")], ""), 5 << 30);
    assert_eq!(disk(&[("CACHE_MAX_DISK_MB", "0")], ""), 0);
    assert_eq!(disk(&[], "[cache]\ndisk = 5000"), 5000);
}

#[test]
fn two_ways_to_write_the_same_are_an_error_in_one_layer_only() {
    let both = [("CACHE_TIERS", "memory"), ("CACHE_BACKEND", "sqlite")];
    assert!(refused("", &both).contains("CACHE_TIERS and CACHE_BACKEND are both set"));
    assert!(refused("[cache]\ntiers = ['memory']\nbackend = 'file'", &[]).contains("are both set"));
    let tiers = |sources: Sources| sources.resolve().unwrap().json()["cache"]["tiers"]["value"].to_string();
    assert_eq!(tiers(sources("", &both, &[("backend", "file")])), r#"["file"]"#);
    assert_eq!(tiers(sources("[cache]\ntiers = ['memory']", &both[1..], &[])), r#"["sqlite"]"#);
    assert_eq!(tiers(sources("[cache]\ntiers = 'memory, s3'", &[], &[])), r#"["memory","s3"]"#);
}

#[test]
fn what_is_not_known_is_an_error_with_the_nearest_name() {
    assert!(refused("[cache]\nttll = 3", &[]).contains("cache.ttll in /c.toml is unknown: did you mean cache.ttl?"));
    assert!(refused("[cahce]\nttl = 3", &[]).contains("did you mean cache?"));
    assert!(refused("ttl = 3", &[]).contains("did you mean cache.ttl?"));
    assert!(refused("", &[("CACHE_TLL", "3")]).contains("the variable CACHE_TLL is unknown: did you mean CACHE_TTL?"));
    assert!(refused("", &[("REELCACHE_LISTN", "3")]).contains("did you mean REELCACHE_LISTEN?"));
    assert!(refused("", &[("CACHE_DIR", "/a")]).contains("did you mean REELCACHE_DIR?"));
    assert!(refused("[cache]\nlisten = 'a'", &[]).contains("did you mean serve.listen?"));
    for alike in ["CACHE_XYZZY_PLUGH_QUUX", "CACHE_FOO", "REELCACHE_OFF"] {
        assert!(refused("", &[(alike, "3")]).contains("docs/configuration.md"), "{alike}");
    }
    assert!(refused("[cache]\nfoo = 3", &[]).contains("docs/configuration.md"));
    assert!(sources("", &[("OTHER", "3"), ("REELCACHE_FFMPEG", "x"), ("MY_CACHE_DIR", "x")], &[]).resolve().is_ok());
}

#[test]
fn wrong_values_are_named_by_where_they_are_written() {
    assert!(refused("[cache]\nttl = 1.5", &[]).contains("cache.ttl in /c.toml is wrong: it is a number with a point"));
    assert!(refused("[cache]\nttl = \"soon\"", &[]).contains("write for example 90s"));
    assert!(refused("", &[("CACHE_MAX_SIZE", "-1")]).contains("the value of CACHE_MAX_SIZE is wrong"));
    assert!(refused("", &[("CACHE_PERSISTENT", "maybe")]).contains("neither true nor false"));
    assert!(refused("", &[("CACHE_CLEANUP_INTERVAL", "0")]).contains("at least 1s, or off"));
    assert!(
        refused("[serve]\nlisten = \"0.0.0.0:80\"", &[]).contains("no loopback address, which needs an admin token")
    );
    assert!(refused("[providers.a]\nkind = 3\npassword = \"hush\"", &[]).contains("providers.a in /c.toml"));
    assert!(refused("cache = 3", &[]).contains("has to be a table"));
}

#[test]
fn no_message_shows_a_secret() {
    for (variable, value) in [("REELCACHE_ADMIN_TOKEN", "hush"), ("REELCACHE_READ_TOKEN", "hush hush hush hush")] {
        let message = refused("", &[(variable, value)]);
        assert!(message.contains(variable) && !message.contains("hush"), "{message}");
    }
    let token = ("REELCACHE_ADMIN_TOKEN", "hush-hush-hush-hush");
    let redis = ("CACHE_REDIS_URL", "redis://:hush@host?prefix=hush");
    let effective = sources("[providers.a]\nkind = 'peertube'\nurl = 'hush'", &[token, redis], &[]).resolve().unwrap();
    let shown = format!("{}{}{:?}", effective.toml(true), effective.json(), effective);
    assert!(shown.contains("***") && shown.contains("redis://host") && !shown.contains("hush"), "{shown}");
}

#[test]
fn a_file_holds_secrets_if_it_holds_more_than_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "hush-hush-hush-hush").unwrap();
    for (file, holds) in [
        (format!("[serve]\nadmin_token_file = {token:?}\n[cache]\nredis = 'redis://host:6379/2'"), false),
        ("[serve]\nadmin_token = 'hush-hush-hush-hush'".to_owned(), true),
        ("[cache]\nredis = 'redis://:hush@host'".to_owned(), true),
        ("[providers.a]\nkind = 'peertube'".to_owned(), true),
    ] {
        assert_eq!(sources(&file, &[], &[]).resolve().unwrap().has_secrets, holds, "{file}");
    }
    let variable = [("REELCACHE_ADMIN_TOKEN", "hush-hush-hush-hush")];
    assert!(!sources("", &variable, &[]).resolve().unwrap().has_secrets);
}

#[test]
fn what_is_shown_in_place_of_a_secret_is_none() {
    for file in ["describer_key = '***'", "transcriber = 'hear ***'", "transcriber = ['hear', '***']"] {
        assert!(refused(&format!("[pipeline]\n{file}"), &[]).contains("in place of"), "{file}");
    }
}

#[test]
fn what_is_printed_reads_as_the_same() {
    let variables =
        [("CACHE_TTL", "off"), ("CACHE_MAX_SIZE", "0"), ("CACHE_REACH_PORTS", "80,8000-8999"), ("CACHE_POLICY", "lru")];
    let first =
        sources("[cache]\ndir = '/a \"b\"'\n[pipeline]\nroots = ['/films']", &variables, &[]).resolve().unwrap();
    for explained in [false, true] {
        let printed = first.toml(explained);
        assert_eq!(sources(&printed, &[], &[]).resolve().unwrap().toml(false), first.toml(false), "{printed}");
    }
}

#[test]
fn every_default_reads_as_itself_and_no_name_is_used_twice() {
    let mut names = std::collections::HashSet::new();
    for setting in all() {
        assert!(names.insert(setting.key()) && names.insert(setting.variable.to_owned()), "{}", setting.key());
        assert!(setting.flag.is_none_or(|(flag, _)| names.insert(flag.to_owned())), "{}", setting.key());
        assert!(!setting.about().ends_with('.'), "{}", setting.key());
    }
    let printed = sources("", &[], &[]).resolve().unwrap().toml(false);
    assert_eq!(sources(&printed, &[], &[]).resolve().unwrap().toml(false), printed);
}
