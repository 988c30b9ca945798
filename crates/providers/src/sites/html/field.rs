//! `Field`: what a page says in one place.

use scraper::{ElementRef, Html, Selector};

use super::HtmlError;
use super::text::squeezed;

const SELECTOR: &str = "a CSS selector";
const FIELD: &str = "SELECTOR, SELECTOR@ATTRIBUTE or @ATTRIBUTE";

/// What a page says in one place: a text or an attribute.
#[derive(Debug)]
pub(super) struct Field {
    /// None for the row itself.
    selector: Option<Selector>,
    attribute: Option<String>,
}

impl Field {
    /// # Errors
    /// When `text` is no field; the error names it as `field`.
    pub(super) fn of(text: &str, field: &'static str) -> Result<Self, HtmlError> {
        let wrong = || HtmlError { field, expected: FIELD };
        // A selector has an `@` in a quoted value only.
        let (selector, attribute) = match text.rsplit_once('@') {
            Some((selector, attribute)) if !attribute.contains(['"', '\'', ']', ')']) => (selector, Some(attribute)),
            _ => (text, None),
        };
        let attribute = attribute.map(str::trim).map(str::to_ascii_lowercase);
        if attribute.as_deref().is_some_and(|name| name.is_empty() || name.contains(char::is_whitespace)) {
            return Err(wrong());
        }
        let selector = match selector.trim() {
            "" if attribute.is_some() => None,
            selector => Some(Selector::parse(selector).map_err(|_| wrong())?),
        };
        Ok(Self { selector, attribute })
    }

    /// What it says in `row`, if anything.
    pub(super) fn in_row(&self, row: ElementRef<'_>) -> Option<String> {
        let place = match &self.selector {
            None => row,
            Some(selector) => row.select(selector).next()?,
        };
        self.value(place)
    }

    /// What it says on the page, if anything.
    pub(super) fn in_page(&self, html: &Html) -> Option<String> {
        self.all_in_page(html).next()
    }

    /// All that it says on the page.
    pub(super) fn all_in_page<'a>(&'a self, html: &'a Html) -> impl Iterator<Item = String> + 'a {
        let places = self.selector.iter().flat_map(|selector| html.select(selector));
        places.filter_map(|place| self.value(place))
    }

    fn value(&self, place: ElementRef<'_>) -> Option<String> {
        let value = match &self.attribute {
            Some(attribute) => place.attr(attribute)?.trim().to_owned(),
            None => squeezed(place.text()),
        };
        Some(value).filter(|value| !value.is_empty())
    }
}

/// # Errors
/// When `text` is no selector; the error names it as `field`.
pub(super) fn selector(text: &str, field: &'static str) -> Result<Selector, HtmlError> {
    Selector::parse(text).map_err(|_| HtmlError { field, expected: SELECTOR })
}
