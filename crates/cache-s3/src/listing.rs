//! `Lister`: names of objects, one bounded page after the other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use crate::error::{Fault, unavailable};

/// Names of one page, at most: what S3 gives and takes in one request.
pub(crate) const PAGE: usize = 1_000;
/// Names of one page where each page costs a look at all objects.
const WHOLE_PAGE: usize = 10_000;

/// How an object store lists names, in ascending order, in pages.
#[derive(Clone)]
pub(crate) enum Lister {
    /// The store goes on from a token.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only stores behind HTTP list in pages"))]
    Paged(Arc<dyn PaginatedListStore>),
    /// The store lists everything in any order: a page is the lowest names beyond the last one.
    Whole(Arc<dyn ObjectStore>),
}

/// Where the next page begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cursor {
    last: Option<Path>,
    token: Option<String>,
}

/// Some objects by name, with their lengths in bytes.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<(Path, u64)>,
    /// `None` after the last page.
    pub(crate) next: Option<Cursor>,
}

impl Lister {
    /// The page at `cursor` of the names below `prefix`. One request, or a walk over all of them.
    ///
    /// A page that does not go on where the last one ended is an error: a listing that goes in circles has no end.
    pub(crate) async fn page(&self, prefix: &Path, cursor: &Cursor) -> Result<Page, Fault> {
        match self {
            Self::Paged(store) => paged(&**store, prefix, cursor).await,
            Self::Whole(store) => whole(&**store, prefix, cursor).await,
        }
    }
}

impl fmt::Debug for Lister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paged(_) => "Paged",
            Self::Whole(_) => "Whole",
        })
    }
}

async fn paged(store: &dyn PaginatedListStore, prefix: &Path, cursor: &Cursor) -> Result<Page, Fault> {
    let below = if prefix.as_ref().is_empty() { String::new() } else { format!("{prefix}/") };
    let options = PaginatedListOptions {
        max_keys: Some(PAGE),
        page_token: cursor.token.clone(),
        ..PaginatedListOptions::default()
    };
    let listed = store.list_paginated(Some(&below), options).await?;
    let objects: Vec<_> = listed.result.objects.into_iter().map(|object| (object.location, object.size)).collect();
    let ascends = objects.is_sorted_by(|(left, _), (right, _)| left < right);
    let goes_on = objects.first().is_none_or(|(first, _)| cursor.last.as_ref().is_none_or(|last| first > last));
    let token = listed.page_token.filter(|token| !token.is_empty());
    let moves = token.is_none() || (!objects.is_empty() && token != cursor.token);
    if !(ascends && goes_on && moves) || objects.len() > PAGE {
        return Err(Fault::Lasting(unavailable("the object store lists names out of order or in circles")));
    }
    let next = token.map(|token| Cursor { last: objects.last().map(|(last, _)| last.clone()), token: Some(token) });
    Ok(Page { objects, next })
}

async fn whole(store: &dyn ObjectStore, prefix: &Path, cursor: &Cursor) -> Result<Page, Fault> {
    let mut names = match &cursor.last {
        Some(last) => store.list_with_offset(Some(prefix), last),
        None => store.list(Some(prefix)),
    };
    let mut lowest = BTreeMap::new();
    let mut more = false;
    loop {
        let ObjectMeta { location, size, .. } = match names.try_next().await {
            Ok(Some(object)) => object,
            Ok(None) => break,
            // Removed between its sight and the look at it.
            Err(object_store::Error::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        lowest.insert(location, size);
        if lowest.len() > WHOLE_PAGE {
            lowest.pop_last();
            more = true;
        }
    }
    let objects: Vec<_> = lowest.into_iter().collect();
    let last = objects.last().filter(|_| more).map(|(last, _)| last.clone());
    Ok(Page { objects, next: last.map(|last| Cursor { last: Some(last), token: None }) })
}
