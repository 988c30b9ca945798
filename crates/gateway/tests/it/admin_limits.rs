//! Limits of administration: how often somebody may be wrong, and how long things are kept from now on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::origin::Origin;
use super::support::{Home, Server};
use super::web::{get, post, send};

const ADMIN: &str = "admin-admin-admin-admin";
const HOUR: u64 = 3_600_000;

#[test]
fn trust_29_who_has_no_token_is_told_so_a_few_times_and_then_to_wait_and_who_has_one_is_not_kept_out() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("REELCACHE_ADMIN_TOKEN", ADMIN)]);
    let ask = |token: &str| send(&server, &format!("GET /api/jobs\r\nAuthorization: Bearer {token}"), "");
    let begun = Instant::now();
    let refused: Vec<_> = (0..20).map(|n| ask(&format!("guessed-guessed-{n:03}"))).collect();
    let told = refused.iter().filter(|answer| answer.status == 401).count();
    // One more for each six seconds that the test has taken.
    assert!((10..=10 + begun.elapsed().as_secs() as usize / 6).contains(&told), "{told}");
    let last = refused.last().unwrap();
    assert_eq!((last.status, last.header("retry-after")), (429, Some("6")));
    assert_eq!(ask(ADMIN).status, 200);
    assert_eq!(get(&server, "/health").status, 200);
}

#[test]
fn row_5_the_lifetime_is_changed_while_it_runs_and_is_the_configured_one_after_a_restart() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 50_000]));
    let start = || Server::start_with_variables(&home, &[("CACHE_TTL", "10d")]);
    let server = start();
    assert_eq!(server.play(&film.url("/before.mp4")), 200);
    assert_eq!(longest(&server), 240 * HOUR);
    let config = |server: &Server| get(server, "/api/cache-config").json()["ttl"].clone();
    assert_eq!(config(&server), json!({ "seconds": 864_000.0, "changed": false }));

    let told = post(&server, "/api/cache-config", &json!({ "ttl": "1h" }));
    assert!(
        told.status == 200 && told.json()["message"].as_str().unwrap().contains("until the server ends"),
        "{told:?}"
    );
    assert_eq!(config(&server), json!({ "seconds": 3_600.0, "changed": true }));
    assert_eq!(post(&server, "/api/cache-config", &json!({ "forceCleanup": true })).status, 200);
    assert_eq!(server.play(&film.url("/after.mp4")), 200);
    assert_eq!(longest(&server), HOUR);
    assert_eq!(post(&server, "/api/cache-config", &json!({ "ttl": 60 })).json()["ttl"]["seconds"], 60.0);
    assert_eq!(post(&server, "/api/cache-config", &json!({ "ttl": "off" })).json()["ttl"]["seconds"], Value::Null);
    for wrong in [json!("soon"), json!(-1), json!([1]), json!("")] {
        assert_eq!(post(&server, "/api/cache-config", &json!({ "ttl": wrong })).status, 400, "{wrong}");
    }
    assert_eq!(config(&server)["seconds"], Value::Null, "what is wrong changes nothing");
    server.stop("-TERM");
    assert_eq!(config(&start())["changed"], false);
}

/// The longest that an entry is kept, in milliseconds, as soon as there are entries.
fn longest(server: &Server) -> u64 {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let entries = get(server, "/api/entries?prefix=play").json()["entries"].as_array().expect("entries").clone();
        let span = |entry: &Value| Some(entry["expires_ms"].as_u64()? - entry["created_ms"].as_u64()?);
        // The manifest and the one segment.
        if entries.len() == 2 {
            return entries.iter().filter_map(span).max().expect("an end");
        }
        assert!(Instant::now() < end, "{entries:?}");
    }
}

#[test]
fn trust_26_without_a_token_only_this_machine_is_listened_to_and_an_empty_or_short_one_is_none() {
    let home = Home::new();
    for token in [None, Some(""), Some("short")] {
        let mut command = home.reelcache();
        command.args(["serve", "--listen", "0.0.0.0:0"]).envs(token.map(|token| ("REELCACHE_ADMIN_TOKEN", token)));
        let run = command.output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{token:?}: {}", String::from_utf8_lossy(&run.stderr));
    }
    // An empty bearer token is no token that is known, with one configured and without.
    for variables in [&[("REELCACHE_ADMIN_TOKEN", ADMIN)][..], &[]] {
        let server = Server::start_with_variables(&home, variables);
        assert_eq!(send(&server, "POST /api/sweep\r\nAuthorization: Bearer ", "").status, 401);
    }
}
