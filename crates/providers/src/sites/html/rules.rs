//! `Rules`: a table of selectors, ready to be used.

use scraper::Selector;
use url::Url;

use super::field::{Field, selector};
use super::table::{HtmlError, HtmlFollow, HtmlPage, HtmlSearch, HtmlTable};
use crate::sites::site::encoded;
use crate::{Failure, LinkKind, Reason, SearchQuery};

const TEMPLATE: &str = "an address of HTTP with {query}, and perhaps {page}, in its path or query";
const HOST: &str = "a list of HOST or HOST:PORT";
const SOME_HOST: &str = "there, because the site has no search";
const MAX_PAGES: u32 = 50;
const MAX_DEPTH: u32 = 5;
/// Longer than anybody searches for, in characters.
const MAX_QUERY: usize = 1000;

/// A table of selectors, ready to be used.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) search: Option<Search>,
    pub(super) row: Selector,
    pub(super) link: Field,
    pub(super) resolution: Option<Field>,
    pub(super) kind: Option<LinkKind>,
    pub(super) title: Option<Field>,
    pub(super) image: Option<Field>,
    pub(super) duration: Option<Field>,
    pub(super) creator: Option<Field>,
    pub(super) follow: Option<Follow>,
    pub(super) landmark: Option<Selector>,
    hosts: Vec<Host>,
}

/// A host whose pages are asked for.
#[derive(Debug)]
struct Host {
    name: String,
    /// None for that of the scheme.
    port: Option<u16>,
}

#[derive(Debug)]
pub(super) struct Search {
    template: String,
    first_page: u32,
    pub(super) row: Selector,
    pub(super) title: Field,
    pub(super) link: Field,
    pub(super) image: Option<Field>,
    pub(super) duration: Option<Field>,
    pub(super) creator: Option<Field>,
    pub(super) next: Option<Field>,
}

#[derive(Debug)]
pub(super) struct Follow {
    pub(super) link: Field,
    pub(super) pages: usize,
    pub(super) depth: u32,
}

/// Where the next page of a search is.
pub(super) enum Paging {
    /// Where the page says, if it does.
    Told,
    /// At this number.
    Numbered(u32),
}

impl Rules {
    /// # Errors
    /// When a field of `table` is wrong.
    pub(super) fn of(table: &HtmlTable) -> Result<Self, HtmlError> {
        let HtmlTable { search, page, follow, hosts, landmark } = table;
        let HtmlPage { row, link, resolution, kind, title, image, duration, creator } = page;
        let search = search.as_ref().map(Search::of).transpose()?;
        Ok(Self {
            row: selector(row, "page.row")?,
            link: Field::of(link, "page.link")?,
            resolution: some(resolution.as_deref(), "page.resolution")?,
            kind: *kind,
            title: some(title.as_deref(), "page.title")?,
            image: some(image.as_deref(), "page.image")?,
            duration: some(duration.as_deref(), "page.duration")?,
            creator: some(creator.as_deref(), "page.creator")?,
            follow: follow.as_ref().map(Follow::of).transpose()?,
            landmark: landmark.as_deref().map(|text| selector(text, "landmark")).transpose()?,
            hosts: all_hosts(hosts, search.as_ref())?,
            search,
        })
    }

    /// Whether `url` is a page of the site's hosts.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        matches!(url.scheme(), "http" | "https") && self.hosts.iter().any(|host| host.is_of(url))
    }
}

impl Search {
    fn of(table: &HtmlSearch) -> Result<Self, HtmlError> {
        let HtmlSearch { url, first_page, row, title, link, image, duration, creator, next } = table;
        template(url).ok_or(HtmlError { field: "search.url", expected: TEMPLATE })?;
        Ok(Self {
            template: url.clone(),
            first_page: *first_page,
            row: selector(row, "search.row")?,
            title: Field::of(title, "search.title")?,
            link: Field::of(link, "search.link")?,
            image: some(image.as_deref(), "search.image")?,
            duration: some(duration.as_deref(), "search.duration")?,
            creator: some(creator.as_deref(), "search.creator")?,
            next: some(next.as_deref(), "search.next")?,
        })
    }

