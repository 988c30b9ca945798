//! `reelcache config`: the layers, what is shown of them, and what wrong settings are told.

use std::fs;

use super::support::{Home, stderr, stdout};

/// What `reelcache config` prints with this file, these variables and these flags, as its lines.
fn shown(home: &Home, file: Option<&str>, variables: &[(&str, &str)], flags: &[&str]) -> String {
    let mut command = home.reelcache();
    if let Some(text) = file {
        fs::write(home.path("c.toml"), text).expect("a file");
        command.args(["--config", "c.toml"]);
    }
    let run = command.envs(variables.iter().copied()).arg("config").args(flags).output().expect("the binary runs");
    assert!(run.status.success(), "{}", stderr(&run));
    stdout(&run)
}

/// The error of a run with this file and these variables.
#[track_caller]
fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    let home = Home::new();
    fs::write(home.path("c.toml"), file).expect("a file");
    let mut command = home.reelcache();
    command.envs(variables.iter().copied()).args(["--config", "c.toml", "config"]);
    let run = command.output().expect("the binary runs");
    assert_eq!(run.status.code(), Some(2), "{}", stdout(&run));
    assert_eq!(stderr(&run).trim_end().lines().count(), 1, "{}", stderr(&run));
    stderr(&run)
}

#[test]
fn defaults_yield_to_the_file_that_to_variables_and_those_to_flags() {
    let home = Home::new();
    let (file, variable) = (Some("[cache]\nttl = \"2h\"\n[serve]\ndrain = 3\n"), [("CACHE_TTL", "3600")]);
    let explain = |file, variables, flags: &[&str]| shown(&home, file, variables, &[&["--explain"], flags].concat());
    assert!(explain(None, &[], &[]).contains("ttl = \"30d\"  # default\n"));
    let run =
        home.reelcache().env_remove("REELCACHE_DIR").env("XDG_CACHE_HOME", "/c").args(["config", "--explain"]).output();
    assert!(stdout(&run.unwrap()).contains("dir = \"/c/reelcache\"  # default\n"), "what is reported is what runs");
    let of_file = explain(file, &[], &[]);
    assert!(of_file.contains("ttl = \"2h\"  # file c.toml\n") && of_file.contains("drain = \"3s\"  # file c.toml\n"));
    assert!(explain(file, &variable, &[]).contains("ttl = \"1h\"  # variable CACHE_TTL\n"));
    assert!(explain(file, &variable, &["--ttl", "90s"]).contains("ttl = \"1m30s\"  # flag --ttl\n"));
}

