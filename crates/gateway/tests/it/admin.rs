//! The server as programs ask it: who may, how much at a time, and what a wrong question is told.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::origin::Origin;
use super::support::{Home, Server, end_of, stderr, stdout};

const ADMIN: &str = "admin-admin-admin-admin";
const READER: &str = "reader-reader-reader";

/// Sends a request with these further lines of its head; status and body.
fn ask(server: &Server, method: &str, target: &str, lines: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    let host = if lines.contains("Host:") { "" } else { "Host: localhost\r\n" };
    let length = body.len();
    let head =
        format!("{method} {target} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).expect("a request");
    // A server that refuses by the head alone may have left.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

fn status(server: &Server, method: &str, target: &str, lines: &str) -> u16 {
    ask(server, method, target, lines, "").0
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn json(server: &Server, target: &str) -> Value {
    serde_json::from_str(&ask(server, "GET", target, "", "").1).expect("JSON")
}

#[test]
fn tokens_separate_readers_from_administrators() {
    let home = Home::new();
    let server =
        Server::start_with_variables(&home, &[("REELCACHE_ADMIN_TOKEN", ADMIN), ("REELCACHE_READ_TOKEN", READER)]);
    let (reader, admin) = (bearer(READER), bearer(ADMIN));
    for (method, target) in [("GET", "/api/entries"), ("GET", "/api/cache-config"), ("GET", "/api/cache-stats")] {
        assert_eq!(status(&server, method, target, ""), 401, "{target}");
        assert_eq!(status(&server, method, target, &bearer("guessed-guessed-guessed")), 401);
        assert_eq!(status(&server, method, target, &reader), 200);
        assert_eq!(status(&server, method, target, &admin), 200);
    }
    for (method, target) in [("POST", "/api/sweep"), ("DELETE", "/api/entries?pattern=*"), ("POST", "/api/verify")] {
        assert_eq!(status(&server, method, target, ""), 401, "{target}");
        assert_eq!(status(&server, method, target, &reader), 403);
        assert_eq!(status(&server, method, target, &admin), 200);
    }
    assert_eq!(status(&server, "GET", "/health", ""), 200);
}

#[test]
fn commands_find_the_server_by_a_file_that_only_this_user_reads() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("REELCACHE_ADMIN_TOKEN", ADMIN)]);
    let file = home.path("cache/server.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let told = std::fs::read_to_string(&file).unwrap();
    assert!(!told.contains(ADMIN), "the token stays where it is");
    // Without the token: by the key of the file.
    let run = home.reelcache().arg("sweep").output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    server.stop("-TERM");
    assert!(!file.exists());
}

#[test]
fn a_file_of_a_server_that_is_gone_is_passed_by() {
    let home = Home::new();
    let server = Server::start(&home);
    let told = std::fs::read_to_string(home.path("cache/server.json")).unwrap();
    drop(server);
    assert!(home.path("cache/server.json").exists(), "killed, it could not tidy up");
    assert!(home.reelcache().arg("ls").output().unwrap().status.success());
    // Another server has its port by now.
    let other = Home::new();
    let server = Server::start(&other);
    let old: Value = serde_json::from_str(&told).unwrap();
    let moved = told.replace(old["address"].as_str().unwrap(), &server.address.to_string());
    std::fs::write(home.path("cache/server.json"), moved).unwrap();
    let run = home.reelcache().args(["doctor"]).output().unwrap();
    assert!(stdout(&run).contains("tier file: answers"), "the directory itself is used: {}", stdout(&run));
}

#[test]
fn a_server_that_is_named_is_asked_with_the_token_of_the_configuration() {
    let (home, elsewhere) = (Home::new(), Home::new());
    let server = Server::start_with_variables(&home, &[("REELCACHE_ADMIN_TOKEN", ADMIN)]);
    let url = format!("http://{}", server.address);
    let run = |token: Option<&str>| {
        let mut command = elsewhere.reelcache();
        command.args(["stats", "--server", &url]).envs(token.map(|token| ("REELCACHE_ADMIN_TOKEN", token)));
        command.output().unwrap()
    };
    assert!(run(Some(ADMIN)).status.success());
    let refused = run(None);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(told.contains("needs a token") && told.contains("REELCACHE_ADMIN_TOKEN_FILE"), "{told}");
    for (wrong, code) in [("https://h", 2), ("127.0.0.1:80", 2), ("http://u:p@h", 2), ("http://127.0.0.1:1", 1)] {
        let run = elsewhere.reelcache().args(["ls", "--server", wrong]).output().unwrap();
        assert_eq!(run.status.code(), Some(code), "{wrong}: {}", stderr(&run));
    }
}

#[test]
fn trust_28_a_page_of_another_origin_changes_nothing() {
    let home = Home::new();
    let server = Server::start(&home);
    for lines in ["Sec-Fetch-Site: cross-site\r\n", "Origin: https://films.example\r\n", "Origin: null\r\n"] {
        assert_eq!(status(&server, "DELETE", "/api/entries?pattern=*", lines), 403, "{lines}");
        assert_eq!(status(&server, "POST", "/api/cache-config", lines), 403, "{lines}");
    }
    assert_eq!(status(&server, "DELETE", "/api/entries?pattern=*", "Host: films.example\r\n"), 421);
    assert_eq!(status(&server, "DELETE", "/api/entries?pattern=*", ""), 200);
    // What changes something is never asked for with GET.
    assert_eq!(status(&server, "GET", "/api/sweep", ""), 405);
}

#[test]
fn other_machines_need_a_token_for_everything_but_health() {
    let home = Home::new();
    let mut command = home.reelcache();
    command.args(["serve", "--listen", "0.0.0.0:0", "--hosts", "films.example"]).env("REELCACHE_ADMIN_TOKEN", ADMIN);
    let server = Server::start_command(&mut command);
    assert_eq!(status(&server, "GET", "/health", ""), 200);
    // A page asks for the token, and holds nothing itself.
    assert_eq!(status(&server, "GET", "/", ""), 200);
    for target in ["/plain", "/play?url=http://1.1.1.1/", "/api/caches", "/api/entries"] {
        assert_eq!(status(&server, "GET", target, ""), 401, "{target}");
    }
    let named = format!("{}Host: films.example\r\n", bearer(ADMIN));
    assert_eq!(status(&server, "GET", "/", &named), 200);
    assert_eq!(status(&server, "GET", "/", &format!("{}Host: other.example\r\n", bearer(ADMIN))), 421);
}

#[test]
fn who_comes_through_a_proxy_on_this_machine_needs_a_token_as_other_machines_do() {
    let home = Home::new();
    // Many proxies ask under the name of the address that they connect to.
    for (flag, value, host) in
        [("--hosts", "films.example", "films.example"), ("--public-url", "https://films.example", "127.0.0.1")]
    {
        let serve = || {
            let mut command = home.reelcache();
            command.args(["serve", "--listen", "127.0.0.1:0", flag, value]);
            command
        };
        let mut refused = serve().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (ended, mut told) = (end_of(&mut refused), String::new());
        refused.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!((ended.code(), told.contains("serve.hosts or serve.public_url")), (Some(2), true), "{told}");
        let server = Server::start_command(serve().env("REELCACHE_ADMIN_TOKEN", ADMIN));
        let named = format!("Host: {host}\r\n");
        for target in ["/play?url=http://1.1.1.1/", "/search?query=a", "/get-videos?url=a", "/providers", "/plain"] {
            assert_eq!(status(&server, "GET", target, &named), 401, "{flag}: {target}");
        }
        assert_eq!(status(&server, "GET", "/providers", &format!("{}{named}", bearer(ADMIN))), 200);
    }
}

#[test]
fn figures_need_the_token_wherever_they_are_shown() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("REELCACHE_READ_TOKEN", READER)]);
    for target in ["/plain", "/metrics", "/api/cache-stats", "/api/caches", "/api/events"] {
        assert_eq!(status(&server, "GET", target, ""), 401, "{target}");
    }
    assert_eq!(status(&server, "GET", "/plain", &bearer(READER)), 200);
    // Of this machine alone, who plays and searches needs none.
    assert_eq!(status(&server, "GET", "/providers", ""), 200);
}

