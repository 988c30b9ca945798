//! `Field`: what a page says in one place.

use scraper::{ElementRef, Selector};

use super::HtmlError;
use super::text::squeezed;
use super::tree::Tree;

const SELECTOR: &str = "a CSS selector within the limits of HtmlTable";
const FIELD: &str = "SELECTOR, SELECTOR@ATTRIBUTE or @ATTRIBUTE, with a selector within the limits of HtmlTable";
/// The longest selector, in bytes.
const MAX_SELECTOR: usize = 1000;

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
            selector => Some(parsed(selector).ok_or_else(wrong)?),
        };
        Ok(Self { selector, attribute })
    }

    /// What it says in `row`, if anything.
    pub(super) fn in_row(&self, tree: &Tree, row: ElementRef<'_>) -> Option<String> {
        let place = match &self.selector {
            None => row,
            Some(selector) => tree.select(Some(row), selector).next()?,
        };
        self.value(place)
    }

    /// What it says on the page, if anything.
    pub(super) fn in_page(&self, tree: &Tree) -> Option<String> {
        self.all_in_page(tree).next()
    }

    /// All that it says on the page.
    pub(super) fn all_in_page<'a>(&'a self, tree: &'a Tree) -> impl Iterator<Item = String> + 'a {
        let places = self.selector.iter().flat_map(|selector| tree.select(None, selector));
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
    parsed(text).ok_or(HtmlError { field, expected: SELECTOR })
}

/// The selector that `text` is, if matching it with one element takes time that grows with the page and no faster. Each
/// of these looks at many elements; two of them, or one inside another, at many for each of many.
fn parsed(text: &str) -> Option<Selector> {
    let siblings = text.matches('~').count() - text.matches("~=").count();
    let is_wide = |words: &[&str]| usize::from(words.iter().any(|word| text.to_ascii_lowercase().contains(word)));
    let wide = siblings + is_wide(&[":has("]) + is_wide(&[":nth-", "-of-type"]);
    let is_simple = text.len() <= MAX_SELECTOR && wide <= 1 && !has_nested_paths(text);
    is_simple.then(|| Selector::parse(text).ok()).flatten()
}

/// Whether there is white space in parentheses that are in parentheses or have some: each level of `:is(:is(a b) c)` goes
/// through all ancestors.
fn has_nested_paths(text: &str) -> bool {
    let (mut depth, mut deepest, mut has_space) = (0_usize, 0, false);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c => has_space |= depth > 0 && c.is_whitespace(),
        }
        deepest = deepest.max(depth);
    }
    deepest > 1 && has_space
}
