//! Links brought into the cache before somebody asks for them.

use cache_core::Result;
use futures_util::{StreamExt, stream};
use providers::{Answer, LinkRequest, Links, Registry};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Addresses that one step looks up at most.
pub(crate) const STEP: usize = 16;

/// Addresses to look up.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The provider, unless it is the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
    pub(crate) addresses: Vec<String>,
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

/// Looks the addresses up, [`STEP`] at most; one that fails leaves the others alone.
///
/// # Errors
/// `Invalid` when there is no such provider.
pub(crate) async fn warm(registry: &Registry, wanted: &Wanted) -> Result<Vec<Warmed>> {
    let provider = registry.get_or_default(wanted.provider.as_deref())?;
    let one = |address: String| {
        let provider = provider.clone();
        async move {
            let answer = match LinkRequest::new(address.clone()) {
                Ok(request) => provider.get(&request).await,
                Err(error) => Err(error),
            };
            told(address, answer)
        }
    };
    // Owned, so that the future can be sent whatever it borrows.
    let addresses: Vec<String> = wanted.addresses.iter().take(STEP).cloned().collect();
    Ok(stream::iter(addresses.into_iter().map(one).collect::<Vec<_>>()).buffered(STEP).collect().await)
}

fn told(address: String, answer: Result<Answer<Links>>) -> Warmed {
    match answer {
        Ok(answer) => {
            Warmed { address, origin: Some(answer.to_string()), links: answer.value.links.len(), error: None }
        }
        Err(error) => Warmed { address, origin: None, links: 0, error: Some(crate::told(&error)) },
    }
}
