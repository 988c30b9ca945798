//! `reelcache warm`: videos, and the hours in which it works.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cache_core::{Clock, SystemClock};

use super::support::{Home, Server, end_of, origin, stderr, stdout};

/// A part of the day, from so many hours from this one on to so many, as `warm` in the time zone `UTC` takes it.
pub(crate) fn between(from: u64, to: u64) -> String {
    let hours = SystemClock::new().now().as_millis() / 3_600_000;
    format!("{:02}:00-{:02}:00", (hours + from) % 24, (hours + to) % 24)
}

fn warm(home: &Home, args: &[&str]) -> Output {
    home.reelcache().env("TZ", "UTC0").arg("warm").args(args).output().expect("the binary runs")
}

#[test]
fn videos_are_made_in_their_hours_and_found_afterwards() {
    let home = Home::new();
    std::fs::create_dir(home.path("films")).unwrap();
    let clip = home.clip("films/clip.mp4", 1);
    // Two hours at least: the one that has begun may end at any moment.
    let run = warm(&home, &["--between", &between(0, 3), "--per-minute", "60000", "films"]);
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(stdout(&run), "loaded: films/clip.mp4\n");
    assert_eq!(origin(&home.process(&clip), "keyframes", 0), "file");
    let again = warm(&home, &["--json", "films/clip.mp4"]);
    assert!(stdout(&again).contains("\"state\":\"cached\""), "{}", stdout(&again));
}

#[test]
fn outside_of_its_hours_it_leaves_all_to_another_time() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let run = warm(&home, &["--between", &between(3, 5), "--once", "clip.mp4", "clip.mp4"]);
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(stdout(&run), "2 left for another time\n");
    assert_eq!(origin(&home.process(&clip), "keyframes", 0), "loaded");
}

#[test]
fn a_signal_ends_the_wait() {
    let home = Home::new();
    home.clip("clip.mp4", 1);
    let mut command = home.reelcache();
    command.env("TZ", "UTC0").env("RUST_LOG", "info").args(["warm", "--between", &between(3, 5), "clip.mp4"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut told = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut told, &mut line).unwrap() > 0, "it does not wait");
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_signal_keeps_what_was_made() {
    let home = Home::new();
    let (done, _hangs) = (home.clip("a.mp4", 1), home.clip("hangs.mp4", 2));
    let script =
        "#!/bin/sh\ncase \"$*\" in *hangs*) echo $$ > \"$PID_FILE\"; exec sleep 600;; esac\nexec ffmpeg \"$@\"\n";
    std::fs::write(home.path("slow"), script).unwrap();
    std::fs::set_permissions(home.path("slow"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = home.reelcache();
    command.env("REELCACHE_FFMPEG", home.path("slow")).env("PID_FILE", home.path("pid"));
    let mut child = command.args(["warm", "a.mp4", "hangs.mp4"]).stdout(Stdio::piped()).spawn().unwrap();
    let program = home.wait_for("pid");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(end_of(&mut child).code(), Some(143));
    let stat = std::fs::read_to_string(format!("/proc/{program}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "the program has ended too: {stat}");
    let after = home.process(&done);
    let origins = ["fingerprint", "probe", "keyframes"].map(|stage| origin(&after, stage, 0));
    assert_eq!(origins[1..], ["file", "file"], "{origins:?}");
}

#[test]
fn a_signal_waits_for_what_is_being_stored() {
    let home = Home::new();
    let film = home.clip("film.mp4", 2);
    let tiers = ["--tiers", "memory,sqlite"];
    let script = |name: &str, body: &str| {
        std::fs::write(home.path(name), format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(home.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        home.path(name)
    };
    assert!(Command::new("mkfifo").arg(home.path("go")).status().unwrap().success());
    let mut command = home.reelcache();
    command.args(tiers).args(["warm", "film.mp4"]);
    command.env("REELCACHE_FFPROBE", script("probes", "echo probing > probing; read go < go; exec ffprobe \"$@\""));
    let hangs = "[ \"$1\" = -version ] && exec ffmpeg -version\necho $$ > pid; exec sleep 600";
    command.env("REELCACHE_FFMPEG", script("hangs", hangs));
    let mut child = command.spawn().unwrap();
    home.wait_for("probing");
    // From here on nothing is stored, and reading goes on.
    let other = rusqlite::Connection::open(home.path("cache/sqlite/cache.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::fs::write(home.path("go"), "go\n").unwrap();
    let program = home.wait_for("pid");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let has_ended = || {
        let stat = std::fs::read_to_string(format!("/proc/{program}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    while !has_ended() {
        assert!(child.try_wait().unwrap().is_none(), "it leaves its program behind");
        std::thread::yield_now();
    }
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(end_of(&mut child).code(), Some(143));
    let after = home.reelcache().args(tiers).arg("process").arg(film).output().unwrap();
    assert_eq!(origin(&after, "probe", 0), "sqlite", "{}", stderr(&after));
}

#[test]
fn one_bad_video_leaves_the_others_alone() {
    let home = Home::new();
    home.clip("clip.mp4", 1);
    std::fs::write(home.path("text.mp4"), "no film").unwrap();
    let run = warm(&home, &["text.mp4", "clip.mp4"]);
    assert_eq!(run.status.code(), Some(3), "{}", stderr(&run));
    assert_eq!(stdout(&run), "failed: text.mp4\nloaded: clip.mp4\n");
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let home = Home::new();
    home.clip("clip.mp4", 1);
    for wrong in [&["--between", "2-6", "clip.mp4"][..], &["--once", "clip.mp4"], &["--per-minute", "0", "clip.mp4"]] {
        assert_eq!(warm(&home, wrong).status.code(), Some(2), "{wrong:?}");
    }
    let _server = Server::start(&home);
    let run = warm(&home, &["clip.mp4"]);
    assert!(run.status.code() == Some(2) && stderr(&run).contains("POST /api/process"), "{}", stderr(&run));
}

#[test]
fn so_many_are_begun_in_a_minute() {
    let home = Home::new();
    home.clip("a.mp4", 1);
    home.clip("b.mp4", 2);
    let began = std::time::Instant::now();
    let run = warm(&home, &["--per-minute", "60", "a.mp4", "b.mp4"]);
    assert!(run.status.success() && began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}
