//! `reelcache process` with programs and models: transcripts, descriptions, embeddings.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cache_testkit::servers::program;
use serde_json::Value;

use super::models::{KEY, Models};
use super::support::{Home, origin, stderr, stdout};

const HEARD: &str = r#"{"language": "en", "segments": [{"start": 0.1, "end": 0.8, "text": " one two"}]}"#;

/// A program that does `body`.
fn script(home: &Home, name: &str, body: &str) -> PathBuf {
    fs::write(home.path(name), format!("#!/bin/sh\n{body}\n")).expect("a program");
    fs::set_permissions(home.path(name), PermissionsExt::from_mode(0o755)).expect("a program");
    home.path(name)
}

/// A clip with sound.
fn spoken(home: &Home) -> PathBuf {
    let inputs = ["-f", "lavfi", "-i", "testsrc=duration=2:size=96x64:rate=10", "-f", "lavfi", "-i", "sine=duration=2"];
    home.clip_of("clip.mp4", &inputs)
}

fn json_of(run: &Output) -> Value {
    serde_json::from_str(stdout(run).lines().next().unwrap_or_default())
        .unwrap_or_else(|_| panic!("no JSON: {}{}", stdout(run), stderr(run)))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn programs_of_the_configuration_make_all_kinds_and_the_next_run_finds_them() {
    let home = Home::new();
    let clip = spoken(&home);
    let hear = script(&home, "hear", &format!("echo x >> runs; echo '{HEARD}'"));
    let see = script(&home, "see", "echo x >> runs; echo 'A picture & more'");
    let embed = script(&home, "embed", "echo x >> runs; echo '[[0.6, 0.8]]'");
    let config = format!(
        "[pipeline]\ntranscriber = [{hear:?}, \"{{audio}}\"]\ntranscriber_version = \"1\"\ndescriber = [{see:?}, \
         \"{{image}}\"]\nembedder = [{embed:?}, \"{{texts}}\"]\nmax_frames = 1\n"
    );
    fs::write(home.path("c.toml"), config).unwrap();
    let process = |flags: &[&str]| {
        let mut command = home.reelcache();
        command.args(["--config", "c.toml", "process"]).args(flags).arg(&clip).output().unwrap()
    };
    let first = process(&["--out", "out"]);
    assert!(first.status.success(), "{}", stderr(&first));
    for kind in ["keyframes", "transcript", "descriptions", "embeddings"] {
        assert_eq!(origin(&first, kind, 0), "loaded", "{}", stdout(&first));
    }
    let runs = read(&home.path("runs"));
    let second = process(&[]);
    for kind in ["keyframes", "transcript", "descriptions", "embeddings"] {
        assert_eq!(origin(&second, kind, 0), "file", "{}", stdout(&second));
    }
    assert_eq!(read(&home.path("runs")), runs, "nothing runs again");
    let out = home.path("out/clip.mp4");
    assert!(read(&out.join("transcript.vtt")).contains("00:00:00.100 --> 00:00:00.800\none two\n"));
    assert!(read(&out.join("transcript.srt")).starts_with("1\n00:00:00,100 --> 00:00:00,800\none two\n"));
    assert!(read(&out.join("descriptions.json")).contains("A picture & more"));
    let embeddings: Value = serde_json::from_str(&read(&out.join("embeddings.json"))).unwrap();
    assert_eq!(embeddings["passages"][0]["vector"].as_array().unwrap().len(), 2, "{embeddings}");
    // Another version of the program is another transcript, and what is made of it.
    let mut command = home.reelcache();
    command.args(["--config", "c.toml", "process"]).arg(&clip).env("REELCACHE_TRANSCRIBER_VERSION", "2");
    let other = command.output().unwrap();
    assert_eq!((&*origin(&other, "transcript", 0), &*origin(&other, "embeddings", 0)), ("loaded", "loaded"));
    assert_eq!(origin(&other, "descriptions", 0), "file");
}

#[test]
fn models_behind_a_server_describe_and_embed_with_a_key_that_nothing_shows() {
    let home = Home::new();
    let (clip, models) = (spoken(&home), Models::start());
    fs::write(home.path("key"), format!("{KEY}\n")).unwrap();
    let command = |args: &[&str]| {
        let mut command = home.reelcache();
        command.env("REELCACHE_DESCRIBER_URL", models.url()).env("REELCACHE_DESCRIBER_MODEL", "sees");
        command.env("REELCACHE_DESCRIBER_KEY_FILE", home.path("key")).env("REELCACHE_EMBEDDER_KEY", KEY);
        command.env("REELCACHE_EMBEDDER_URL", models.url()).env("REELCACHE_EMBEDDER_MODEL", "embeds");
        command.args(args).output().unwrap()
    };
    let clip = clip.to_str().unwrap();
    let first = command(&["process", "--json", clip]);
    assert!(first.status.success(), "{}", stderr(&first));
    let asked = models.asked();
    assert!(asked >= 3, "two frames and their descriptions: {asked}");
    let second = command(&["process", "--json", clip]);
    assert_eq!((models.asked(), &json_of(&second)["state"]), (asked, &"cached".into()));
    let shown = command(&["config"]);
    let text = [stdout(&shown), stdout(&command(&["config", "--json"])), stderr(&first)].concat();
    assert!(!text.contains("hush") && stdout(&shown).contains("describer_key = \"***\""), "{text}");
}

#[test]
fn one_stage_that_fails_is_partial_and_the_others_are_kept() {
    let home = Home::new();
    let clip = spoken(&home);
    let deaf = script(&home, "deaf", "echo 'no model at /m' >&2; exit 7");
    let transcriber = format!("'{}' {{audio}}", deaf.display());
    let run = home.reelcache().args(["process", "--json", "--transcriber", &transcriber]).arg(&clip).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", stderr(&run));
    assert!(stderr(&run).contains("clip.mp4") && stderr(&run).contains("no model at /m"), "{}", stderr(&run));
    let told = json_of(&run);
    assert!(told["state"] == "partial" && told["keyframes"] == 2, "{told}");
    let keyframes = home.reelcache().args(["process", "--kinds", "keyframes"]).arg(&clip).output().unwrap();
    assert_eq!(origin(&keyframes, "keyframes", 0), "file");
    let missing = script(&home, "unused", "true").with_file_name("nowhere");
    let transcriber = format!("'{}' {{audio}}", missing.display());
    let run = home.reelcache().args(["process", "--transcriber", &transcriber]).arg(&clip).output().unwrap();
    assert_eq!(run.status.code(), Some(4), "{}", stderr(&run));
}

#[test]
fn what_is_missing_and_why_is_told_without_making_anything() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 2);
    let run = |flags: &[&str]| home.reelcache().arg("process").args(flags).arg(&clip).output().unwrap();
    let missing = run(&["--missing"]);
    assert_eq!(missing.status.code(), Some(6));
    assert!(stdout(&missing).contains("keyframes is missing as a whole"), "{}", stdout(&missing));
    let why = run(&["--explain"]);
    assert!(
        why.status.code() == Some(6) && stdout(&why).contains("nothing of this kind was stored"),
        "{}",
        stdout(&why)
    );
    assert!(run(&[]).status.success());
    let there = run(&["--missing", "--json"]);
    assert!(there.status.success() && json_of(&there)["state"] == "complete", "{}", stdout(&there));
    assert!(run(&["--explain"]).status.success());
    let differs = run(&["--explain", "--json", "--quality", "9"]);
    let told = json_of(&differs);
    assert_eq!((differs.status.code(), &told["artifacts"][0]["verdict"]), (Some(6), &"differs".into()), "{told}");
    assert!(told["artifacts"][0]["differences"][0].as_str().unwrap().contains("quality"), "{told}");
}

