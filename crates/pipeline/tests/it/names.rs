//! Paths are bytes: whatever a file is called, it is that file which is read, and no other.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use pipeline::{KeyframeParams, Selection};

use super::support::{Home, process, process_with};

#[tokio::test]
async fn any_name_works() {
    let home = Home::new();
    let names: [&[u8]; 12] = [
        b"a b.mp4",
        b"it's \"it\".mp4",
        b"two\nlines\r.mp4",
        b"\xFF\xFE.mp4",
        b"-v.mp4",
        b"%05d.mp4",
        b"http:x.mp4",
        b"a,b;c|d&e.mp4",
        b"[a]{b}*?.mp4",
        b"back\\slash.mp4",
        "Übergröße 映画.mp4".as_bytes(),
        b"no extension",
    ];
    let plain = home.clip("plain.mp4", 1);
    let cache = home.cache();
    let expected = process(&home, &cache, &plain).await.keyframes;
    for (number, name) in (0u8..).zip(names) {
        // Other content for each, so that none is answered by another's entry.
        let path = home.path(OsStr::from_bytes(name));
        let mut bytes = fs::read(&plain).unwrap();
        bytes.extend_from_slice(b"\0\0\0\x18free");
        bytes.extend_from_slice(&[number; 16]);
        fs::write(&path, bytes).unwrap();
        let report = process(&home, &cache, &path).await;
        assert_eq!(report.keyframe_stage().origin(), "loaded", "{name:?}");
        assert_eq!(report.keyframes, expected, "{name:?}");
        fs::remove_file(path).unwrap();
    }
}

#[tokio::test]
async fn a_name_that_is_a_pattern_reads_no_other_files() {
    let home = Home::new();
    let cache = home.cache();
    let picture = |name: &str, colour: &str| {
        home.clip_of(name, &["-f", "lavfi", "-i", &format!("color={colour}:size=64x64"), "-frames:v", "1"])
    };
    for number in 0..3 {
        picture(&format!("{number}.jpg"), "red");
    }
    let pattern = picture("%d.jpg", "blue");
    // Refused by this name; found to be a lone picture by another. Neither way are the red ones its frames.
    assert!(process_with(&home, &cache, &pattern, KeyframeParams::default(), Selection::all()).await.is_err());
    fs::copy(&pattern, home.path("lone")).unwrap();
    let lone = process(&home, &cache, &home.path("lone")).await;
    assert_eq!(lone.keyframes.frames.len(), 1);
    let quality = KeyframeParams { quality: 5, ..Default::default() };
    let again = process_with(&home, &cache, &pattern, quality, Selection::all()).await.unwrap();
    assert_eq!(again.keyframes.frames.len(), 1);
}
