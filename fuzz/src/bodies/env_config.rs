//! Configuration: what is printed of it reads as the same, and neither that nor an error shows a secret.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::LazyLock;

use gateway::effective_configuration;

use crate::Verdict;

/// Variables whose values are shown by nothing.
const SECRETS: [&str; 5] = [
    "CACHE_SIGNING_KEY",
    "REELCACHE_ADMIN_TOKEN",
    "REELCACHE_DESCRIBER_KEY",
    "REELCACHE_EMBEDDER_KEY",
    "REELCACHE_READ_TOKEN",
];
/// Shorter texts may stand anywhere.
const SHORTEST_SECRET: usize = 16;

type Variables = Vec<(OsString, OsString)>;

/// Lines `NAME=VALUE`, a line `---`, and the file.
pub(super) fn body(input: &[u8]) -> Verdict {
    let (lines, file) = split(input);
    let Ok(file) = std::str::from_utf8(file) else { return Verdict::Refused };
    let mut variables: Variables = home();
    variables.extend(lines.split(|&byte| byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|&byte| byte == b'=')?;
        Some((OsString::from_vec(line[..at].to_vec()), OsString::from_vec(line[at + 1..].to_vec())))
    }));
    // A path to something that never ends a read is nothing that a stranger can set.
    if variables.iter().any(|(name, _)| name.to_string_lossy().contains("FILE")) || file.contains("_file") {
        return Verdict::Refused;
    }
    let effective = effective_configuration(file, variables.clone());
    let shown = effective.as_ref().map_or_else(ToString::to_string, Clone::clone);
    for secret in secrets(&variables, input) {
        assert!(!shown.contains(&secret), "{secret:?} is shown: {shown}");
    }
    if let Ok(printed) = &effective
        && !printed.contains("***")
    {
        let again = effective_configuration(printed, home()).expect("what is printed is read");
        assert_eq!(settings(&again), settings(printed));
    }
    effective.is_ok().into()
}

fn split(input: &[u8]) -> (&[u8], &[u8]) {
    const MARK: &[u8] = b"---\n";
    let at = input.windows(MARK.len()).position(|part| part == MARK);
    at.map_or((input, &[]), |at| (&input[..at], &input[at + MARK.len()..]))
}

fn home() -> Variables {
    vec![("HOME".into(), "/home/nobody".into())]
}

/// The values of variables that are secret, where nothing else has the same text.
fn secrets(variables: &Variables, input: &[u8]) -> Vec<String> {
    static DEFAULTS: LazyLock<String> = LazyLock::new(|| effective_configuration("", home()).expect("the defaults"));
    let input = String::from_utf8_lossy(input);
    let is_secret = |name: &OsString| SECRETS.iter().any(|secret| name == secret);
    let values = variables.iter().filter(|(name, _)| is_secret(name)).filter_map(|(_, value)| value.to_str());
    let values = values.filter(|value| value.len() >= SHORTEST_SECRET && input.matches(*value).count() == 1);
    values.filter(|value| !DEFAULTS.contains(*value)).map(str::to_owned).collect()
}

/// What is printed but for providers, of which nothing but the name is shown.
fn settings(printed: &str) -> Vec<&str> {
    printed.lines().filter(|line| !line.starts_with("# [providers.") && !line.is_empty()).collect()
}
