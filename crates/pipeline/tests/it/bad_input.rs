//! Bad input: an error of one line that names the file and says what is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use cache_core::{ErrorKind, Retry};
use pipeline::{KeyframeParams, Selection};

use super::support::{Home, process_with};

/// Asserts that `path` is refused as invalid, in one line that has its name and `what`, and that nothing is cached.
#[track_caller]
fn assert_refused(error: &cache_core::Error, path: &Path, what: &str) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
    assert!(text.contains(what), "{text:?} should say {what:?}");
    let name = path.file_name().expect("a name").to_string_lossy();
    assert!(text.contains(&*name), "{text:?} should name {name:?}");
    assert!(!text.contains(char::is_control), "{text:?}");
}

async fn refusal(home: &Home, path: &Path) -> cache_core::Error {
    process_with(home, &home.cache(), path, KeyframeParams::default(), Selection::all()).await.expect_err("no video")
}

#[tokio::test]
async fn what_is_no_file_with_content_is_refused_without_opening_it() {
    let home = Home::new();
    assert_refused(&refusal(&home, &home.path("nowhere.mp4")).await, &home.path("nowhere.mp4"), "does not exist");
    assert_refused(&refusal(&home, &home.path("scratch")).await, &home.path("scratch"), "is a directory");
    let fifo = home.mkfifo("fifo.mp4");
    assert_refused(&refusal(&home, &fifo).await, &fifo, "pipe, socket or device");
    let _socket = UnixListener::bind(home.path("socket")).unwrap();
    assert_refused(&refusal(&home, &home.path("socket")).await, &home.path("socket"), "pipe, socket or device");
    assert_refused(&refusal(&home, Path::new("/dev/zero")).await, Path::new("/dev/zero"), "pipe, socket or device");
    fs::write(home.path("empty.mp4"), "").unwrap();
    assert_refused(&refusal(&home, &home.path("empty.mp4")).await, &home.path("empty.mp4"), "is empty");
    fs::write(home.path("file"), "x").unwrap();
    let below = home.path("file").join("film.mp4");
    assert_refused(&refusal(&home, &below).await, &below, "not a directory");
    std::os::unix::fs::symlink("loop", home.path("loop")).unwrap();
    assert_refused(&refusal(&home, &home.path("loop")).await, &home.path("loop"), "cannot be read");
}

#[tokio::test]
async fn an_unreadable_file_is_refused() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    fs::set_permissions(&clip, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::File::open(&clip).is_err() {
        assert_refused(&refusal(&home, &clip).await, &clip, "permission denied");
        return;
    }
    // Root reads everything, except for files of the kernel that have nothing to read.
    let write_only = Path::new("/sys/bus/platform/drivers_probe");
    if fs::metadata(write_only).is_ok_and(|meta| meta.len() > 0) && fs::File::open(write_only).is_err() {
        assert_refused(&refusal(&home, write_only).await, write_only, "permission denied");
    } else {
        println!("skipped: running as root, and no file is unreadable for root here");
    }
}

#[tokio::test]
async fn what_is_no_video_is_refused() {
    let home = Home::new();
    let text = home.path("text.mp4");
    fs::write(&text, "This is no film.\n".repeat(100)).unwrap();
    assert_refused(&refusal(&home, &text).await, &text, "is not a media file that ffmpeg can read");
    // ffmpeg would draw it as on a terminal.
    let notes = home.path("notes.txt");
    fs::copy(&text, &notes).unwrap();
    assert_refused(&refusal(&home, &notes).await, &notes, "is not a media file that ffmpeg can read");

    let sound = home.clip_of("sound.mp4", &["-f", "lavfi", "-i", "sine=duration=1"]);
    assert_refused(&refusal(&home, &sound).await, &sound, "has no video stream: give a video");

    home.clip_of("cover.png", &["-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1"]);
    let (sound, cover) = (sound.to_str().unwrap(), home.path("cover.png"));
    let song = home.clip_of(
        "song.mp3",
        &["-i", sound, "-i", cover.to_str().unwrap(), "-map", "0", "-map", "1", "-disposition:v", "attached_pic"],
    );
    assert_refused(&refusal(&home, &song).await, &song, "has no video stream");
}

