//! `reelcache process`: where each artifact comes from.

use std::fs;
use std::time::{Duration, Instant};

use super::support::{Home, origin, stderr, stdout};

#[test]
fn a_clip_is_loaded_then_found_in_the_file_tier_then_in_memory() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 3);

    let cold = home.process(&clip);
    assert!(cold.status.success(), "{}", stderr(&cold));
    assert_eq!(origin(&cold, "keyframes", 0), "loaded");

    let warm = home.reelcache().args(["process", "--out", "out"]).args([&clip, &clip]).output().unwrap();
    assert_eq!(origin(&warm, "keyframes", 0), "file");
    assert_eq!(origin(&warm, "keyframes", 1), "memory");
    // Pictures would push all else out of memory.
    assert_eq!((&*origin(&warm, "frames", 0), &*origin(&warm, "frames", 1)), ("file", "file"));
}

#[test]
fn changed_content_and_other_parameters_are_misses_and_a_touch_is_not() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 2);
    home.process(&clip);

    let other = home.reelcache().args(["process", "--quality", "9"]).arg(&clip).output().unwrap();
    assert_eq!(origin(&other, "keyframes", 0), "loaded");

    let touched = fs::File::options().append(true).open(&clip).unwrap();
    touched.set_modified(touched.metadata().unwrap().modified().unwrap() - Duration::from_hours(1)).unwrap();
    assert_eq!(origin(&home.process(&clip), "keyframes", 0), "file");

    fs::rename(home.clip("other.mp4", 3), &clip).unwrap();
    assert_eq!(origin(&home.process(&clip), "keyframes", 0), "loaded");
}

#[test]
fn the_frames_are_written_where_asked() {
    let home = Home::new();
    let clip = home.clip("ein Fïlm.mp4", 3);
    let run = home.reelcache().args(["process", "--out", "frames"]).arg(&clip).output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    let folder = home.path("frames/ein Fïlm.mp4");
    let list: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("keyframes.json")).unwrap()).unwrap();
    let frames = list["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 3);
    for frame in frames {
        let jpeg = fs::read(folder.join(frame["file"].as_str().unwrap())).unwrap();
        assert!(jpeg.starts_with(&[0xFF, 0xD8]), "a JPEG");
    }
}

#[test]
fn killed_at_any_moment_an_export_has_whole_files_alone() {
    let home = Home::new();
    let clip = home.clip_of("film.mp4", &["-f", "lavfi", "-i", "testsrc2=duration=60:size=640x360:rate=10"]);
    home.process(&clip);
    let folder = home.path("out/film.mp4");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    for millis in [20, 40, 60, 80, 100, 120] {
        let mut command = home.reelcache();
        let mut child = command.args(["process", "--out", "out"]).arg(&clip).spawn().unwrap();
        let killed_at = Instant::now() + Duration::from_millis(millis);
        while Instant::now() < killed_at && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        for file in fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("jpg") => assert!(bytes.ends_with(&[0xFF, 0xD9]), "{} is half a picture", path.display()),
                Some("json") => assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok()),
                Some("txt") => assert_eq!(bytes, b"mine"),
                ending => assert_eq!(ending, Some("part"), "{}", path.display()),
            }
        }
    }
    let whole = home.reelcache().args(["process", "--out", "out"]).arg(&clip).output().unwrap();
    assert!(whole.status.success(), "{}", stderr(&whole));
    let pictures = fs::read_dir(&folder)
        .unwrap()
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "jpg"));
    assert_eq!(pictures.count(), 60);
}

#[test]
fn json_is_one_line_for_each_video_and_one_for_all() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 2);
    let run = home.reelcache().args(["process", "--json"]).args([&clip, &clip]).output().unwrap();
    let lines: Vec<serde_json::Value> =
        stdout(&run).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["state"], &lines[1]["state"]), (&"loaded".into(), &"cached".into()));
    let summary = &lines[2]["summary"];
    assert_eq!((&summary["videos"], &summary["repeated"]), (&2.into(), &1.into()), "{summary}");
    assert_eq!(summary["states"], serde_json::json!({ "loaded": 1 }), "one named twice counts once");
}