#[test]
fn what_is_there_is_verified_made_anew_and_removed_with_counts() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 2);
    let run = |flags: &[&str]| home.reelcache().arg("process").args(flags).arg(&clip).output().unwrap();
    assert!(run(&[]).status.success());
    let right = run(&["--verify", "--json"]);
    let told = json_of(&right);
    assert!(right.status.success() && told["verified"][0]["bodies"] == 2, "{told}");
    assert_eq!(origin(&run(&["--force"]), "keyframes", 0), "loaded");
    assert_eq!(origin(&run(&[]), "keyframes", 0), "file");
    let removed = run(&["--invalidate", "--json"]);
    let told = json_of(&removed);
    assert!(removed.status.success() && told["entries"]["keyframes"].as_u64() >= Some(2), "{told}");
    let again = json_of(&run(&["--invalidate", "--json"]));
    assert_eq!((&again["state"], &again["removed"]), (&"unknown".into(), &0.into()), "{again}");
    assert_eq!(origin(&run(&[]), "keyframes", 0), "loaded");
}

#[test]
fn settings_that_make_no_sense_are_usage_errors_in_one_line() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let cases: [&[&str]; 12] = [
        &["--kinds", "frames"],
        &["--kinds", "transcript"],
        &["--jobs", "0"],
        &["--transcriber", "hear {sound}"],
        &["--transcriber", "hear 'a"],
        &["--describer-url", "http://localhost:1/v1"],
        &["--describer-url", "ftp://localhost/v1", "--describer-model", "m"],
        &["--pick", "any"],
        &["--pick", "2"],
        &["--max-width", "3"],
        &["--interval", "soon"],
        &["--fingerprint", "remote"],
    ];
    for case in cases {
        let run = home.reelcache().arg("process").args(case).arg(&clip).output().unwrap();
        assert_eq!((run.status.code(), stderr(&run).lines().count()), (Some(2), 1), "{case:?}: {}", stderr(&run));
    }
    for case in [&["--missing", "--verify"][..], &["--out", "a", "--invalidate"]] {
        assert_eq!(home.reelcache().arg("process").args(case).arg(&clip).output().unwrap().status.code(), Some(2));
    }
}

