//! `/api/process` and `/api/artifacts`: artifacts made and read over HTTP.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::origin::Origin;
use super::support::{Home, Server};
use super::web::{Answer, get, post, send};

/// A server that processes what is in the folder `films`, with a program that hears.
fn serving(home: &Home, variables: &[(&str, &str)]) -> Server {
    fs::create_dir_all(home.path("films")).expect("a folder");
    let heard = r#"{"segments": [{"start": 0.1, "end": 0.8, "text": "one <two>"}]}"#;
    fs::write(home.path("hear"), format!("#!/bin/sh\necho '{heard}'\n")).expect("a program");
    fs::set_permissions(home.path("hear"), PermissionsExt::from_mode(0o755)).expect("a program");
    let (roots, hear) =
        (home.path("films").display().to_string(), format!("{} {{audio}}", home.path("hear").display()));
    let settings = [("REELCACHE_ROOTS", &*roots), ("REELCACHE_TRANSCRIBER", &*hear)];
    Server::start_with_variables(home, &[&settings[..], variables].concat())
}

fn film(home: &Home, name: &str) -> String {
    fs::create_dir_all(home.path("films")).expect("a folder");
    let inputs = ["-f", "lavfi", "-i", "testsrc=duration=2:size=96x64:rate=10", "-f", "lavfi", "-i", "sine=duration=2"];
    home.clip_of(format!("films/{name}"), &inputs).display().to_string()
}

fn asked(server: &Server, wanted: &Value) -> Answer {
    post(server, "/api/process", wanted)
}

