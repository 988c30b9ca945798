//! Commands that look at the cache and tend it: what they print and how they end, on the directory and through a server.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::origin::Origin;
use super::support::{Home, Server, ends_at_a_signal_while_unread, origin, stderr, stdout};

/// What the artifacts of a clip take: a program that made them, a probe, a part, its one frame, what is known, and what the file was seen
/// to be.
const ENTRIES: usize = 6;

/// A cache with the artifacts of a clip.
fn filled() -> Home {
    // Made once: a clip costs more than all that is done with it.
    static CLIP: OnceLock<Vec<u8>> = OnceLock::new();
    let home = Home::new();
    let clip = home.path("clip.mp4");
    let made = CLIP.get_or_init(|| fs::read(Home::new().clip("clip.mp4", 1)).expect("a clip"));
    fs::write(&clip, made).expect("a clip");
    let run = home.process(&clip);
    assert!(run.status.success(), "{}", stderr(&run));
    home
}

fn run(home: &Home, words: &[&str]) -> Output {
    home.reelcache().args(words).output().expect("the binary runs")
}

#[track_caller]
fn done(home: &Home, words: &[&str]) -> String {
    let run = run(home, words);
    assert_eq!(run.status.code(), Some(0), "{words:?}: {}{}", stdout(&run), stderr(&run));
    stdout(&run)
}