#[test]
fn pages_are_bounded_and_follow_each_other() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 100_000]));
    let server = Server::start_reaching_anywhere(&home);
    for name in 0..3 {
        assert_eq!(server.play(&film.url(&format!("/{name}.mp4"))), 200);
    }
    let end = Instant::now() + Duration::from_secs(20);
    while server.entries()[1] < 6 {
        assert!(Instant::now() < end);
    }
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let page = json(&server, &format!("/api/entries?prefix=play&limit=4&after={}", after.replace('%', "%25")));
        let entries = page["entries"].as_array().unwrap();
        assert!(entries.len() <= 4);
        seen.extend(entries.iter().map(|entry| entry["key"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted_by(|a, b| a < b));
}

#[test]
fn wrong_questions_are_told_what_is_wrong() {
    let home = Home::new();
    let server = Server::start(&home);
    let long = format!("/api/entries?pattern={}", "a".repeat(2000));
    for (method, target, expected) in [
        ("GET", "/api/entries?prefix=a%25b", 400),
        ("GET", "/api/entries?limit=many", 400),
        ("GET", "/api/entries?prefxi=a", 400),
        ("GET", "/api/entry", 400),
        ("GET", "/api/entry?key=nothing", 404),
        ("GET", "/api/explain?key=", 400),
        ("DELETE", "/api/entries", 400),
        ("DELETE", "/api/entries?pattern=50%25", 400),
        ("DELETE", &*long, 400),
        ("DELETE", "/api/entries?pattern=*&dry_run=perhaps", 400),
        ("POST", "/api/verify?tier=-1", 400),
    ] {
        let (status, body) = ask(&server, method, target, "", "");
        assert_eq!(status, expected, "{target}: {body}");
        assert!(serde_json::from_str::<Value>(&body).is_ok_and(|body| body["detail"].is_string()), "{target}: {body}");
    }
}

#[test]
fn the_fields_of_the_documents_are_there_and_no_secret_is() {
    let home = Home::new();
    let variables = [
        ("CACHE_MAX_DISK_MB", "5000"),
        ("CACHE_MAX_SIZE", "1000"),
        ("CACHE_CLEANUP_INTERVAL", "300"),
        ("CACHE_REDIS_URL", "redis://:hush@127.0.0.1:1"),
    ];
    let server = Server::start_with_variables(&home, &variables);
    for target in ["/api/cache-config", "/api/cache-stats"] {
        let told = json(&server, target);
        assert_eq!((&told["backend"], &told["size"]), (&"memory,file".into(), &0.into()), "{told}");
        assert_eq!((&told["maxSize"], &told["maxDiskUsage"]), (&1000.into(), &5000.0.into()));
        assert_eq!((&told["cleanupInterval"], &told["diskUsagePercent"]), (&300.into(), &"0.00".into()));
        assert_eq!(told["scalingInfo"]["supportsPersistence"], true);
        assert!(!told.to_string().contains("hush"));
    }
    let config = json(&server, "/api/cache-config")["config"].clone();
    assert_eq!(config["cache"]["disk"]["value"], "5GB");
    assert_eq!(config["cache"]["disk"]["origin"], "variable CACHE_MAX_DISK_MB");
}

#[test]
fn force_cleanup_empties_the_cache_and_says_what_became_free() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    assert!(home.process(&clip).status.success());
    let server = Server::start(&home);
    let typed = "Content-Type: application/json\r\n";
    let nothing = ask(&server, "POST", "/api/cache-config", typed, "{}");
    assert!(nothing.0 == 200 && nothing.1.contains("No action specified"), "{nothing:?}");
    let (status, body) = ask(&server, "POST", "/api/cache-config", typed, "{\"forceCleanup\": true}");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &told["cleanedCount"], &told["finalSize"]), (200, &6.into(), &0.into()), "{told}");
    assert!(told["freedSpaceMB"].as_f64() > Some(0.004), "{told}");
    assert_eq!(json(&server, "/api/entries")["entries"], serde_json::json!([]));
    assert_eq!(ask(&server, "POST", "/api/cache-config", typed, "{\"force\": 1}").0, 422);
}

