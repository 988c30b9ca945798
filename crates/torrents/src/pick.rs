//! `Wanted`: which file of a torrent is meant.

use crate::contents::{Contents, FileOf};
use crate::error::{Result, TorrentError, Why};

const VIDEOS: [&str; 14] =
    ["mkv", "mp4", "avi", "mov", "m4v", "webm", "ts", "m2ts", "mpg", "mpeg", "wmv", "flv", "ogv", "vob"];
const SOUNDS: [&str; 8] = ["mp3", "flac", "m4a", "m4b", "aac", "ogg", "opus", "wav"];

/// Which file of a torrent is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The number of the file in the order of the torrent. It wins over the one that a link selects.
    pub index: Option<usize>,
    /// Season and number of an episode, by which names are looked through where no number is given.
    pub episode: Option<(u32, u32)>,
}

impl Wanted {
    /// The file that is meant: by its number; by season and episode in its name; or the longest video, or else recording.
    ///
    /// # Errors
    /// [`Why::NotFound`] when there is none.
    pub(crate) fn among<'a>(&self, contents: &'a Contents) -> Result<&'a FileOf> {
        if let Some(index) = self.index {
            let message =
                format!("the torrent has no file {index} with bytes in it: it has {}", contents.files().len());
            return contents.file(index).ok_or_else(|| TorrentError::new(Why::NotFound, message));
        }
        let videos: Vec<&FileOf> = contents.files().iter().filter(|file| has_end(&file.name, &VIDEOS)).collect();
        if let Some(episode) = self.episode
            && videos.len() > 1
        {
            let found = videos.into_iter().filter(|file| is_episode(&file.name, episode));
            let message = format!("no file of the torrent is named as episode {} of season {}", episode.1, episode.0);
            return longest(found).ok_or_else(|| TorrentError::new(Why::NotFound, message));
        }
        let sounds = contents.files().iter().filter(|file| has_end(&file.name, &SOUNDS));
        longest(videos.into_iter()).or_else(|| longest(sounds)).ok_or_else(|| {
            TorrentError::new(Why::NotFound, "the torrent holds nothing that plays: select a file by its number (so=)")
        })
    }
}

/// The longest, the first of several.
fn longest<'a>(files: impl Iterator<Item = &'a FileOf>) -> Option<&'a FileOf> {
    files.reduce(|longest, file| if file.len > longest.len { file } else { longest })
}

fn has_end(name: &str, ends: &[&str]) -> bool {
    let end = name.rsplit_once('.').map(|(_, end)| end);
    end.is_some_and(|end| ends.iter().any(|known| known.eq_ignore_ascii_case(end)))
}

/// Whether `name` says that it is the episode: `S01E02`, `s1.e2`, `S01E01E02`, `1x02`.
fn is_episode(name: &str, (season, number): (u32, u32)) -> bool {
    let text = name.to_ascii_lowercase();
    let text = text.as_bytes();
    let begins = |at: &usize| *at == 0 || !text[at - 1].is_ascii_alphanumeric();
    (0..text.len()).filter(begins).any(|at| {
        let rest = &text[at..];
        if let Some((found, rest)) = rest.strip_prefix(b"s").and_then(digits) {
            return found == season && episodes(rest).any(|found| found == number);
        }
        let by_cross = digits(rest).and_then(|(found, rest)| Some((found, digits(rest.strip_prefix(b"x")?)?.0)));
        by_cross == Some((season, number))
    })
}

/// The numbers of the episodes that `text` begins with: `e01`, `.e01-e02`.
fn episodes(mut text: &[u8]) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let skipped = text.iter().take_while(|byte| b" ._-".contains(byte)).count();
        let (number, rest) = digits(text[skipped..].strip_prefix(b"e")?)?;
        text = rest;
        Some(number)
    })
}

/// The number of at most four digits that `text` begins with, and what follows.
fn digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(&text[..count]).ok().filter(|digits| digits.len() <= 4)?.parse().ok()?;
    Some((number, &text[count..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_episodes_are_read_as_people_write_them() {
        for name in [
            "Show.S01E02.mkv",
            "show s1e2.mkv",
            "Show/Season 1/Show - s01.e02 - a.mkv",
            "Show.S01E01E02.mkv",
            "Show S01E01-E02.mkv",
            "show 1x02.mkv",
            "S01 E02.mkv",
        ] {
            assert!(is_episode(name, (1, 2)), "{name}");
        }
        for name in
            ["Show.S01E20.mkv", "Show.S11E02.mkv", "1920x1080.mkv", "Shows01e02.mkv", "11x02.mkv", "S01.mkv", ""]
        {
            assert!(!is_episode(name, (1, 2)), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_looked_through(name in ".{0,60}", episode in (0_u32..30, 0_u32..30)) {
            _ = is_episode(&name, episode);
            let named = format!("{name} S{:02}E{:02}.mkv", episode.0, episode.1);
            prop_assert!(is_episode(&named, episode));
        }
    }
}