#[track_caller]
fn lines(home: &Home, words: &[&str]) -> Vec<Value> {
    done(home, words).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn keys(home: &Home, words: &[&str]) -> Vec<String> {
    lines(home, words).iter().map(|entry| entry["key"].as_str().expect("a key").to_owned()).collect()
}

/// Runs `test` on a cache that no process has open, and on the same through the server that does.
fn both_ways(test: impl Fn(&Home)) {
    both_ways_with(None, test);
}

/// The same with this file of the user's.
fn both_ways_with(file: Option<&str>, test: impl Fn(&Home)) {
    let filled = || {
        let home = filled();
        if let Some(text) = file {
            fs::create_dir_all(home.path("config/reelcache")).expect("a directory");
            fs::write(home.path("config/reelcache/config.toml"), text).expect("a file");
        }
        home
    };
    let home = filled();
    test(&home);
    let home = filled();
    let server = Server::start(&home);
    test(&home);
    drop(server);
}

#[test]
fn ls_lists_in_order_by_prefix_and_up_to_a_limit() {
    both_ways(|home| {
        let all = keys(home, &["ls", "--json"]);
        assert_eq!(all.len(), ENTRIES, "{all:?}");
        assert!(all.is_sorted());
        assert_eq!(keys(home, &["ls", "--json", "--limit", "2"]), all[..2]);
        let part = &all[2];
        assert_eq!(keys(home, &["ls", "--json", part]), [part.clone(), format!("{part}:0")]);
        assert_eq!(keys(home, &["ls", "--json", &format!("{part}:")]), keys(home, &["ls", "--json", part]));
        assert!(keys(home, &["ls", "--json", "video:nothing"]).is_empty());
        let table = done(home, &["ls"]);
        assert!(table.starts_with("state") && table.contains("image/jpeg") && table.contains(&all[2]), "{table}");
    });
}

#[test]
fn get_writes_the_body_and_nothing_else() {
    both_ways(|home| {
        let frame = keys(home, &["ls", "--json"]).into_iter().find(|key| key.ends_with(":0:0")).unwrap();
        let body = run(home, &["get", &frame]);
        assert!(body.status.success() && body.stdout.starts_with(&[0xFF, 0xD8]), "{}", stderr(&body));
        let told = &lines(home, &["get", "--json", &frame])[0];
        assert_eq!(told["bytes"], body.stdout.len());
        assert_eq!((&told["entry"]["content_type"], &told["entry"]["key"]), (&"image/jpeg".into(), &frame.into()));
        let absent = run(home, &["get", "video:nothing"]);
        assert_eq!((absent.status.code(), absent.stdout.len()), (Some(6), 0));
        assert!(stderr(&absent).contains("video:nothing"));
        assert_eq!(run(home, &["get", "no%key"]).status.code(), Some(2));
    });
}

#[test]
fn explain_says_what_each_tier_has() {
    both_ways(|home| {
        let key = &keys(home, &["ls", "--json", "--limit", "1"])[0];
        let told = &lines(home, &["explain", "--json", key])[0];
        assert_eq!(told["served"]["state"], "fresh");
        let tiers: Vec<_> = told["tiers"].as_array().unwrap().iter().map(|tier| &tier["tier"]).collect();
        assert_eq!(tiers, ["memory", "file"]);
        assert!(told["tiers"][0]["entry"].is_null() && told["tiers"][1]["entry"]["expires_ms"].is_u64(), "{told}");
        assert!(done(home, &["explain", key]).contains("absent"));
        let absent = run(home, &["explain", "video:nothing"]);
        assert_eq!(absent.status.code(), Some(6));
        assert!(stdout(&absent).contains("a read is a miss"), "{}", stdout(&absent));
    });
}

#[test]
fn clear_counts_first_and_removes_exactly_what_matches() {
    both_ways(|home| {
        let removed = |words: &[&str]| lines(home, &[&["clear", "--json"], words].concat())[0].clone();
        assert_eq!(removed(&["*:0:0", "--dry-run"])["entries"], 1);
        assert_eq!(keys(home, &["ls", "--json"]).len(), ENTRIES, "a dry run removes nothing");
        assert_eq!(removed(&["*:0:0"])["tiers"][1]["entries"], 1);
        assert_eq!(keys(home, &["ls", "--json"]).len(), ENTRIES - 1);
        assert_eq!(removed(&["nothing:*"])["entries"], 0);
        assert!(done(home, &["clear", "*"]).contains("file: removed 5\n"));
        assert!(keys(home, &["ls", "--json"]).is_empty());
        let wrong = run(home, &["clear", "50%"]);
        assert_eq!(wrong.status.code(), Some(2));
        assert!(stderr(&wrong).contains("can match no key"), "{}", stderr(&wrong));
    });
}

#[test]
fn what_was_cleared_through_a_server_stays_away_after_it() {
    let home = filled();
    let server = Server::start(&home);
    done(&home, &["clear", "*"]);
    server.stop("-TERM");
    assert!(keys(&home, &["ls", "--json"]).is_empty());
    assert_eq!(origin(&home.process(&home.path("clip.mp4")), "keyframes", 0), "loaded");
}

#[test]
fn sweep_drops_what_has_expired() {
    for through_server in [false, true] {
        let (home, film) = (Home::new(), Origin::of(vec![7; 100_000]));
        let short = [("CACHE_TTL", "1"), ("CACHE_CLEANUP_INTERVAL", "off")];
        let server = Server::start_with_variables(&home, &short);
        assert_eq!(server.play(&film.url("/a.mp4")), 200);
        let server = if through_server {
            Some(server)
        } else {
            server.stop("-TERM");
            None
        };
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let mut dropped = 0;
        while dropped < 2 {
            assert!(std::time::Instant::now() < end, "{dropped} entries were dropped");
            dropped += lines(&home, &["sweep", "--json"])[0]["expired"].as_u64().unwrap();
            // An opening drops what has expired by itself.
            if !through_server && keys(&home, &["ls", "--json"]).is_empty() {
                break;
            }
        }
        assert!(done(&home, &["sweep"]).contains("dropped 0 expired entries"));
        drop(server);
    }
}

#[test]
fn verify_finds_what_is_damaged_and_puts_it_again() {
    let home = filled();
    assert!(done(&home, &["verify"]).contains("read 6 entries"));
    let clean = lines(&home, &["verify", "--json"]);
    assert_eq!((clean.len(), &clean[0]["damaged"]), (1, &0.into()));

    damage_a_volume(&home);
    let found = run(&home, &["verify"]);
    assert_eq!(found.status.code(), Some(1), "{}", stdout(&found));
    assert!(stdout(&found).contains("file: damaged, dropped: video:"), "{}", stdout(&found));
    assert!(done(&home, &["verify"]).contains("0 damaged"));
}

#[test]
fn verify_repairs_from_a_tier_that_has_it_whole() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let url = format!("file://{}", home.path("objects").display());
    let tiers = ["--tiers", "file,s3", "--s3", &url];
    assert!(home.reelcache().args(tiers).arg("process").arg(&clip).output().unwrap().status.success());
    damage_a_volume(&home);
    let repaired = run(&home, &[&["verify", "--repair"], &tiers[..]].concat());
    assert_eq!(repaired.status.code(), Some(0), "{}{}", stdout(&repaired), stderr(&repaired));
    assert!(stdout(&repaired).contains("file: damaged, put again: video:"), "{}", stdout(&repaired));
    let exported = home.reelcache().args(["process", "--out", "out"]).arg(&clip).output().unwrap();
    assert_eq!(origin(&exported, "frames", 0), "file");
}