#[test]
fn limits_of_requests_are_those_of_the_configuration() {
    let home = Home::new();
    let limits = [("REELCACHE_MAX_HEAD", "8KiB"), ("REELCACHE_MAX_BODY", "100")];
    let server = Server::start_with_variables(&home, &limits);
    let typed = "Content-Type: application/json\r\n";
    let long = format!("{{\"forceCleanup\": {}false}}", " ".repeat(200));
    assert_eq!(ask(&server, "POST", "/api/cache-config", typed, &long).0, 413);
    // A connection that is closed with something unread may take the answer with it.
    let long = status(&server, "GET", "/health", &format!("X-Long: {}\r\n", "a".repeat(9000)));
    assert!(matches!(long, 431 | 0), "{long}");
}

#[test]
fn a_head_that_does_not_arrive_is_not_waited_for() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("REELCACHE_HEAD_TIMEOUT", "200ms")]);
    let mut half = TcpStream::connect(server.address).unwrap();
    half.set_read_timeout(Some(Duration::from_secs(9))).unwrap();
    half.write_all(b"GET /health HTTP/1.1\r\n").unwrap();
    assert!(half.read_to_end(&mut Vec::new()).is_ok(), "it is closed long before the ten seconds of the default");
}

#[test]
fn a_body_that_does_not_arrive_is_not_waited_for_and_takes_no_turn() {
    let home = Home::new();
    let limits = [("REELCACHE_MAX_ADMIN_REQUESTS", "1"), ("REELCACHE_HEAD_TIMEOUT", "1s")];
    let server = Server::start_with_variables(&home, &limits);
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.write_all(b"POST /api/cache-config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n").unwrap();
    assert_eq!(status(&server, "GET", "/api/cache-config", ""), 200);
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[test]
fn administration_beyond_the_most_at_once_is_told_to_come_later() {
    let home = Home::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let page = format!("http://{}/details/a-film", silent.local_addr().unwrap());
    let file = "[providers.films]\nkind = 'internet-archive'\nbase_url = 'http://ADDRESS'\n";
    std::fs::write(home.path("c.toml"), file.replace("ADDRESS", &silent.local_addr().unwrap().to_string())).unwrap();
    let limits = [("REELCACHE_MAX_ADMIN_REQUESTS", "1"), ("REELCACHE_CONFIG", "c.toml")];
    let server = Server::start_with_variables(&home, &limits);
    let mut waiting = TcpStream::connect(server.address).unwrap();
    let body = format!("{{\"addresses\": [\"{page}\"]}}");
    let length = body.len();
    let typed = "Host: localhost\r\nContent-Type: application/json\r\n";
    let request = format!("POST /api/warm HTTP/1.1\r\n{typed}Content-Length: {length}\r\n\r\n{body}");
    waiting.write_all(request.as_bytes()).unwrap();
    // It has its turn when it asks the provider.
    let _asked = silent.accept().unwrap();
    assert_eq!(status(&server, "GET", "/api/cache-stats", ""), 429);
    assert_eq!(status(&server, "GET", "/health", ""), 200);
}

#[test]
fn trust_10_a_player_that_does_not_read_is_left_when_the_configuration_says() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 40_000_000]));
    let server = Server::start_with_variables(&home, &[("REELCACHE_STALL_TIMEOUT", "500ms")]);
    let mut player = TcpStream::connect(server.address).unwrap();
    let url = film.url("/a.mp4");
    write!(player, "GET /play?url={url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    player.read_exact(&mut [0; 12]).unwrap();
    let stalled = Instant::now();
    while stalled.elapsed() < Duration::from_secs(3) {
        server.ask("/health", "localhost");
    }
    let mut rest = Vec::new();
    let _ = player.read_to_end(&mut rest);
    assert!(rest.len() < 40_000_000, "all of it was sent");
}

#[test]
fn trust_10_connections_beyond_the_most_wait_for_their_turn() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("REELCACHE_MAX_CONNECTIONS", "1")]);
    let mut first = TcpStream::connect(server.address).unwrap();
    first.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    first.read_exact(&mut [0; 12]).unwrap();
    let mut second = TcpStream::connect(server.address).unwrap();
    second.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(second.read(&mut [0; 12]).is_err(), "the first has the only turn");
    drop(first);
    second.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn the_drain_ends_when_the_configuration_says() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("REELCACHE_DRAIN", "0"), ("REELCACHE_HEAD_TIMEOUT", "60s")]);
    let mut half = TcpStream::connect(server.address).unwrap();
    half.write_all(b"GET /health HTTP/1.1\r\n").unwrap();
    server.ask("/health", "localhost");
    let begun = Instant::now();
    assert_eq!(server.stop("-TERM").0, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}
