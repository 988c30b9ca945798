//! Batches: many answers, none of which has ended when they are handed out.

use cache_core::{Key, Result};
use cache_tiered::Load;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Store;
use crate::request::Namespace;
use crate::terms::{self, Lasting};
use crate::{Answer, LinkRequest};

/// What a batch is asked, and of whom.
pub(crate) struct Batch<'a> {
    pub(crate) provider: &'a str,
    pub(crate) namespace: &'a Namespace,
    pub(crate) requests: &'a [LinkRequest],
    /// How many are loaded at once.
    pub(crate) at_once: usize,
}

impl<V: Lasting + Serialize + DeserializeOwned + Send + Sync + 'static> Store<V> {
    /// One answer for each request of `batch`, in their order: what is there in one read of each tier, the rest as
    /// [`get`](Self::get). What ends while others are waited for is asked for anew, once.
    pub(crate) async fn get_many<L, F>(
        &self,
        batch: &Batch<'_>,
        loader: impl Fn(&LinkRequest) -> L,
    ) -> Vec<Result<Answer<V>>>
    where
        L: FnOnce(Load) -> F + Send + 'static,
        F: Future<Output = Result<V>> + Send + 'static,
    {
        let (requests, at_once, loader) = (batch.requests, batch.at_once.max(1), &loader);
        let keys: Vec<Key> = requests.iter().filter_map(|request| request.key_in(batch.namespace).ok()).collect();
        let found = &self.find(&keys).await;
        let answers = requests.iter().map(async |request| {
            let key = request.key_in(batch.namespace)?;
            match found.get(&key) {
                Some(answer) => Ok(answer.clone()),
                None => self.get(&key, loader(request)).await,
            }
        });
        let mut answers: Vec<Result<Answer<V>>> = stream::iter(answers).buffered(at_once).collect().await;
        if answers.iter().flatten().any(|answer| self.is_over(answer)) {
            let anew = requests.iter().zip(answers).map(async |(request, answer)| match answer {
                Ok(answer) if self.is_over(&answer) => {
                    let key = request.key_in(batch.namespace)?;
                    self.get(&key, loader(request)).await
                }
                answer => answer,
            });
            answers = stream::iter(anew).buffered(at_once).collect().await;
        }
        let checked = answers.into_iter().map(|answer| self.unended(batch.provider, answer?));
        checked.collect()
    }

    /// Whether `answer` is to be asked for anew before it is handed out.
    pub(crate) fn is_over(&self, answer: &Answer<V>) -> bool {
        let (validity, now) = (answer.value.lasts(), self.clock().now());
        // What was loaded for this caller may be such that it is handed out only once.
        validity.ends() <= now || answer.was_cached() && validity.until() <= now
    }

    /// `answer`, as long as it works.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn unended(&self, provider: &str, answer: Answer<V>) -> Result<Answer<V>> {
        if answer.value.lasts().ends() > self.clock().now() {
            return Ok(answer);
        }
        Err(terms::ended().into_error(provider, "links"))
    }
}