#[test]
fn the_file_of_the_user_is_found_and_one_that_is_named_goes_before_it() {
    let home = Home::new();
    fs::create_dir_all(home.path("config/reelcache")).unwrap();
    fs::write(home.path("config/reelcache/config.toml"), "[cache]\nmax_entries = 7\n").unwrap();
    assert!(shown(&home, None, &[], &[]).contains("max_entries = 7\n"));
    fs::write(home.path("other.toml"), "[cache]\nmax_entries = 8\n").unwrap();
    let named = [("REELCACHE_CONFIG", "other.toml")];
    assert!(shown(&home, None, &named, &[]).contains("max_entries = 8\n"));
    assert!(shown(&home, Some("[cache]\nmax_entries = 9\n"), &named, &[]).contains("max_entries = 9\n"));
    let missing = home.reelcache().args(["--config", "nowhere.toml", "config"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("nowhere.toml"), "{}", stderr(&missing));
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let home = Home::new();
    let variables = [("CACHE_MAX_DISK_MB", "5000"), ("CACHE_TTL", "off"), ("CACHE_BACKEND", "sqlite")];
    let printed = shown(&home, None, &variables, &[]);
    assert!(printed.contains("disk = \"5GB\"\n") && printed.contains("ttl = \"off\"\n"), "{printed}");
    assert_eq!(shown(&home, Some(&printed), &[], &[]), printed);
    let json: serde_json::Value = serde_json::from_str(&shown(&home, None, &variables, &["--json"])).unwrap();
    assert_eq!(json["cache"]["tiers"]["value"], serde_json::json!(["sqlite"]));
    assert_eq!(json["cache"]["tiers"]["origin"], "variable CACHE_BACKEND");
}

#[test]
fn no_secret_is_ever_printed() {
    let home = Home::new();
    fs::write(home.path("token"), "hush-hush-hush-hush\n").unwrap();
    let file = "[serve]\nadmin_token_file = 'token'\n[cache]\ns3 = 's3://bucket?secret_access_key=hush'\n\
                [providers.tube]\nkind = 'peertube'\nbase_url = 'https://t.example'\naccounts = { a = { token = 'hush' } }";
    let variables = [("CACHE_REDIS_URL", "redis://me:hush@host/2"), ("REELCACHE_READ_TOKEN", "hush-hush-hush-hush")];
    for form in [&[][..], &["--explain"], &["--json"]] {
        let printed = shown(&home, Some(file), &variables, form);
        assert!(printed.contains("***") && printed.contains("redis://host/2"), "{printed}");
        assert!(!printed.contains("hush") && printed.contains("tube"), "{printed}");
    }
}

#[test]
fn what_is_not_known_is_an_error_with_a_suggestion() {
    assert!(
        refused("[cache]\nmax_entires = 3", &[])
            .contains("cache.max_entires in c.toml is unknown: did you mean cache.max_entries?")
    );
    assert!(refused("[sevre]\nlisten = 3", &[]).contains("did you mean serve?"));
    assert!(
        refused("", &[("CACHE_MAX_SZIE", "3")]).contains("CACHE_MAX_SZIE is unknown: did you mean CACHE_MAX_SIZE?")
    );
    let flag = Home::new().reelcache().args(["config", "--max-entires", "3"]).output().unwrap();
    assert_eq!(flag.status.code(), Some(2));
    assert!(stderr(&flag).contains("--max-entries"), "{}", stderr(&flag));
}

#[test]
fn every_wrong_setting_is_told_by_name_with_what_to_write() {
    for (variable, value, told) in [
        ("CACHE_BACKEND", "disk", "memory, file, sqlite, redis, s3"),
        ("CACHE_TIERS", "memory,memory", "twice"),
        ("CACHE_TTL", "soon", "90s, 6h, 1h30m"),
        ("CACHE_MAX_SIZE", "many", "not a whole number"),
        ("CACHE_MAX_DISK_MB", "-5", "512MiB or 10GiB"),
        ("CACHE_MEMORY", "1.5GiB", "512MiB or 10GiB"),
        ("CACHE_CLEANUP_INTERVAL", "2d", "at most 1d"),
        ("CACHE_PERSISTENT", "yes", "neither true nor false"),
        ("CACHE_POLICY", "mru", "lru"),
        ("CACHE_REACH", "all", "neither public nor anywhere"),
        ("CACHE_REACH_PORTS", "http", "80,443,8000-8999"),
        ("REELCACHE_LISTEN", "here", "127.0.0.1:7878"),
        ("REELCACHE_HOSTS", "a b", "not the name of a host"),
        ("REELCACHE_ADMIN_TOKEN", "short", "openssl rand"),
        ("REELCACHE_ADMIN_TOKEN_FILE", "nowhere", "nowhere"),
        ("REELCACHE_MAX_HEAD", "100", "at least 8KiB"),
        ("REELCACHE_MAX_CONNECTIONS", "0", "at least 1"),
    ] {
        let error = refused("", &[(variable, value)]);
        let named = error.contains(variable) || error.contains(".cleanup_interval") || error.contains("serve.max");
        assert!(named && error.contains(told), "{variable}: {error}");
    }
    let error = refused("[cache]\nttl = 3\nredis = 'redis://:hush@h'\noops", &[]);
    assert!(error.contains("c.toml: line 4 is no TOML") && !error.contains("hush"), "{error}");
    assert!(refused("[serve]\nlisten = '0.0.0.0:80'", &[]).contains("needs an admin token"));
}

#[test]
fn a_reader_that_is_gone_is_no_error() {
    let home = Home::new();
    let mut child = home.reelcache().arg("config").stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
