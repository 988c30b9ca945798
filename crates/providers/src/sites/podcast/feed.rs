//! Feeds of RSS, as podcasts have them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::super::media::span;

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 64;
/// The most episodes that are read.
const MAX_EPISODES: usize = 10_000;
/// The most addresses of one episode that are read.
const MAX_SOURCES: usize = 64;

/// A show.
#[derive(Debug, Default)]
pub(super) struct Feed {
    pub(super) title: Option<String>,
    pub(super) page: Option<String>,
    pub(super) image: Option<String>,
    pub(super) episodes: Vec<Episode>,
    /// Whether there are more.
    pub(super) is_cut: bool,
}

/// One with nothing to play is left out.
#[derive(Debug, Default)]
pub(super) struct Episode {
    guid: Option<String>,
    pub(super) title: Option<String>,
    pub(super) page: Option<String>,
    pub(super) image: Option<String>,
    pub(super) duration: Option<Duration>,
    /// The enclosure first.
    pub(super) sources: Vec<Source>,
}

/// An address of an episode. Texts are shared: of many sources they are said once.
#[derive(Debug, Default, Clone)]
pub(super) struct Source {
    pub(super) url: String,
    pub(super) content_type: Option<Arc<str>>,
    pub(super) bytes: Option<u64>,
    pub(super) bit_rate: Option<u64>,
    pub(super) height: Option<u32>,
    pub(super) title: Option<Arc<str>>,
    pub(super) language: Option<Arc<str>>,
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    /// The names of the elements that are open.
    open: Vec<String>,
    /// The text of the innermost.
    text: String,
    feed: Feed,
    episode: Episode,
    /// What is said of the sources in an alternative enclosure.
    alternative: Source,
    enclosure: Option<Source>,
}

impl Feed {
    /// The same, where no two episodes are known by one `guid`.
    fn told_apart(mut self) -> Self {
        let mut known: HashMap<String, usize> = HashMap::new();
        for guid in self.episodes.iter().filter_map(|episode| episode.guid.clone()) {
            *known.entry(guid).or_default() += 1;
        }
        for episode in &mut self.episodes {
            episode.guid.take_if(|guid| known.get(guid).is_some_and(|episodes| *episodes > 1));
        }
        self
    }
}

impl Episode {
    /// What it is known by.
    pub(super) fn id(&self) -> Option<&str> {
        self.guid.as_deref().or_else(|| self.sources.first().map(|source| source.url.as_str()))
    }
}

/// The feed that `xml` is, or why it is none. Nothing outside of it is read, and no entity but those of XML is known.
pub(super) fn parsed(xml: &str) -> Result<Feed, &'static str> {
    const BROKEN: &str = "the feed is no XML";
    let mut reader = Reader::from_str(xml);
    let mut reading = Reading::default();
    let mut is_feed = false;
    loop {
        match reader.read_event().map_err(|_| BROKEN)? {
            Event::Start(tag) => {
                is_feed |= reading.open.is_empty() && tag.name().as_ref() == b"rss";
                reading.begin(&tag)?;
            }
            Event::Empty(tag) => {
                reading.begin(&tag)?;
                reading.end();
            }
            Event::End(_) => reading.end(),
            Event::Text(text) => reading.text.push_str(&text.decode().map_err(|_| BROKEN)?),
            Event::CData(text) => reading.text.push_str(&text.decode().map_err(|_| BROKEN)?),
            Event::GeneralRef(entity) => reading.text.push_str(&resolved(&entity)),
            Event::Eof if !reading.open.is_empty() => return Err("the feed ends too early"),
            Event::Eof if !is_feed => return Err("that is no feed of RSS"),
            Event::Eof => return Ok(reading.feed.told_apart()),
            _ => {}
        }
    }
}

impl Reading {
    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), &'static str> {
        if self.open.len() >= MAX_DEPTH {
            return Err("the feed is nested too deep");
        }
        self.open.push(String::from_utf8_lossy(tag.name().as_ref()).into_owned());
        self.text.clear();
        let get = |name: &str| attribute(tag, name);
        let names: Vec<&str> = self.open.iter().map(String::as_str).collect();
        match names[..] {
            ["rss", "channel", "item"] => (self.episode, self.enclosure) = (Episode::default(), None),
            ["rss", "channel", "itunes:image"] => self.feed.image = get("href"),
            ["rss", "channel", "item", "itunes:image"] => self.episode.image = get("href"),
            ["rss", "channel", "item", "enclosure"] => {
                self.enclosure = get("url").map(|url| Source { url, ..source(&get) });
            }
            ["rss", "channel", "item", "podcast:alternateEnclosure"] => self.alternative = source(&get),
            ["rss", "channel", "item", "podcast:alternateEnclosure", "podcast:source"] => {
                let url = get("uri").filter(|_| self.episode.sources.len() < MAX_SOURCES);
                let Some(url) = url else { return Ok(()) };
                let mut source = Source { url, ..self.alternative.clone() };
                if let Some(other) = get("contentType") {
                    // Another thing than the enclosure: a torrent, say, with another length.
                    (source.content_type, source.bytes) = (Some(other.into()), None);
                }
                self.episode.sources.push(source);
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) {
        let text = || Some(self.text.trim().to_owned()).filter(|text| !text.is_empty());
        let names: Vec<&str> = self.open.iter().map(String::as_str).collect();
        match names[..] {
            ["rss", "channel", "title"] => self.feed.title = text(),
            ["rss", "channel", "link"] => self.feed.page = text(),
            ["rss", "channel", "item", "title"] => self.episode.title = text(),
            ["rss", "channel", "item", "link"] => self.episode.page = text(),
            ["rss", "channel", "item", "guid"] => self.episode.guid = text(),
            ["rss", "channel", "item", "itunes:duration"] => self.episode.duration = span(&self.text),
            ["rss", "channel", "item"] => {
                let mut episode = std::mem::take(&mut self.episode);
                // It may come behind its alternatives.
                episode.sources.splice(0..0, self.enclosure.take());
                if self.feed.episodes.len() >= MAX_EPISODES {
                    self.feed.is_cut = true;
                } else if !episode.sources.is_empty() {
                    self.feed.episodes.push(episode);
                }
            }
            _ => {}
        }
        self.open.pop();
        self.text.clear();
    }
}

fn source(get: &impl Fn(&str) -> Option<String>) -> Source {
    let number = |name: &str| get(name)?.trim().parse::<f64>().ok().filter(|number| *number >= 1.0);
    Source {
        url: String::new(),
        content_type: get("type").map(Arc::from),
        // Some write 0 for what they do not know.
        bytes: get("length").and_then(|bytes| bytes.trim().parse().ok()).filter(|bytes| *bytes > 0),
        bit_rate: number("bitrate").and_then(|rate| format!("{rate:.0}").parse().ok()),
        height: get("height").and_then(|height| height.trim().parse().ok()),
        title: get("title").map(Arc::from),
        language: get("lang").map(Arc::from),
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// What an entity stands for; one that XML does not know is left as it is.
fn resolved(entity: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        return character.to_string();
    }
    let name = entity.decode().unwrap_or_default();
    resolve_predefined_entity(&name).map_or_else(|| format!("&{name};"), str::to_owned)
}