#[tokio::test]
async fn a_playlist_is_refused_because_its_films_are_elsewhere() {
    let home = Home::new();
    let clip = home.clip("clip.ts", 1);
    let list = home.path("list.m3u8");
    let name = clip.file_name().unwrap().to_str().unwrap();
    fs::write(&list, format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{name}\n#EXT-X-ENDLIST\n")).unwrap();
    assert_refused(&refusal(&home, &list).await, &list, "refers to other files");
}

#[tokio::test]
async fn a_playlist_does_not_reach_the_network() {
    let home = Home::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let address = server.local_addr().unwrap();
    let list = home.path("list.m3u8");
    fs::write(&list, format!("#EXTM3U\n#EXTINF:1,\nhttp://{address}/secret.ts\n#EXT-X-ENDLIST\n")).unwrap();
    refusal(&home, &list).await;
    assert_eq!(server.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody connected");
}

#[tokio::test]
async fn a_video_cut_short_is_refused_or_gives_the_frames_that_are_there() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 4);
    let bytes = fs::read(&clip).unwrap();
    let half = home.path("half.mp4");
    fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    assert_refused(&refusal(&home, &half).await, &half, "is not a media file that ffmpeg can read");

    let clip = home.clip("clip.ts", 4);
    let bytes = fs::read(&clip).unwrap();
    let half = home.path("half.ts");
    fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    let whole = home.process(&clip).await.keyframes;
    let part = home.process(&half).await.keyframes;
    assert!(!part.frames.is_empty() && part.frames.len() < whole.frames.len());
    assert_eq!(part.frames[0], whole.frames[0]);
}

#[tokio::test]
async fn a_video_that_changes_while_it_is_processed_is_an_error_and_nothing_is_cached() {
    let mut home = Home::new();
    let clip = home.clip("clip.mp4", 2);
    let real = home.ffmpeg.clone();
    let appending = format!("ffmpeg \"$@\"\nprintf x >> '{}'", clip.display());
    home.ffmpeg.ffmpeg = home.script("appending", &appending);
    let error = refusal(&home, &clip).await;
    assert_refused(&error, &clip, "changed while it was processed");
    assert_eq!(error.retry(), Retry::Later);

    // Nothing was kept under the identity that the video had.
    let bytes = fs::read(&clip).unwrap();
    fs::write(&clip, &bytes[..bytes.len() - 1]).unwrap();
    home.ffmpeg = real;
    assert_eq!(home.process(&clip).await.keyframe_stage().origin(), "loaded");
}

#[tokio::test]
async fn dimensions_beyond_what_can_be_decoded_are_an_error() {
    let home = Home::new();
    let clip =
        home.clip_of("huge.mkv", &["-f", "lavfi", "-i", "color=red:size=64x64:duration=1:rate=1", "-c:v", "mjpeg"]);
    let mut bytes = fs::read(&clip).unwrap();
    // The header of each frame says how large it is.
    let headers: Vec<usize> =
        bytes.windows(4).enumerate().filter(|(_, w)| *w == [0xFF, 0xC0, 0, 17]).map(|(at, _)| at).collect();
    assert!(!headers.is_empty());
    for at in headers {
        bytes[at + 5..at + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    }
    fs::write(&clip, bytes).unwrap();
    let error = refusal(&home, &clip).await;
    assert!(error.to_string().contains("huge.mkv"), "{error}");
}

#[tokio::test]
async fn a_video_without_a_duration_is_one_segment() {
    let home = Home::new();
    let clip = home
        .clip_of("live.mkv", &["-f", "lavfi", "-i", "testsrc=duration=2:size=64x64:rate=5", "-g", "5", "-live", "1"]);
    let report = home.process(&clip).await;
    assert_eq!(report.keyframes.frames.len(), 2);
    assert_eq!(report.keyframe_stage().coverage.segments, 1);
}
