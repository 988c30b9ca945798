//! `reelcache process` on a library: folders, lists, several videos at once, bad ones among them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::support::{Home, end_of, ends_at_a_signal_while_unread, stderr, stdout};

/// Videos that are as they should be.
const GOOD: u32 = 14;

/// Twenty videos in folders, fourteen of them good and one bad of each kind.
fn library(home: &Home) {
    fs::create_dir_all(home.path("films/old/older")).expect("a library");
    for number in 0..GOOD {
        let folder = ["films", "films/old", "films/old/older"][number as usize % 3];
        let picture = format!("testsrc=duration=1:size=96x64:rate={}", 5 + number);
        home.clip_of(format!("{folder}/film {number:02}.mp4"), &["-f", "lavfi", "-i", &picture]);
    }
    home.clip_of("films/sound.mp4", &["-f", "lavfi", "-i", "sine=duration=1"]);
    let whole = fs::read(home.path("films/film 00.mp4")).expect("a library");
    fs::write(home.path("films/cut.mp4"), &whole[..whole.len() / 2]).expect("a library");
    fs::write(home.path("films/empty.mp4"), "").expect("a library");
    fs::write(home.path("films/text.mkv"), "This is no film.\n".repeat(100)).expect("a library");
    symlink("nowhere.mp4", home.path("films/gone.mp4")).expect("a library");
    assert!(Command::new("mkfifo").arg(home.path("films/pipe.mp4")).status().expect("a library").success());
    // None of them a video.
    symlink("..", home.path("films/old/up")).expect("a library");
    fs::write(home.path("films/notes.txt"), "notes").expect("a library");
    fs::write(home.path("films/.hidden.mp4"), "hidden").expect("a library");
}