/// Flips a byte in the middle of what a volume holds.
fn damage_a_volume(home: &Home) {
    let volumes = fs::read_dir(home.path("cache/volumes")).expect("volumes").map(|entry| entry.expect("a file").path());
    let volume = volumes.filter(|path| path.extension().is_some_and(|end| end == "vol")).min().expect("a volume");
    let mut bytes = fs::read(&volume).expect("a volume");
    let start = bytes.windows(3).position(|window| window == [0xFF, 0xD8, 0xFF]).expect("a JPEG");
    bytes[start + 100] ^= 1;
    fs::write(&volume, bytes).expect("a volume");
}

#[test]
fn warm_looks_links_up_and_the_next_time_they_are_there() {
    let item = "{\"metadata\": {\"title\": \"A film\"}, \"files\": [{\"name\": \"a.mp4\", \"format\": \"h.264\"}]}";
    let answer =
        format!("HTTP/1.1 200 x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{item}", item.len());
    let (port, _heads) = super::origin::saying(answer);
    let file = format!(
        "[serve]\nreach = 'anywhere'\nreach_ports = '1-65535'\n[providers.films]\nkind = 'internet-archive'\nbase_url = 'http://127.0.0.1:{port}'\n"
    );
    let page = &format!("http://127.0.0.1:{port}/details/a-film");
    both_ways_with(Some(&file), |home| {
        let warmed = lines(home, &["warm", "--json", page])[0].clone();
        assert_eq!((&warmed["origin"], &warmed["links"]), (&"loaded".into(), &1.into()), "{warmed}");
        let again = done(home, &["warm", "--provider", "films", page]);
        assert!(!again.contains("loaded") && again.contains("1 links"), "{again}");
        let wrong = run(home, &["warm", "no-address", page]);
        assert_eq!(wrong.status.code(), Some(1));
        assert!(stderr(&wrong).contains("no-address") && stdout(&wrong).contains(page), "{}", stderr(&wrong));
        // Links are kept as text that people can read.
        let key = keys(home, &["ls", "--json", "links"]).into_iter().next().expect("what is kept");
        let links: Value = serde_json::from_str(&done(home, &["get", &key])).expect("JSON");
        assert!(links.to_string().contains("/a.mp4"), "{links}");
        let unknown = run(home, &["warm", "--provider", "others", page]);
        assert_eq!(unknown.status.code(), Some(2));
        assert!(stderr(&unknown).contains("films"), "{}", stderr(&unknown));
    });
}

#[test]
fn du_counts_by_parts_of_keys() {
    both_ways(|home| {
        let told = &lines(home, &["du", "--json"])[0];
        assert_eq!(told["entries"], serde_json::json!({ "program": 1, "seen": 1, "video": 4 }));
        assert_eq!((&told["tiers"][1]["tier"], &told["tiers"][1]["entries"]), (&"file".into(), &ENTRIES.into()));
        assert!(told["tiers"][1]["bytes"].as_u64() > Some(1000));
        let deep = &lines(home, &["du", "--json", "--depth", "3"])[0]["entries"];
        assert_eq!(
            deep.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>(),
            ENTRIES as u64
        );
        assert!(done(home, &["du"]).contains("video"));
    });
}

#[test]
fn stats_show_each_tier_and_watch_until_nobody_reads() {
    both_ways(|home| {
        let stats = &lines(home, &["stats", "--json"])[0];
        assert_eq!(stats["tiers"][1]["usage"]["entries"], ENTRIES, "{stats}");
        assert_eq!((&stats["backend"], &stats["size"]), (&"memory,file".into(), &ENTRIES.into()), "{stats}");
        let table = done(home, &["stats"]);
        assert!(table.contains("memory") && table.contains("breaker_open"), "{table}");
        let mut child = watching(home);
        let mut first = String::new();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut first).unwrap();
        assert!(first.contains("tiers"), "{first}");
        drop(output);
        assert!(child.wait().unwrap().success(), "a reader that is gone is no error");
    });
}

