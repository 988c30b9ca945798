//! `Wanted`: what an address under `/play/` names.

use std::fmt;

use cache_core::Result;
use providers::LinkRequest;

/// The highest index of a stream, season or episode.
const MAX_NUMBER: u32 = 9_999;

/// What the part of an address behind `/play/` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// `TYPE/ID/INDEX[/SEASON/EPISODE]`: one of the streams of a title.
    Stream(Title, usize),
    /// `TYPE/ID[/SEASON/EPISODE].m3u`: a playlist of all of them.
    Playlist(Title),
}

/// A film, or an episode of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Title {
    /// Its identifier in `IMDb`, `tt` and digits.
    pub(crate) id: String,
    pub(crate) episode: Option<Episode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Episode {
    pub(crate) season: u32,
    pub(crate) number: u32,
}

impl Wanted {
    /// Reads `path` as it was sent, escapes and all: nothing that is valid has any.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(path: &str) -> Result<Self, &'static str> {
        let (path, is_playlist) = path.strip_suffix(".m3u").map_or((path, false), |path| (path, true));
        let parts: Vec<&str> = path.split('/').collect();
        let (kind, id, rest) = match &parts[..] {
            [kind, id, rest @ ..] => (*kind, *id, rest),
            _ => return Err("an address to play is /play/TYPE/ID/INDEX, with /SEASON/EPISODE for a series"),
        };
        let (index, rest) = match rest {
            rest if is_playlist => (None, rest),
            [index, rest @ ..] => {
                (Some(number(index).ok_or("the index of a stream is a number from 0 to 9999")?), rest)
            }
            [] => return Err("which stream to play is missing: /play/TYPE/ID/INDEX"),
        };
        let title = Title::of(kind, id, rest)?;
        Ok(index.map_or_else(|| Self::Playlist(title.clone()), |index| Self::Stream(title.clone(), index as usize)))
    }
}

impl Title {
    fn of(kind: &str, id: &str, rest: &[&str]) -> Result<Self, &'static str> {
        let digits = id.strip_prefix("tt").unwrap_or_default();
        if !(5..=12).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("an identifier is one of IMDb: tt and 5 to 12 digits");
        }
        let episode = match (kind, rest) {
            ("movie", []) => None,
            ("movie", _) => return Err("a movie has no seasons and episodes"),
            ("series", [season, episode]) => match (number(season), number(episode)) {
                (Some(season), Some(number)) => Some(Episode { season, number }),
                _ => return Err("season and episode are numbers from 0 to 9999"),
            },
            ("series", _) => {
                return Err("a series is played by season and episode: /play/series/ID/INDEX/SEASON/EPISODE");
            }
            _ => return Err("a type is movie or series"),
        };
        Ok(Self { id: id.to_owned(), episode })
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.episode.is_some() { "series" } else { "movie" }
    }

    /// What add-ons are asked.
    ///
    /// # Errors
    /// As [`LinkRequest::of_id`].
    pub(crate) fn request(&self) -> Result<LinkRequest> {
        let Self { id, episode } = self;
        match episode {
            None => LinkRequest::of_id(&format!("movie/{id}")),
            Some(Episode { season, number }) => LinkRequest::of_id(&format!("series/{id}/{id}:{season}:{number}")),
        }
    }

    /// Where the stream `index` is played.
    pub(crate) fn path(&self, index: usize) -> String {
        let (kind, id) = (self.kind(), &self.id);
        match &self.episode {
            None => format!("/play/{kind}/{id}/{index}"),
            Some(Episode { season, number }) => format!("/play/{kind}/{id}/{index}/{season}/{number}"),
        }
    }
}

/// As it is called where nothing better is known.
impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.episode {
            None => f.write_str(&self.id),
            Some(Episode { season, number }) => write!(f, "{} S{season:02}E{number:02}", self.id),
        }
    }
}

/// A number in its one form: digits, without a zero before others.
fn number(text: &str) -> Option<u32> {
    let is_one = matches!(text.len(), 1..=4) && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number <= MAX_NUMBER)?;
    (is_one && (text.len() == 1 || !text.starts_with('0'))).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(id: &str, index: usize, episode: Option<(u32, u32)>) -> Wanted {
        let episode = episode.map(|(season, number)| Episode { season, number });
        Wanted::Stream(Title { id: id.to_owned(), episode }, index)
    }

    #[test]
    fn a_movie_has_an_index_and_a_series_season_and_episode_too() {
        assert_eq!(Wanted::parse("movie/tt0111161/0"), Ok(stream("tt0111161", 0, None)));
        assert_eq!(Wanted::parse("movie/tt0111161/9999"), Ok(stream("tt0111161", 9999, None)));
        assert_eq!(Wanted::parse("series/tt0903747/1/2/13"), Ok(stream("tt0903747", 1, Some((2, 13)))));
        let title = Title { id: "tt0903747".to_owned(), episode: Some(Episode { season: 0, number: 1 }) };
        assert_eq!(Wanted::parse("series/tt0903747/0/1.m3u"), Ok(Wanted::Playlist(title.clone())));
        assert_eq!(title.path(7), "/play/series/tt0903747/7/0/1");
        assert_eq!(title.request().unwrap().url(), "series/tt0903747/tt0903747:0:1");
        assert!(matches!(Wanted::parse("movie/tt0111161.m3u"), Ok(Wanted::Playlist(_))));
    }

    #[test]
    fn whatever_is_not_written_in_its_one_form_is_refused() {
        for index in
            ["", "-1", "+1", "01", "0x1", "1e3", "1.5", "10000", "18446744073709551616", "%30", "１", " 1", "1 ", "a"]
        {
            assert!(Wanted::parse(&format!("movie/tt0111161/{index}")).is_err(), "{index}");
            assert!(Wanted::parse(&format!("series/tt0903747/0/{index}/1")).is_err(), "{index}");
            assert!(Wanted::parse(&format!("series/tt0903747/0/1/{index}")).is_err(), "{index}");
        }
        for id in [
            "",
            "tt",
            "tt1",
            "0111161",
            "TT0111161",
            "tt01111610000000",
            "tt0111161%2f..",
            "..",
            "tt01111a1",
            "tt0111161:1:1",
        ] {
            assert!(Wanted::parse(&format!("movie/{id}/0")).is_err(), "{id}");
        }
        for path in [
            "",
            "movie",
            "movie/tt0111161",
            "movie/tt0111161/0/",
            "movie/tt0111161/0/1/1",
            "series/tt0903747/0",
            "series/tt0903747/0/1",
            "series/tt0903747/0/1/1/1",
            "Movie/tt0111161/0",
            "channel/tt0111161/0",
            "../movie/tt0111161/0",
            "movie//tt0111161/0",
            "movie/tt0111161/0.m3u",
            "series/tt0903747.m3u",
        ] {
            assert!(Wanted::parse(path).is_err(), "{path}");
        }
    }
}