#[test]
fn fingerprints_and_picks_are_as_they_are_set() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 3);
    let run = |flags: &[&str]| {
        json_of(&home.reelcache().args(["process", "--json"]).args(flags).arg(&clip).output().unwrap())
    };
    assert!(run(&["--fingerprint", "sampled"])["fingerprint"].as_str().unwrap().starts_with("sampled-"));
    assert!(run(&["--fingerprint", "stat"])["fingerprint"].as_str().unwrap().starts_with("stat-"));
    assert_eq!(run(&["--pick", "any", "--interval", "500ms"])["keyframes"], 6);
    assert_eq!(run(&["--max-frames", "2"])["keyframes"], 2);
    assert_eq!(run(&["--max-width", "100"])["state"], "loaded");
}

#[test]
fn row_28_a_file_that_the_file_system_says_has_changed_is_another_one_where_that_is_asked() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let run = |how: &str| {
        let ended = home.reelcache().args(["process", "--json", "--fingerprint", how]).arg(&clip).output().unwrap();
        let told = json_of(&ended);
        (told["state"].as_str().unwrap().to_owned(), told["fingerprint"].as_str().unwrap().to_owned())
    };
    let (state, before) = run("stat");
    assert_eq!((&*state, run("stat")), ("loaded", ("cached".to_owned(), before.clone())));
    let same = run("content").1;
    let file = fs::File::options().append(true).open(&clip).unwrap();
    file.set_modified(file.metadata().unwrap().modified().unwrap() - std::time::Duration::from_hours(1)).unwrap();
    let (state, after) = run("stat");
    assert!(state == "loaded" && after != before, "{before} {after}");
    assert_eq!(run("content"), ("cached".to_owned(), same));
}

#[test]
fn row_29_artifacts_are_kept_for_seven_days_unless_something_else_is_set() {
    let home = Home::new();
    let clip = spoken(&home);
    let hear = script(&home, "hear", &format!("echo '{HEARD}'"));
    let transcriber = format!("'{}' {{audio}}", hear.display());
    let made = home.reelcache().args(["process", "--transcriber", &transcriber]).arg(&clip).output().unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let listed = home.reelcache().args(["ls", "--json", "video"]).output().unwrap();
    let mut kinds = 0;
    for line in stdout(&listed).lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let key = entry["key"].as_str().unwrap();
        if key.contains(":keyframes:") || key.contains(":transcript:") {
            kinds += 1;
            let span = entry["expires_ms"].as_u64().unwrap() - entry["created_ms"].as_u64().unwrap();
            assert_eq!(span, 7 * 86_400_000, "{entry}");
        }
    }
    assert!(kinds >= 3, "{}", stdout(&listed));
}