    /// The page that `query` asks for, and where the one behind it is.
    pub(super) fn address(&self, query: &SearchQuery) -> Result<(Url, Paging), Failure> {
        let no_page = || Failure::new(Reason::Unsupported, "there is no such page of results");
        let is_counted = self.next.is_none() && self.template.contains("{page}");
        let number = match query.page.as_deref() {
            None => self.first_page,
            Some(page) if is_counted => page.parse().map_err(|_| no_page())?,
            Some(page) if self.next.is_some() => return Ok((Url::parse(page).map_err(|_| no_page())?, Paging::Told)),
            Some(_) => return Err(no_page()),
        };
        let text: String = query.text.chars().take(MAX_QUERY).collect();
        let url = Url::parse(&filled(&self.template, &text, number)).map_err(|_| no_page())?;
        let paging = if is_counted { Paging::Numbered(number.saturating_add(1)) } else { Paging::Told };
        Ok((url, paging))
    }
}

impl Host {
    /// What `text` says: `HOST` or `HOST:PORT`.
    fn told(text: &str) -> Option<Self> {
        let [http, https] = ["http", "https"].map(|scheme| Url::parse(&format!("{scheme}://{text}/")).ok());
        let url = http.filter(|url| url.path() == "/" && url.username().is_empty() && url.password().is_none())?;
        let is_bare = url.query().is_none() && url.fragment().is_none();
        // Each scheme hides its own port, even if it is told.
        let port = url.port().or(https?.port());
        is_bare.then_some(Self { name: url.host_str()?.to_owned(), port })
    }

    fn is_of(&self, url: &Url) -> bool {
        let is_port = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.port().is_none(),
        };
        is_port && url.host_str() == Some(&self.name)
    }
}

impl Follow {
    fn of(table: &HtmlFollow) -> Result<Self, HtmlError> {
        if !(1..=MAX_PAGES).contains(&table.pages) {
            return Err(HtmlError { field: "follow.pages", expected: "1 to 50" });
        }
        if !(1..=MAX_DEPTH).contains(&table.depth) {
            return Err(HtmlError { field: "follow.depth", expected: "1 to 5" });
        }
        Ok(Self { link: Field::of(&table.link, "follow.link")?, pages: table.pages as usize, depth: table.depth })
    }
}

fn some(text: Option<&str>, field: &'static str) -> Result<Option<Field>, HtmlError> {
    text.map(|text| Field::of(text, field)).transpose()
}

/// Whether `text` is a template, and of what host.
fn template(text: &str) -> Option<Url> {
    let names = text.match_indices('{').map(|(at, _)| text.get(at..).unwrap_or_default());
    let is_known = names.into_iter().all(|name| name.starts_with("{query}") || name.starts_with("{page}"));
    let [one, other] = ["a", "b"].map(|query| Url::parse(&filled(text, query, 1)).ok());
    let (one, other) = (one?, other?);
    let is_web = matches!(one.scheme(), "http" | "https") && one.has_host();
    // What is searched for must not decide whom to ask.
    (is_known && is_web && one != other && one.origin() == other.origin()).then_some(one)
}

fn filled(template: &str, query: &str, page: u32) -> String {
    // The query last: it may have braces itself, but encoded.
    template.replace("{page}", &page.to_string()).replace("{query}", &encoded(query))
}

fn all_hosts(hosts: &[String], search: Option<&Search>) -> Result<Vec<Host>, HtmlError> {
    let told = hosts.iter().map(|host| Host::told(host).ok_or(HtmlError { field: "hosts", expected: HOST }));
    let mut all = told.collect::<Result<Vec<Host>, HtmlError>>()?;
    let searched = search.and_then(|search| template(&search.template));
    all.extend(searched.and_then(|url| Some(Host { name: url.host_str()?.to_owned(), port: url.port() })));
    if all.is_empty() { Err(HtmlError { field: "hosts", expected: SOME_HOST }) } else { Ok(all) }
}