/// Waits until the job that `answer` names has ended; what is told of it.
#[track_caller]
fn ended(server: &Server, answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{answer:?}");
    let place = answer.header("location").expect("a place").to_owned();
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let job = get(server, &place).json();
        if !["waiting", "running"].contains(&job["state"].as_str().unwrap_or_default()) {
            return job;
        }
        assert!(Instant::now() < end, "{job}");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_below_a_root_is_made_and_read() {
    let home = Home::new();
    let path = film(&home, "clip.mp4");
    let server = serving(&home, &[]);
    let job = ended(&server, &asked(&server, &json!({ "path": path })));
    assert_eq!((&job["state"], &job["kind"]), (&"done".into(), &"process".into()), "{job}");
    let at = format!("/api/artifacts/{}", job["note"].as_str().unwrap());
    let told = get(&server, &at).json();
    assert!(told["artifacts"].as_array().unwrap().iter().all(|kind| kind["complete"] == true), "{told}");
    let frames = get(&server, &format!("{at}/keyframes")).json();
    assert_eq!(frames["frames"].as_array().unwrap().len(), 2, "{frames}");
    let first = frames["frames"][0]["href"].as_str().unwrap();
    let picture = get(&server, first);
    assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/jpeg")));
    assert!(
        picture.body.starts_with(&[0xFF, 0xD8])
            && picture.header("content-security-policy").unwrap().contains("sandbox")
    );
    let tag = picture.header("etag").unwrap();
    for known in [tag.to_owned(), format!("W/{tag}"), format!("\"a\", W/{tag}"), "*".to_owned()] {
        assert_eq!(send(&server, &format!("GET {first}\r\nIf-None-Match: {known}"), "").status, 304, "{known}");
    }
    for gone in [
        "frames/2.jpg",
        "frames/0.png",
        "frames/-1.jpg",
        "frames/99999999999999999999.jpg",
        "descriptions",
        "embeddings",
        "nothing",
    ] {
        let answer = get(&server, &format!("{at}/{gone}"));
        assert!(
            answer.status == 404 && !answer.header("content-type").unwrap_or_default().contains("html"),
            "{gone}: {answer:?}"
        );
    }
    assert_eq!(get(&server, &format!("{at}/transcript")).json()["segments"][0]["text"], "one <two>");
    let vtt = get(&server, &format!("{at}/transcript.vtt"));
    assert_eq!(vtt.header("content-type"), Some("text/vtt; charset=utf-8"));
    assert!(String::from_utf8_lossy(&vtt.body).ends_with("00:00:00.100 --> 00:00:00.800\none &lt;two&gt;\n"));
    assert!(get(&server, &format!("{at}/transcript.srt")).body.starts_with(b"1\n00:00:00,100"));
}

#[test]
fn row_30_what_is_kept_is_answered_within_the_times_that_were_asked_for() {
    let home = Home::new();
    fs::create_dir_all(home.path("films")).unwrap();
    let picture = "testsrc=duration=30:size=64x48:rate=100";
    let inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=duration=30"];
    let path = home.clip_of("films/clip.mp4", &inputs).display().to_string();
    let server = serving(&home, &[]);
    let job = ended(&server, &asked(&server, &json!({ "path": path })));
    let at = format!("/api/artifacts/{}", job["note"].as_str().unwrap());
    server.stop("-TERM");
    for (artifact, limit) in [("keyframes", 100), ("transcript", 50)] {
        // The first answer comes from the disk, in a process that knows nothing. The best of a few: others use this machine.
        let took = (0..3).map(|_| {
            let server = serving(&home, &[]);
            let begun = Instant::now();
            let answer = get(&server, &format!("{at}/{artifact}"));
            assert_eq!(answer.status, 200, "{answer:?}");
            if artifact == "keyframes" {
                assert_eq!(answer.json()["frames"].as_array().unwrap().len(), 300);
            }
            begun.elapsed()
        });
        let best = took.min().unwrap();
        assert!(best < Duration::from_millis(limit), "{artifact}: {best:?}");
    }
}

#[test]
fn trust_17_what_is_elsewhere_or_makes_no_sense_is_refused() {
    let home = Home::new();
    let path = film(&home, "clip.mp4");
    let outside = home.clip("secret.mp4", 1);
    symlink(&outside, home.path("films/link.mp4")).unwrap();
    let server = serving(&home, &[]);
    let at = |name: &str| home.path(name).display().to_string();
    let cases = [
        (json!({ "path": at("secret.mp4") }), 403),
        (json!({ "path": at("films/link.mp4") }), 403),
        (json!({ "path": "/etc/passwd" }), 403),
        (json!({ "path": at("films/../secret.mp4") }), 400),
        (json!({ "path": "films/clip.mp4" }), 400),
        (json!({ "path": format!("{path}\0") }), 400),
        (json!({ "path": at("films") }), 400),
        (json!({ "path": at("films/none.mp4") }), 404),
        (json!({}), 400),
        (json!({ "path": path, "url": "http://films.example/a.mp4" }), 400),
        (json!({ "path": path, "kinds": [] }), 400),
        (json!({ "path": path, "kinds": ["embeddings"] }), 400),
        (json!({ "url": "file:///etc/passwd" }), 400),
        (json!({ "url": format!("http://films.example/{}", "a".repeat(9_000)) }), 400),
    ];
    for (wanted, status) in cases {
        let answer = asked(&server, &wanted);
        assert_eq!(answer.status, status, "{wanted}: {answer:?}");
    }
    for wrong in [json!({ "path": path, "kinds": ["frames"] }), json!({ "file": path })] {
        assert!((400..500).contains(&asked(&server, &wrong).status));
    }
    for name in ["x", "00", &"0".repeat(64), "..%2f..%2fetc"] {
        assert_eq!(get(&server, &format!("/api/artifacts/{name}")).status, 404, "{name}");
    }
    let closed = Home::new();
    let server = Server::start(&closed);
    assert_eq!(asked(&server, &json!({ "path": "/etc/passwd" })).status, 403);
}

#[test]
fn a_bad_video_is_a_job_that_failed_and_says_why() {
    let home = Home::new();
    fs::create_dir_all(home.path("films")).unwrap();
    fs::write(home.path("films/text.mp4"), "no film").unwrap();
    let server = serving(&home, &[]);
    let job = ended(&server, &asked(&server, &json!({ "path": home.path("films/text.mp4") })));
    assert!(job["state"] == "failed" && job["error"].as_str().unwrap().contains("text.mp4"), "{job}");
}

#[test]
fn what_is_behind_a_link_is_fetched_within_limits_and_never_from_out_of_reach() {
    let home = Home::new();
    let bytes = fs::read(film(&home, "clip.mp4")).unwrap();
    let (origin, long) = (Origin::of(bytes), Origin::of(vec![7; 2_000_000]));
    let server = serving(&home, &[("REELCACHE_MAX_REMOTE", "1MB")]);
    let job =
        ended(&server, &asked(&server, &json!({ "url": origin.url("/clip.mp4?token=hush"), "kinds": ["keyframes"] })));
    assert!(job["state"] == "done" && !job.to_string().contains("hush"), "{job}");
    let at = format!("/api/artifacts/{}", job["note"].as_str().unwrap());
    assert_eq!(get(&server, &format!("{at}/keyframes")).json()["frames"].as_array().unwrap().len(), 2);
    assert_eq!(get(&server, &format!("{at}/transcript")).status, 404, "it was not asked for");
    let job = ended(&server, &asked(&server, &json!({ "url": long.url("/a.mp4") })));
    assert!(job["state"] == "failed" && job["error"].as_str().unwrap().contains("longer"), "{job}");
    let (other, unseen) = (Home::new(), Origin::of(vec![7; 1_000]));
    let guarded = Server::start(&other);
    let answer = asked(&guarded, &json!({ "url": unseen.url("/a.mp4") }));
    if answer.status == 202 {
        assert_eq!(ended(&guarded, &answer)["state"], "failed");
    }
    assert!(unseen.starts().is_empty());
}

#[test]
fn enough_wait_and_a_job_is_cancelled_and_the_server_ends() {
    let home = Home::new();
    let path = film(&home, "clip.mp4");
    fs::write(home.path("slow"), "#!/bin/sh\ncase \"$*\" in *-version*) exec ffmpeg \"$@\";; esac\nexec sleep 600\n")
        .unwrap();
    fs::set_permissions(home.path("slow"), PermissionsExt::from_mode(0o755)).unwrap();
    let slow = home.path("slow").display().to_string();
    let limits = [("REELCACHE_JOBS", "1"), ("REELCACHE_QUEUE", "1"), ("REELCACHE_FFMPEG", &*slow)];
    let server = serving(&home, &limits);
    let wanted = json!({ "path": path, "kinds": ["keyframes"] });
    let (first, second) = (asked(&server, &wanted), asked(&server, &wanted));
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(asked(&server, &wanted).status, 429);
    let place = second.header("location").unwrap();
    assert_eq!(send(&server, &format!("DELETE {place}"), "").status, 202);
    assert_eq!(ended(&server, &second)["state"], "cancelled");
    // Its place is free.
    let end = Instant::now() + Duration::from_secs(30);
    while asked(&server, &wanted).status != 202 {
        assert!(Instant::now() < end, "no place becomes free");
        std::thread::yield_now();
    }
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn reading_takes_the_token_for_that_and_making_the_other_one() {
    let home = Home::new();
    let path = film(&home, "clip.mp4");
    let (read, admin) = ("read-read-read-read", "admin-admin-admin");
    let server = serving(&home, &[("REELCACHE_READ_TOKEN", read), ("REELCACHE_ADMIN_TOKEN", admin)]);
    let wanted = json!({ "path": path, "kinds": ["keyframes"] }).to_string();
    let ask = |token: &str| {
        let head = format!("POST /api/process\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}");
        send(&server, &head, &wanted).status
    };
    assert_eq!((ask(read), ask(admin)), (403, 202));
    let name = format!("/api/artifacts/{}", "0".repeat(64));
    let look = |token: &str| send(&server, &format!("GET {name}\r\nAuthorization: Bearer {token}"), "").status;
    assert_eq!((look(read), look(admin), get(&server, &name).status), (404, 404, 401));
}

#[test]
fn a_file_that_leads_elsewhere_by_the_time_of_its_turn_is_not_processed() {
    let home = Home::new();
    let (path, waits) = (film(&home, "clip.mp4"), film(&home, "waits.mp4"));
    let outside = home.clip("secret.mp4", 1);
    let script =
        "#!/bin/sh\ncase \"$*\" in *clip.mp4*) echo runs > \"$STARTED\"; exec sleep 600;; esac\nexec ffmpeg \"$@\"\n";
    fs::write(home.path("slow"), script).unwrap();
    fs::set_permissions(home.path("slow"), PermissionsExt::from_mode(0o755)).unwrap();
    let (slow, started) = (home.path("slow").display().to_string(), home.path("started").display().to_string());
    let server = serving(&home, &[("REELCACHE_JOBS", "1"), ("REELCACHE_FFMPEG", &slow), ("STARTED", &started)]);
    let ask = |path: &str| asked(&server, &json!({ "path": path, "kinds": ["keyframes"] }));
    let first = ask(&path);
    // Before the other one is asked for: they are alike, and whichever is made first answers for both.
    home.wait_for("started");
    let second = ask(&waits);
    fs::remove_file(&waits).unwrap();
    symlink(&outside, &waits).unwrap();
    let place = first.header("location").unwrap();
    assert_eq!(send(&server, &format!("DELETE {place}"), "").status, 202);
    let job = ended(&server, &second);
    assert!(job["state"] == "failed" && job["error"].as_str().unwrap().contains("pipeline.roots"), "{job}");
}

#[test]
fn nothing_is_told_of_what_is_outside_not_even_whether_it_is_there() {
    let home = Home::new();
    fs::create_dir_all(home.path("films")).unwrap();
    home.clip("secret.mp4", 1);
    symlink(home.path(""), home.path("films/up")).unwrap();
    symlink(home.path("nowhere.mp4"), home.path("films/dangling.mp4")).unwrap();
    let server = serving(&home, &[]);
    let answers = ["films/up/secret.mp4", "films/up/nowhere.mp4", "films/up/cache/deep/none.mp4", "films/dangling.mp4"]
        .map(|name| asked(&server, &json!({ "path": home.path(name) })).status);
    assert_eq!(answers, [403; 4]);
    assert_eq!(asked(&server, &json!({ "path": home.path("films/none/none.mp4") })).status, 404);
}

#[test]
fn what_was_fetched_goes_again_when_it_fails_is_cancelled_or_the_server_is_killed() {
    let home = Home::new();
    fs::create_dir_all(home.path("scratch")).unwrap();
    let scratch = home.path("scratch").display().to_string();
    let files = || entries_of(&home.path("scratch"));
    let wait = |what: &str, is_so: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < end, "{what}");
            std::thread::yield_now();
        }
    };
    let (slow, text) = (Origin::of(vec![7; 10_000_000]).throttled(100_000), Origin::of(b"no film".to_vec()));
    let variables = [("REELCACHE_SCRATCH", &*scratch)];
    let server = serving(&home, &variables);
    let ask = |server: &Server, origin: &Origin| {
        asked(server, &json!({ "url": origin.url("/a.mp4"), "kinds": ["keyframes"] }))
    };
    assert_eq!(ended(&server, &ask(&server, &text))["state"], "failed");
    wait("a failure leaves something", &|| files() == 0);
    let answer = ask(&server, &slow);
    wait("nothing is fetched", &|| files() > 0);
    assert_eq!(send(&server, &format!("DELETE {}", answer.header("location").unwrap()), "").status, 202);
    assert_eq!(ended(&server, &answer)["state"], "cancelled");
    wait("who cancels leaves something", &|| files() == 0);
    ask(&server, &slow);
    wait("nothing is fetched", &|| files() > 0);
    drop(server);
    assert!(files() > 0, "a kill leaves nothing to be removed: this shows nothing");
    let server = serving(&home, &variables);
    ended(&server, &ask(&server, &text));
    wait("what a killed server has fetched stays", &|| files() == 0);
}

fn entries_of(folder: &std::path::Path) -> usize {
    fs::read_dir(folder).map_or(0, |entries| entries.flatten().count())
}