#[test]
fn row_29_text_is_kept_compressed_and_pictures_as_they_are() {
    let heard = format!(r#"{{"segments": [{{"start": 0.1, "end": 0.8, "text": "{}"}}]}}"#, "word ".repeat(2_000));
    for (compression, is_plain) in [("true", false), ("false", true)] {
        let home = Home::new();
        let clip = spoken(&home);
        fs::write(home.path("heard.json"), &heard).unwrap();
        let hear = script(&home, "hear", &format!("cat '{}'", home.path("heard.json").display()));
        let transcriber = format!("'{}' {{audio}}", hear.display());
        let mut command = home.reelcache();
        command.env("CACHE_COMPRESSION", compression).args(["process", "--out", "out", "--transcriber", &transcriber]);
        let run = command.arg(&clip).output().unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
        let mut kept = Vec::new();
        for volume in fs::read_dir(home.path("cache/volumes")).unwrap() {
            kept.extend(fs::read(volume.unwrap().path()).unwrap());
        }
        let holds = |wanted: &[u8]| kept.windows(wanted.len()).any(|window| window == wanted);
        assert!(holds(&fs::read(home.path("out/clip.mp4/00000.jpg")).unwrap()), "a picture, byte for byte");
        assert_eq!(holds("word ".repeat(100).as_bytes()), is_plain, "compression = {compression}");
        assert!(read(&home.path("out/clip.mp4/transcript.json")).contains(&"word ".repeat(100)));
    }
}

#[test]
fn artifacts_end_when_they_are_to() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let run = |ttl: &str| {
        let mut command = home.reelcache();
        command.env("REELCACHE_KEYFRAMES_TTL", ttl).arg("process").arg(&clip).output().unwrap()
    };
    for _ in 0..2 {
        assert_eq!(origin(&run("0"), "keyframes", 0), "loaded");
    }
    assert_eq!(origin(&run("1h"), "keyframes", 0), "loaded");
    assert_eq!(origin(&run("1h"), "keyframes", 0), "file");
}

#[test]
fn real_programs_hear_and_read() {
    let home = Home::new();
    let wav = home.path("speech.wav");
    let said = "one two three four five";
    let spoken = Command::new("flite").args(["-voice", "rms", "-t", said, "-o"]).arg(&wav).status();
    assert!(spoken.expect("flite runs: install it, or run `cargo xtask test`").success());
    let page = "color=white:size=640x120:duration=3:rate=2,drawtext=text='Chapter One':fontsize=40:x=20:y=40";
    let clip = home.clip_of("clip.mp4", &["-i", wav.to_str().unwrap(), "-f", "lavfi", "-i", page, "-c:a", "aac"]);
    let python = program("python-pocketsphinx").expect("pocketsphinx, which `cargo xtask test` installs");
    let hear = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipeline/tests/fixtures/hear_pocketsphinx.py");
    let config = format!(
        "[pipeline]\ntranscriber = [{python:?}, {hear:?}, \"{{audio}}\"]\nlanguage = \"en\"\ndescriber = [\"tesseract\", \
         \"{{image}}\", \"stdout\", \"--psm\", \"7\"]\nmax_frames = 1\n"
    );
    fs::write(home.path("c.toml"), config).unwrap();
    let run = home.reelcache().args(["--config", "c.toml", "process", "--out", "out"]).arg(&clip).output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    let heard = read(&home.path("out/clip.mp4/transcript.srt"));
    let known = said.split(' ').filter(|word| heard.contains(word)).count();
    assert!(known >= 4, "{heard}");
    let seen = read(&home.path("out/clip.mp4/descriptions.json"));
    assert!(seen.contains("Chapter One"), "{seen}");
}