fn lines(run: &Output) -> Vec<Value> {
    stdout(run).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn states(lines: &[Value], state: &str) -> usize {
    lines.iter().filter(|line| line["state"] == state).count()
}

#[test]
fn of_twenty_videos_the_good_ones_are_made_once_and_the_bad_ones_are_told() {
    let home = Home::new();
    library(&home);
    let run = |flags: &[&str]| {
        home.reelcache().args(["process", "films", "--json", "--jobs", "4"]).args(flags).output().unwrap()
    };
    let first = run(&[]);
    assert_eq!(first.status.code(), Some(3), "{}", stderr(&first));
    let told = lines(&first);
    assert_eq!((told.len(), states(&told, "loaded"), states(&told, "failed")), (21, 14, 6), "{}", stdout(&first));
    for bad in ["sound.mp4", "cut.mp4", "empty.mp4", "text.mkv", "gone.mp4", "pipe.mp4"] {
        assert_eq!(stderr(&first).lines().filter(|line| line.contains(bad)).count(), 1, "{bad}: {}", stderr(&first));
    }
    assert_eq!(stderr(&first).lines().count(), 6, "{}", stderr(&first));
    let second = run(&[]);
    let told = lines(&second);
    assert_eq!((states(&told, "cached"), states(&told, "failed")), (14, 6), "{}", stdout(&second));
    let is_found =
        |line: &Value| line["stages"].as_array().is_none_or(|rows| rows.iter().all(|row| row["computed"] == 0));
    assert!(told.iter().all(is_found), "{}", stdout(&second));
    let summary = &told[20]["summary"];
    assert!(summary["videos"] == 20 && summary["saved_seconds"].as_f64() > Some(0.0), "{summary}");
}

#[test]
fn a_summary_is_told_of_more_than_one_video() {
    let home = Home::new();
    let (one, other) = (home.clip("one.mp4", 1), home.clip("other.mp4", 2));
    let single = home.process(&one);
    assert!(!stdout(&single).contains("videos:"), "{}", stdout(&single));
    let both = home.reelcache().arg("process").args([&one, &other, Path::new("none.mp4")]).output().unwrap();
    assert!(
        stdout(&both).ends_with(" saved\n") && stdout(&both).contains("3 videos: 1 cached, 1 failed, 1 loaded; "),
        "{}",
        stdout(&both)
    );
}

#[test]
fn lists_name_videos_and_folders() {
    let home = Home::new();
    fs::create_dir(home.path("more")).unwrap();
    home.clip("a b.mp4", 1);
    home.clip("more/c.mp4", 2);
    fs::write(home.path("list"), "a b.mp4\n\nmore\n").unwrap();
    let listed = home.reelcache().args(["process", "--json", "--from", "list"]).output().unwrap();
    assert_eq!(states(&lines(&listed), "loaded"), 2, "{}", stderr(&listed));
    let mut piped = home.reelcache();
    piped.args(["process", "--json", "--from", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"more/c.mp4\0a b.mp4\0").unwrap();
    assert_eq!(states(&lines(&child.wait_with_output().unwrap()), "cached"), 2);
    let missing = home.reelcache().args(["process", "--from", "none"]).output().unwrap();
    assert_eq!((missing.status.code(), stderr(&missing).lines().count()), (Some(2), 1), "{}", stderr(&missing));
}

#[test]
fn a_list_that_never_ends_is_left_at_a_signal() {
    let home = Home::new();
    let mut command = home.reelcache();
    let mut child = command.args(["process", "--from", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let open = child.stdin.take();
    // The cache is open once its directory is there.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !home.path("cache/index").exists() && !home.path("cache").exists() {
        assert!(std::time::Instant::now() < end, "it does not begin");
        std::thread::yield_now();
    }
    loop {
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        match child.try_wait().unwrap() {
            // By the signal itself, if it came before anybody listened.
            Some(status) => break assert!(status.code().is_none_or(|code| code == 130), "{status}"),
            None => assert!(std::time::Instant::now() < end, "it does not end"),
        }
        std::thread::yield_now();
    }
    drop(open);
}

#[test]
fn a_signal_keeps_what_is_finished_and_tells_it() {
    let home = Home::new();
    let (done, _hangs) = (home.clip("a.mp4", 1), home.clip("hangs.mp4", 2));
    let script =
        "#!/bin/sh\ncase \"$*\" in *hangs*) echo $$ > \"$PID_FILE\"; exec sleep 600;; esac\nexec ffmpeg \"$@\"\n";
    fs::write(home.path("slow"), script).unwrap();
    fs::set_permissions(home.path("slow"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = home.reelcache();
    command.env("REELCACHE_FFMPEG", home.path("slow")).env("PID_FILE", home.path("pid"));
    let child = command.args(["process", "--jobs", "1", "a.mp4", "hangs.mp4"]).stdout(Stdio::piped()).spawn().unwrap();
    home.wait_for("pid");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(143));
    assert!(stdout(&ended).contains("2 videos: 1 loaded, 1 not done"), "{}", stdout(&ended));
    let after = home.process(&done);
    assert_eq!(super::support::origin(&after, "keyframes", 0), "file");
}

#[test]
fn bars_are_for_terminals_alone() {
    let home = Home::new();
    home.clip("clip.mp4", 1);
    let binary = env!("CARGO_BIN_EXE_reelcache");
    let mut command = Command::new("script");
    home.set_up(&mut command);
    command.env("REELCACHE_DIR", home.path("cache")).env("TERM", "xterm").current_dir(home.path(""));
    let on_terminal = command.args(["-qec", &format!("'{binary}' process clip.mp4"), "/dev/null"]).output();
    let shown = stdout(&on_terminal.expect("script (bsdutils) runs"));
    assert!(shown.contains("0/1 videos") && shown.contains("keyframes: 1"), "{shown:?}");
    let piped = home.process(Path::new("clip.mp4"));
    assert!(!stdout(&piped).contains("0/1") && stderr(&piped).is_empty(), "{}", stderr(&piped));
}

#[test]
fn an_export_of_a_folder_has_its_shape() {
    let home = Home::new();
    for folder in ["films/a", "films/b"] {
        fs::create_dir_all(home.path(folder)).unwrap();
        home.clip(format!("{folder}/same.mp4"), 1);
    }
    let run = home.reelcache().args(["process", "films", "--out", "out"]).output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    for folder in ["out/a/same.mp4", "out/b/same.mp4"] {
        assert!(home.path(folder).join("keyframes.json").exists() && home.path(folder).join("00000.jpg").exists());
    }
}

#[test]
fn a_video_that_is_named_twice_counts_once_and_is_made_anew_once() {
    let home = Home::new();
    home.clip("one.mp4", 1);
    fs::copy(home.path("one.mp4"), home.path("copy.mp4")).unwrap();
    let run = |flags: &[&str], videos: &[&str]| {
        let ended = home.reelcache().args(["process", "--json", "--jobs", "1"]).args(flags).args(videos).output();
        lines(&ended.unwrap())
    };
    let summary = |lines: &[Value]| lines.last().unwrap()["summary"].clone();
    assert_eq!(summary(&run(&["--missing"], &["one.mp4", "one.mp4"]))["states"]["incomplete"], 1);
    let failed = summary(&run(&[], &["none.mp4", "none.mp4"]));
    assert_eq!((&failed["states"]["failed"], &failed["repeated"]), (&1.into(), &1.into()), "{failed}");
    assert_eq!(states(&run(&[], &["one.mp4"]), "loaded"), 1);
    let anew = run(&["--force"], &["one.mp4", "one.mp4", "copy.mp4"]);
    assert_eq!((states(&anew, "loaded"), states(&anew, "cached")), (1, 2), "{anew:?}");
}

#[test]
fn a_reader_that_stops_reading_keeps_no_signal_from_ending_it() {
    let home = Home::new();
    // A line that is longer than what a pipe takes.
    fs::write(home.path("list"), format!("{}.mp4\n", "long".repeat(100_000))).unwrap();
    let mut command = home.reelcache();
    command.args(["process", "--json", "--from", "list"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let unread = child.stdout.take();
    // What is complained of is told before what is written.
    let mut complaint = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stderr.take().unwrap()), &mut complaint).unwrap();
    assert!(complaint.len() > 400_000, "{}", complaint.len());
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(end_of(&mut child).code(), Some(143));
    drop(unread);
}

#[test]
fn a_reader_of_complaints_that_stops_reading_keeps_no_signal_from_ending_it() {
    let home = Home::new();
    // A line that is longer than what a pipe takes.
    fs::write(home.path("list"), format!("{}.mp4\n", "long".repeat(100_000))).unwrap();
    let mut command = home.reelcache();
    let mut child = command.args(["process", "--from", "list"]).stderr(Stdio::piped()).spawn().unwrap();
    let unread = child.stderr.take().unwrap();
    ends_at_a_signal_while_unread(&mut child, unread);
}

#[test]
fn a_list_without_videos_is_told_and_no_failure() {
    let home = Home::new();
    fs::write(home.path("list"), "\n\n").unwrap();
    for flags in [&[][..], &["--json"], &["--missing"]] {
        let run = home.reelcache().args(["process", "--from", "list"]).args(flags).output().unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
        assert_eq!(stderr(&run), "reelcache: there is nothing to do: the list names no video\n");
    }
}