#[test]
fn a_signal_ends_what_watches() {
    let home = filled();
    let mut child = watching(&home);
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut String::new()).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_reader_that_stops_reading_keeps_no_signal_from_ending_it() {
    let home = Home::new();
    // Pictures that are longer than what a pipe takes.
    let film = home.clip_of("film.mp4", &["-f", "lavfi", "-i", "testsrc2=duration=3:size=1280x720:rate=10"]);
    assert!(home.process(&film).status.success());
    let entries = lines(&home, &["ls", "--json"]);
    let pictures = entries.iter().find(|entry| entry["content_type"] == "image/jpeg").expect("pictures");
    let mut command = home.reelcache();
    let mut child = command.args(["get", pictures["key"].as_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
    let unread = child.stdout.take().unwrap();
    ends_at_a_signal_while_unread(&mut child, unread);
}

fn watching(home: &Home) -> std::process::Child {
    home.reelcache().args(["stats", "--json", "--watch", "1"]).stdout(Stdio::piped()).spawn().expect("the binary runs")
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let home = filled();
    let well = done(&home, &["doctor"]);
    assert!(well.contains("ok       ffmpeg") && well.contains("ok       tier file: answers"), "{well}");

    let away = format!("redis://127.0.0.1:{}", cache_testkit::servers::free_port().unwrap());
    fs::write(home.path("c.toml"), "[providers.films]\nkind = 'peretube'\n").unwrap();
    let mut command = home.reelcache();
    command.args(["--config", "c.toml", "--tiers", "memory,redis", "--redis", &away, "doctor", "--json"]);
    let ill = command.env("REELCACHE_FFMPEG", "/nowhere/ffmpeg").output().unwrap();
    assert_eq!(ill.status.code(), Some(1));
    let findings: Vec<Value> = serde_json::from_slice(&ill.stdout).unwrap();
    let failed = |what: &str| {
        let finding = findings.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("{findings:?}"));
        assert_eq!(finding["state"], "failed", "{finding}");
        finding["advice"].as_str().unwrap().to_owned()
    };
    assert!(failed("ffmpeg").contains("REELCACHE_FFMPEG"));
    assert!(failed("tier redis").contains("CACHE_REDIS_URL"));
    assert!(failed("provider films").contains("[providers.films]"));

    fs::write(home.path("plain"), "a file").unwrap();
    let dir = run(&home, &["doctor", "--cache-dir", "plain"]);
    assert!(dir.status.code() == Some(1) && stdout(&dir).contains("is no directory"), "{}", stdout(&dir));

    let server = Server::start(&home);
    assert!(done(&home, &["doctor"]).contains("ok       server: up for"));
    drop(server);
}

#[test]
fn completions_are_there_for_each_shell() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(&home, &["completions", shell]);
        assert!(script.contains("verify") && script.contains("max-entries"), "{shell}");
    }
}

#[test]
fn a_shell_completes_by_its_script_whatever_is_set() {
    let home = Home::new();
    let wrong = home.reelcache().args(["completions", "bash"]).env("CACHE_TLL", "wrong").output().unwrap();
    assert!(wrong.status.success() && wrong.stderr.is_empty(), "{}", stderr(&wrong));
    fs::write(home.path("script"), &wrong.stdout).unwrap();
    let completed = |words: &[&str]| {
        let script = ". ./script; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                      _reelcache reelcache \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; echo \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        let run = bash.args(["--norc", "-c", script, "bash"]).args(words).current_dir(home.path("")).output();
        stdout(&run.expect("bash runs")).trim().to_owned()
    };
    assert_eq!(completed(&["reelcache", "ver"]), "verify");
    assert_eq!(completed(&["reelcache", "process", "--max-f"]), "--max-frames");
    assert_eq!(completed(&["reelcache", "completions", "fi"]), "fish");
    assert_eq!(completed(&["reelcache", "ls", "--tie"]), "--tiers");
}

#[test]
fn a_variable_that_is_empty_names_no_server() {
    let home = filled();
    let listed = |name: &str| home.reelcache().arg("ls").env("REELCACHE_SERVER", name).output().unwrap();
    let none = listed("");
    assert!(none.status.success() && stdout(&none).contains("image/jpeg"), "{}", stderr(&none));
    assert_eq!(listed("http://127.0.0.1:1").status.code(), Some(1));
    assert_eq!(run(&home, &["ls", "--server", ""]).status.code(), Some(2), "what a flag says counts");
}

#[test]
fn help_names_every_command_and_every_exit_code() {
    let help = done(&Home::new(), &["--help"]);
    for word in
        ["stats", "ls", "get", "explain", "clear", "sweep", "verify", "du", "doctor", "completions", "6 not found"]
    {
        assert!(help.contains(word), "{word}: {help}");
    }
}
