//! Batches: many answers, none of which has ended when they are handed out.

use std::collections::{HashMap, HashSet};

use cache_core::{Error, ErrorKind, Key, Result};
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
    /// [`get`](Self::get), each page once however often it is in the batch. What ends while others are waited for is
    /// asked for anew, once.
    pub(crate) async fn get_many<L, F>(
        &self,
        batch: &Batch<'_>,
        loader: impl Fn(&LinkRequest) -> L,
    ) -> Vec<Result<Answer<V>>>
    where
        L: FnOnce(Load) -> F + Send + 'static,
        F: Future<Output = Result<V>> + Send + 'static,
    {
        let mut seen = HashSet::new();
        let keyed = batch.requests.iter().filter_map(|request| Some((request.key_in(batch.namespace).ok()?, request)));
        let pages: Vec<(Key, &LinkRequest)> = keyed.filter(|(key, _)| seen.insert(key.clone())).collect();
        let keys: Vec<Key> = pages.iter().map(|(key, _)| key.clone()).collect();
        let found = self.find(&keys).await.into_iter();
        let mut answers: HashMap<Key, Result<Answer<V>>> = found.map(|(key, answer)| (key, Ok(answer))).collect();
        // What is missing; then what has ended while that was waited for.
        for _ in 0..2 {
            let is_due = |key: &Key| match answers.get(key) {
                Some(Ok(answer)) => self.is_over(answer),
                Some(Err(_)) => false,
                None => true,
            };
            // Whole calls: a closure that lends what it calls with would keep this future out of tasks of their own.
            let call = |(key, request): &(Key, &LinkRequest)| {
                let (key, load) = (key.clone(), loader(request));
                async move {
                    let answer = self.get(&key, load).await;
                    (key, answer)
                }
            };
            let calls: Vec<_> = pages.iter().filter(|(key, _)| is_due(key)).map(call).collect();
            let came: Vec<_> = stream::iter(calls).buffered(batch.at_once.max(1)).collect().await;
            answers.extend(came);
        }
        let answer = |request: &LinkRequest| {
            let key = request.key_in(batch.namespace)?;
            let missing = || Err(Error::new(ErrorKind::Internal, "a page of the batch has no answer").with_key(&key));
            self.unended(batch.provider, answers.get(&key).cloned().unwrap_or_else(missing)?)
        };
        batch.requests.iter().map(answer).collect()
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
