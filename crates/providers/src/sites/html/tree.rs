//! `Tree`: the elements of a page, read within limits.

use html5ever::driver::{ParseOpts, parse_document};
use html5ever::tendril::TendrilSink;
use scraper::{ElementRef, Html, HtmlTreeSink, Selector};

use super::limit::Limit;

/// Deeper than any page nests; matching a selector takes longer the deeper an element is.
const MAX_DEPTH: usize = 512;
const TOO_DEEP: &str = "nests deeper than any page does";
/// More elements, texts and comments than any page has; matching a selector takes longer the more there are.
const MAX_NODES: usize = 200_000;
const TOO_MANY: &str = "has more elements than any page does";
/// So many bytes are read before it is looked how that goes.
const PIECE: usize = 4 << 10;

/// The elements of a page.
#[derive(Debug)]
pub(super) struct Tree {
    html: Html,
    limit: Limit,
}

impl Tree {
    /// The tree of `text`.
    ///
    /// Parsing takes time that grows with the square of how deep elements nest and of how many attributes one has: what
    /// is written for that is given up early, which takes looking between pieces.
    ///
    /// # Errors
    /// What keeps it from being one.
    pub(super) fn of(text: &str, limit: Limit) -> Result<Self, &'static str> {
        let mut parser = parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE));
            parser.process(piece.into());
            rest = behind;
            let tree = &parser.tokenizer.sink.sink.0.borrow().tree;
            let mut nodes = tree.nodes();
            if nodes.len() > MAX_NODES {
                return Err(TOO_MANY);
            }
            if nodes.next_back().is_some_and(|latest| latest.ancestors().count() > MAX_DEPTH) {
                return Err(TOO_DEEP);
            }
            if !limit.lasts() {
                break;
            }
        }
        limit.checked()?;
        let html = parser.finish();
        if is_deep(&html) { Err(TOO_DEEP) } else { Ok(Self { html, limit }) }
    }

    /// The elements that `selector` matches: those in `row`, or all. They are not all that there are, when the limit is
    /// over then.
    pub(super) fn select<'a>(
        &'a self,
        row: Option<ElementRef<'a>>,
        selector: &'a Selector,
    ) -> impl Iterator<Item = ElementRef<'a>> {
        let inside = row.map_or_else(|| self.html.tree.root(), |row| *row).descendants().skip(1);
        // One element takes no time worth speaking of, by what selectors may be.
        let elements = inside.filter_map(ElementRef::wrap).take_while(|_| self.limit.lasts());
        elements.filter(move |element| selector.matches_with_scope(element, row))
    }

    /// # Errors
    /// When something has been left out.
    pub(super) fn checked(&self) -> Result<(), &'static str> {
        self.limit.checked()
    }
}

fn is_deep(html: &Html) -> bool {
    let (mut at, mut depth) = (html.tree.root(), 0);
    loop {
        if let Some(child) = at.first_child() {
            at = child;
            depth += 1;
            if depth > MAX_DEPTH {
                return true;
            }
            continue;
        }
        // Up to the first that has a sibling.
        at = loop {
            if let Some(sibling) = at.next_sibling() {
                break sibling;
            }
            let Some(parent) = at.parent() else { return false };
            at = parent;
            depth -= 1;
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn count(tree: &Tree, selector: &str) -> usize {
        tree.select(None, &Selector::parse(selector).unwrap()).count()
    }

    #[test]
    fn elements_are_found_in_the_page_and_in_a_row() {
        let waiting = Arc::new(());
        let tree = Tree::of("<p><a>1</a></p><p id=b><i><a>2</a></i><a>3</a>", Limit::new(LONG, &waiting)).unwrap();
        assert_eq!((count(&tree, "a"), count(&tree, "html"), count(&tree, "p:has(i)")), (3, 1, 1));
        let b = Selector::parse("#b").unwrap();
        let row = tree.select(None, &b).next();
        for (selector, expected) in [("a", 2), (":scope > a", 1), ("body a", 2), ("p", 0)] {
            let selector = Selector::parse(selector).unwrap();
            assert_eq!(tree.select(row, &selector).count(), expected, "{selector:?}");
        }
        tree.checked().unwrap();
    }

    #[test]
    fn what_takes_long_to_match_is_given_up() {
        let waiting = Arc::new(());
        // Each of so many looks at all before it.
        let page = "<p>".repeat(50_000);
        let begun = Instant::now();
        let tree = Tree::of(&page, Limit::new(Duration::from_secs(3), &waiting)).unwrap();
        for _ in 0..1000 {
            assert_eq!(count(&tree, "x ~ p"), 0);
        }
        assert!(tree.checked().is_err());
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_page_that_nobody_waits_for_is_read_no_further() {
        let waiting = Arc::new(());
        let tree = Tree::of("<p><p><p>", Limit::new(LONG, &waiting)).unwrap();
        assert_eq!(count(&tree, "p"), 3);
        drop(waiting);
        assert_eq!(count(&tree, "p"), 0);
        assert!(tree.checked().is_err());
        let limit = Limit::new(LONG, &Arc::new(()));
        assert!(Tree::of("<p>", limit).is_err());
    }

    #[test]
    fn pages_of_too_many_elements_are_given_up() {
        let waiting = Arc::new(());
        let page = "<i></i>".repeat(MAX_NODES);
        assert_eq!(Tree::of(&page, Limit::new(LONG, &waiting)).map(|_| ()), Err(TOO_MANY));
    }
}
