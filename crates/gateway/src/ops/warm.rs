//! Links brought into the cache before somebody asks for them.

use cache_core::{Freshness, Result};
use futures_util::{StreamExt, stream};
use providers::{Answer, AnyProvider, LinkRequest, Links, Registry};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::popular::{Popular, PopularPage};

/// Addresses that one step looks up at most.
pub(crate) const STEP: usize = 16;

/// Addresses to look up.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The provider, unless it is the first one; of popular pages those of this one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) addresses: Vec<String>,
    /// So many of the pages asked for most as well.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) popular: usize,
}

/// A page to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// The provider, unless it is the first one.
    pub(crate) provider: Option<String>,
    pub(crate) address: String,
}

/// What became of one address.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Warmed {
    pub(crate) address: String,
    /// Where the links were found, or that they were loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    #[serde(default)]
    pub(crate) links: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The `most` pages of `popular` whose provider is known here, and is `provider` if one is named.
pub(crate) fn popular(registry: &Registry, popular: &Popular, most: usize, provider: Option<&str>) -> Vec<PopularPage> {
    let mut pages = popular.top(usize::MAX, provider);
    pages.retain(|page| registry.get(&page.provider).is_ok());
    pages.truncate(most);
    pages
}

/// The pages that `wanted` names, and `popular` ones; one that is named twice is looked up once.
pub(crate) fn pages(wanted: Wanted, popular: Vec<PopularPage>) -> Vec<Page> {
    let Wanted { provider, addresses, .. } = wanted;
    let named = addresses.into_iter().map(|address| Page { provider: provider.clone(), address });
    let mut pages: Vec<Page> = named.collect();
    for PopularPage { provider, page: address, .. } in popular {
        let page = Page { provider: Some(provider), address };
        if !pages.contains(&page) {
            pages.push(page);
        }
    }
    pages
}

/// Looks the first [`STEP`] of `pages` up, and asks anew where a value only stands in; one that fails leaves the others alone.
///
/// # Errors
/// `Invalid` when there is no such provider.
pub(crate) async fn warm(registry: &Registry, pages: Vec<Page>) -> Result<Vec<Warmed>> {
    let lookup = |page: Page| Ok((registry.get_or_default(page.provider.as_deref())?.clone(), page.address));
    let lookups: Vec<(AnyProvider, String)> = pages.into_iter().take(STEP).map(lookup).collect::<Result<_>>()?;
    let one = |(provider, address): (AnyProvider, String)| async move {
        let answer = look_up(&provider, &address).await;
        told(address, answer)
    };
    Ok(stream::iter(lookups.into_iter().map(one).collect::<Vec<_>>()).buffered(STEP).collect().await)
}

async fn look_up(provider: &AnyProvider, address: &str) -> Result<Answer<Links>> {
    let request = LinkRequest::new(address)?;
    let answer = provider.get(&request).await?;
    // Whoever asks is given it at once; here nobody waits.
    if answer.freshness == Freshness::Fresh { Ok(answer) } else { provider.refresh(&request).await }
}

fn told(address: String, answer: Result<Answer<Links>>) -> Warmed {
    match answer {
        Ok(answer) => {
            Warmed { address, origin: Some(answer.to_string()), links: answer.value.links.len(), error: None }
        }
        Err(error) => Warmed { address, origin: None, links: 0, error: Some(crate::told(&error)) },
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_popular_page_that_is_named_as_well_is_looked_up_once() {
        let popular = |page: &str| PopularPage { provider: "films".to_owned(), page: page.to_owned(), score: 1.0 };
        let wanted = Wanted { provider: Some("films".to_owned()), addresses: vec!["a".to_owned()], popular: 2 };
        let pages = pages(wanted, vec![popular("a"), popular("b")]);
        assert_eq!(pages.iter().map(|page| page.address.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}
