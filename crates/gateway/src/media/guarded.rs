//! `Guarded`: a provider of whose answers nothing is kept or handed out that nobody may be sent to.

use std::sync::Arc;

use async_trait::async_trait;
use cache_core::Result;
use providers::{Extent, Failure, LinkRequest, Links, Provider, Reason, SearchPage, SearchQuery};

use super::allowed::{Allowed, is_web};

/// A provider of whose answers nothing is kept or handed out that nobody may be sent to.
#[derive(Debug)]
pub(super) struct Guarded {
    inner: Arc<dyn Provider>,
    allowed: Allowed,
    asks: Asks,
}

/// Who connects to what a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// The server, which looks at each address.
    Here,
    /// A program that looks at none.
    ByItself,
}

impl Guarded {
    pub(super) fn new(inner: Arc<dyn Provider>, allowed: Allowed, asks: Asks) -> Self {
        Self { inner, allowed, asks }
    }

    /// What is left of `links`.
    fn cleaned(&self, mut links: Links) -> Result<Links> {
        let mut refused = None;
        links.links.retain(|link| {
            let refusal = self.allowed.refusal(&link.url);
            refused = refused.or(refusal);
            refusal.is_none()
        });
        links.entries.retain(|entry| is_web(&entry.url));
        links.image_url = links.image_url.filter(|url| is_web(url));
        links.page_url = links.page_url.filter(|url| is_web(url));
        match refused {
            Some(why) if links.is_empty() => {
                let message = format!("the provider gives a link that nobody is sent to: {why}");
                Err(Failure::new(Reason::Malformed, message).into_error(self.name(), "links"))
            }
            Some(_) => {
                links.extent = Extent::Partial;
                Ok(links)
            }
            None => Ok(links),
        }
    }
}

#[async_trait]
impl Provider for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn version(&self) -> &str {
        self.inner.version()
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage> {
        let mut page = self.inner.search(query).await?;
        page.results.retain(|result| is_web(&result.url));
        for result in &mut page.results {
            result.image_url.take_if(|url| !is_web(url));
        }
        Ok(page)
    }

    async fn links(&self, request: &LinkRequest) -> Result<Links> {
        if self.asks == Asks::ByItself
            && let Some(why) = self.allowed.refusal_looked_up(request.url()).await
        {
            let message = format!("the page is not asked for: {why}");
            return Err(Failure::new(Reason::Forbidden, message).into_error(self.name(), "links"));
        }
        self.cleaned(self.inner.links(request).await?)
    }
}

#[cfg(test)]
mod tests {
    use cache_core::ErrorKind;
    use providers::{Link, LinkKind, SearchResult};

    use super::*;
    use crate::reach::{Ports, Reach};

    #[derive(Debug)]
    struct Says(Vec<&'static str>);

    #[async_trait]
    impl Provider for Says {
        #[expect(clippy::unnecessary_literal_bound, reason = "the trait's own bound")]
        fn name(&self) -> &str {
            "says"
        }

        async fn search(&self, _query: &SearchQuery) -> Result<SearchPage> {
            Ok(SearchPage::of(self.0.iter().map(|url| SearchResult::new("a", *url))))
        }

        async fn links(&self, _request: &LinkRequest) -> Result<Links> {
            Ok(Links::of(self.0.iter().map(|url| Link::new(*url, LinkKind::Video))))
        }
    }

    fn guarded(urls: &[&'static str], asks: Asks) -> Guarded {
        Guarded::new(Arc::new(Says(urls.to_vec())), Allowed::new(Reach::Public, Ports::default()), asks)
    }

    fn request(url: &str) -> LinkRequest {
        LinkRequest::new(url).unwrap()
    }

    #[tokio::test]
    async fn what_nobody_is_sent_to_is_left_out_and_an_answer_of_only_that_is_an_error() {
        let page = request("https://films.example/1");
        let links = guarded(&["https://a.example/1", "http://127.0.0.1/"], Asks::Here).links(&page).await.unwrap();
        assert_eq!((links.links.len(), links.extent), (1, Extent::Partial));
        let error = guarded(&["file:///etc/passwd"], Asks::Here).links(&page).await.unwrap_err();
        assert_eq!(Failure::of(&error).map(Failure::reason), Some(Reason::Malformed));
        assert_eq!(error.kind(), ErrorKind::Load);
        assert!(guarded(&[], Asks::Here).links(&page).await.unwrap().is_empty());
        let found = guarded(&["javascript:x", "https://a.example/"], Asks::Here).search(&SearchQuery::new("a")).await;
        assert_eq!(found.unwrap().results.len(), 1);
    }

    #[tokio::test]
    async fn a_program_that_connects_by_itself_is_not_asked_for_what_is_out_of_reach() {
        let yt_dlp = guarded(&["https://a.example/1"], Asks::ByItself);
        for page in ["http://127.0.0.1/a", "http://localhost/a", "http://169.254.169.254/latest"] {
            let error = yt_dlp.links(&request(page)).await.unwrap_err();
            assert_eq!(Failure::of(&error).map(Failure::reason), Some(Reason::Forbidden), "{page}");
        }
        assert!(yt_dlp.links(&request("http://1.1.1.1/a")).await.is_ok());
    }
}
