//! Torrents that tell the truth, and those that do not.

use proptest::prelude::*;

use super::*;
use crate::pick::Wanted;

/// A text in bencode.
fn text(bytes: &[u8]) -> Vec<u8> {
    [format!("{}:", bytes.len()).as_bytes(), bytes].concat()
}

/// A file of a list, its path as it is given.
struct Listed<'a> {
    path: &'a [&'a [u8]],
    len: i128,
    more: &'a [u8],
}

fn listed<'a>(path: &'a [&'a [u8]], len: i128) -> Listed<'a> {
    Listed { path, len, more: b"" }
}

fn list(files: &[Listed<'_>]) -> Vec<u8> {
    let one = |file: &Listed<'_>| {
        let path: Vec<u8> = file.path.iter().flat_map(|part| text(part)).collect();
        let len = format!("6:lengthi{}e", file.len);
        [b"d", file.more, len.as_bytes(), b"4:pathl", &path, b"ee"].concat()
    };
    [b"5:filesl".to_vec(), files.iter().flat_map(one).collect(), b"e".to_vec()].concat()
}

fn info(files: &[u8], name: &[u8], piece: i128, pieces: usize) -> Bytes {
    let piece = format!("12:piece lengthi{piece}e");
    let pieces = text(&vec![7; pieces]);
    [b"d4:infod", files, b"4:name", &text(name), piece.as_bytes(), b"6:pieces", &pieces, b"ee"].concat().into()
}

/// A torrent of these files, honest about the number of its pieces.
fn torrent(files: &[Listed<'_>]) -> Bytes {
    let total: i128 = files.iter().map(|file| file.len).sum();
    let pieces = usize::try_from(total.clamp(0, 1 << 40).div_euclid(1 << 20) + 1).unwrap_or(0);
    info(&list(files), b"films", 1 << 20, if total % (1 << 20) == 0 { (pieces - 1) * 20 } else { pieces * 20 })
}

fn read(file: &Bytes) -> Result<Contents> {
    Contents::read(file, &Limits::default())
}

fn why(file: &Bytes) -> Why {
    read(file).unwrap_err().why()
}

#[test]
fn a_torrent_is_its_files_in_their_order() {
    let contents = read(&torrent(&[listed(&[b"a", b"read.me"], 7), listed(&[b"film.mkv"], 3 << 20)])).unwrap();
    let names: Vec<_> = contents.files().iter().map(|file| (file.index, file.name.as_str(), file.len)).collect();
    assert_eq!(names, [(0, "a/read.me", 7), (1, "film.mkv", 3 << 20)]);
    assert_eq!((contents.name(), contents.hash().to_string().len()), ("films", 40));
}

#[test]
fn what_is_kept_of_a_torrent_names_no_tracker_and_has_its_hash() {
    let plain = torrent(&[listed(&[b"film.mkv"], 9)]);
    let with = [b"d8:announce26:http://t.example/secret/ab", &plain[1..]].concat().into();
    let contents = read(&with).unwrap();
    assert_eq!((&contents.torrent, contents.hash()), (&plain, read(&plain).unwrap().hash()));
    assert_eq!(trackers_in(&with).len(), 1);
    assert_eq!(read(&contents.torrent).unwrap(), contents);
}

#[test]
fn trust_18_names_that_lead_elsewhere_or_that_no_file_may_have_are_refused() {
    let long = [b'a'; 4096];
    let deep = vec![&b"abcdefgh"[..]; 200];
    let paths: [&[&[u8]]; 14] = [
        &[b".."],
        &[b"..", b"..", b"etc", b"passwd"],
        &[b"a", b"..", b"b.mkv"],
        &[b"../a.mkv"],
        &[b"/etc/passwd"],
        &[b"", b"etc", b"passwd"],
        &[],
        &[b""],
        &[b"."],
        &[b"a\\..\\b.mkv"],
        &[b"C:\\a.mkv"],
        &[b"a\0.mkv"],
        &[&long],
        &deep,
    ];
    for path in paths {
        assert_eq!(why(&torrent(&[listed(path, 9)])), Why::Malformed, "{path:?}");
    }
    for name in [&b".."[..], b"", b"../a", b"/a", b"a\0b", b"a\r\nb", &long] {
        assert_eq!(why(&info(b"6:lengthi9e", name, 1 << 20, 20)), Why::Malformed, "{name:?}");
    }
}

#[test]
fn trust_18_names_that_clash_and_links_are_refused() {
    assert_eq!(why(&torrent(&[listed(&[b"Film.mkv"], 9), listed(&[b"fILM.MKV"], 9)])), Why::Malformed);
    assert_eq!(why(&torrent(&[listed(&[b"a.mkv"], 9), listed(&[b"a.mkv"], 9)])), Why::Malformed);
    for more in [&b"4:attr1:l"[..], b"4:attr2:xl"] {
        assert_eq!(why(&torrent(&[Listed { path: &[b"a.mkv"], len: 9, more }])), Why::Malformed);
    }
    let target = b"d6:lengthi9e4:pathl5:a.mkve12:symlink pathl2:..6:passwdee";
    let target = [b"5:filesl", &target[..], b"e"].concat();
    assert_eq!(why(&info(&target, b"a", 1 << 20, 20)), Why::Malformed);
    // Files that fill up pieces may have one name.
    let padding = || Listed { path: &[b".pad", b"9"], len: 9, more: b"4:attr1:p" };
    let padded = torrent(&[listed(&[b"a.mkv"], 9), padding(), listed(&[b"b.mkv"], 9), padding()]);
    assert_eq!(read(&padded).unwrap().files().len(), 2);
}

#[test]
fn trust_18_a_million_files_are_refused() {
    let one = b"d6:lengthi1e4:pathl1:aee";
    let files = [b"5:filesl".to_vec(), one.repeat(300_000), b"e".to_vec()].concat();
    assert_eq!(why(&info(&files, b"a", 1 << 20, 20)), Why::TooLarge);
    let files = [b"5:filesl".to_vec(), one.repeat(1_000_000), b"e".to_vec()].concat();
    assert_eq!(why(&info(&files, b"a", 1 << 20, 20)), Why::TooLarge);
}

#[test]
fn trust_18_pieces_of_no_length_or_a_huge_one_are_refused() {
    for (piece, expected) in [
        (0, Why::Malformed),
        (1, Why::Malformed),
        (-1, Why::Malformed),
        (1 << 31, Why::TooLarge),
        (i128::from(u32::MAX), Why::TooLarge),
        (1 << 32, Why::Malformed),
        (i128::MAX, Why::Malformed),
    ] {
        assert_eq!(why(&info(b"6:lengthi9e", b"a.mkv", piece, 20)), expected, "{piece}");
    }
}

#[test]
fn trust_18_lengths_that_lie_are_refused() {
    for (len, pieces) in [(9, 0), (9, 19), (9, 40), (1 << 20, 60), (0, 0), (0, 20), (1 << 30, 20), (-1, 20)] {
        let len = format!("6:lengthi{len}e");
        assert_eq!(why(&info(len.as_bytes(), b"a.mkv", 1 << 20, pieces)), Why::Malformed, "{len} {pieces}");
    }
    // A sum that begins again at zero.
    let half = i128::from(u64::MAX / 2 + 1);
    let sum = list(&[listed(&[b"a.mkv"], half), listed(&[b"b.mkv"], half), listed(&[b"c.mkv"], 9)]);
    assert_eq!(why(&info(&sum, b"a", 1 << 20, 20)), Why::TooLarge);
    let both = [b"6:lengthi9e".to_vec(), list(&[listed(&[b"a.mkv"], 9)])].concat();
    for files in [&both[..], b"", b"5:filesle"] {
        assert_eq!(why(&info(files, b"a", 1 << 20, 20)), Why::Malformed);
    }
}

#[test]
fn trust_18_nesting_without_end_is_refused() {
    for depth in [1_000, 100_000] {
        let nested = [b"d1:a".to_vec(), b"l".repeat(depth), b"e".repeat(depth), b"e".to_vec()].concat();
        assert_eq!(why(&nested.into()), Why::Malformed);
        let nested = [b"d4:infod1:a".to_vec(), b"d1:a".repeat(depth), b"i1e".to_vec(), b"e".repeat(depth + 2)].concat();
        assert_eq!(why(&nested.into()), Why::Malformed);
    }
}

#[test]
fn trust_20_ten_terabytes_are_refused_whatever_their_pieces() {
    let ten = 10_i128 << 40;
    for piece in [64 << 20, 1 << 20] {
        let pieces = usize::try_from(ten / piece).unwrap() * 20;
        let limits = Limits { metadata: u64::MAX, ..Limits::default() };
        let file = info(format!("6:lengthi{ten}e").as_bytes(), b"a.mkv", piece, pieces);
        assert_eq!(Contents::read(&file, &limits).unwrap_err().why(), Why::TooLarge);
    }
    assert_eq!(why(&info(b"6:lengthi9e", b"a.mkv", 1 << 20, 9 << 20)), Why::TooLarge, "the description");
}

#[test]
fn a_file_is_picked_by_its_number_its_episode_or_its_length() {
    let files = torrent(&[
        listed(&[b"sample.mkv"], 8),
        listed(&[b"S01E01.mkv"], 50),
        listed(&[b"S01E02.mkv"], 40),
        listed(&[b"all.zip"], 90),
        listed(&[b"empty.mkv"], 0),
    ]);
    let contents = read(&files).unwrap();
    let pick = |index, episode| Wanted { index, episode }.among(&contents).map(|file| file.index);
    assert_eq!(pick(None, None), Ok(1));
    assert_eq!(pick(None, Some((1, 2))), Ok(2));
    assert_eq!(pick(Some(3), Some((1, 2))), Ok(3));
    for (index, episode) in [(Some(4), None), (Some(5), None), (Some(usize::MAX), None), (None, Some((2, 1)))] {
        assert_eq!(pick(index, episode).unwrap_err().why(), Why::NotFound);
    }
    let other = read(&torrent(&[listed(&[b"a.zip"], 9)])).unwrap();
    assert_eq!(Wanted::default().among(&other).unwrap_err().why(), Why::NotFound);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        _ = read(&bytes.into());
    }

    #[test]
    fn a_torrent_with_a_byte_changed_is_read_or_refused(at in 0_usize..200, to: u8) {
        let mut bytes = torrent(&[listed(&[b"a", b"read.me"], 7), listed(&[b"film.mkv"], 3 << 20)]).to_vec();
        let at = at % bytes.len();
        bytes[at] = to;
        _ = read(&bytes.into());
    }
}