#[test]
fn killed_at_any_moment_the_next_run_is_right() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 8);
    let reference = Home::new();
    let clean = reference.reelcache().args(["process", "--out", "out"]).arg(&clip).output().unwrap();
    assert!(clean.status.success(), "{}", stderr(&clean));

    for millis in [5, 20, 40, 80, 120, 160, 200, 260, 320, 400] {
        let mut child = home.reelcache().arg("process").arg(&clip).stdout(std::process::Stdio::null()).spawn().unwrap();
        let killed_at = Instant::now() + Duration::from_millis(millis);
        while Instant::now() < killed_at && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        // Fails only when the child has ended already, which is as good.
        let _ = child.kill();
        child.wait().unwrap();
    }
    let after = home.reelcache().args(["process", "--out", "out"]).arg(&clip).output().unwrap();
    assert!(after.status.success(), "{}", stderr(&after));
    for file in fs::read_dir(reference.path("out/clip.mp4")).unwrap() {
        let file = file.unwrap();
        let ours = home.path("out/clip.mp4").join(file.file_name());
        assert_eq!(fs::read(ours).unwrap(), fs::read(file.path()).unwrap(), "{:?}", file.file_name());
    }
}

#[test]
fn an_export_leaves_no_frames_of_an_earlier_one() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 4);
    let export = |frames: &str| {
        let arguments = ["process", "--out", "out", "--max-frames", frames];
        let run = home.reelcache().args(arguments).arg(&clip).output().unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
        fs::read_dir(home.path("out/clip.mp4")).unwrap().count()
    };
    assert_eq!(export("4"), 5, "four frames and their list");
    assert_eq!(export("2"), 3, "two frames and their list");
}

#[test]
fn videos_of_one_name_do_not_share_a_folder() {
    let home = Home::new();
    fs::create_dir(home.path("other")).unwrap();
    let clip = home.clip("clip.mp4", 1);
    fs::copy(&clip, home.path("other/clip.mp4")).unwrap();
    let run = home.reelcache().args(["process", "--out", "out", "clip.mp4", "other/clip.mp4"]).output().unwrap();
    assert!(!run.status.success());
    assert!(stderr(&run).contains("two videos are named"), "{}", stderr(&run));
}

#[test]
fn an_export_over_the_video_itself_is_refused() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let before = fs::read(&clip).unwrap();
    let run = home.reelcache().args(["process", "clip.mp4", "--out", "."]).output().unwrap();
    assert_eq!((run.status.code(), fs::read(&clip).unwrap()), (Some(1), before));
    assert!(stderr(&run).contains("choose another --out"), "{}", stderr(&run));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let run = home.reelcache().arg("process").arg(&clip).stdout(full).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains("cannot write the result"), "{}", stderr(&run));
}

#[test]
fn a_signal_ends_it_and_ffmpeg_with_it() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let script = "#!/bin/sh\necho $$ > \"$PID_FILE\"\nexec sleep 600\n";
    fs::write(home.path("slow"), script).unwrap();
    fs::set_permissions(home.path("slow"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut child = home
        .reelcache()
        .env("REELCACHE_FFMPEG", home.path("slow"))
        .env("PID_FILE", home.path("pid"))
        .arg("process")
        .arg(&clip)
        .spawn()
        .unwrap();
    let pid = home.wait_for("pid");
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Killed, it still takes a moment to be gone.
    let end = Instant::now() + Duration::from_secs(10);
    let goes_on = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|state| !state.contains(") Z "));
    while goes_on() {
        assert!(Instant::now() < end, "ffmpeg goes on");
        std::thread::yield_now();
    }
}
