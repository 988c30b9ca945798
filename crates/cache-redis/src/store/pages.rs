//! Walks over the keys of all servers in bounded steps.

use std::collections::HashSet;

use bytes::Bytes;
use cache_core::{Error, ErrorKind, Key, KeyPrefix, Meta, Result};
use fred::types::config::Server;
use futures_util::stream::{self, BoxStream, StreamExt};

use super::Store;
use crate::error::from_reply;
use crate::link::{Repeat, Reply, Request};

/// Keys that the server looks at in one step.
pub(super) const STEP: u64 = 500;
/// Records that are read at the same time on behalf of a walk.
pub(super) const AT_ONCE: usize = 64;

/// A place on a walk: a step of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// `None` where there is no cluster.
    pub(super) node: Option<Server>,
    pub(super) cursor: Bytes,
}

/// A scan on its way.
struct Scan<'a> {
    store: &'a Store,
    prefix: KeyPrefix,
    pattern: Bytes,
    /// `None` before the first step.
    nodes: Option<Vec<Option<Server>>>,
    cursor: Bytes,
    /// Hashes of keys: while its table is resized, a server names some twice.
    seen: HashSet<u64>,
}

impl Place {
    pub(super) fn start_of(node: Option<Server>) -> Self {
        Self { node, cursor: start() }
    }
}

impl Store {
    pub(crate) fn scan(&self, prefix: KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let pattern = self.names.pattern(&prefix);
        let scan = Scan { store: self, prefix, pattern, nodes: None, cursor: start(), seen: HashSet::new() };
        stream::unfold(scan, Scan::step).flat_map(stream::iter).boxed()
    }

    /// The servers to walk over; `None` for the only one.
    pub(super) fn nodes(&self) -> Result<Vec<Option<Server>>> {
        self.link.check_open()?;
        let nodes = self.link.primaries();
        if nodes.is_empty() {
            return Err(Error::new(ErrorKind::Unavailable, "the nodes of the Redis cluster are not known yet"));
        }
        Ok(nodes)
    }

    /// The names that one step from `place` finds, and the cursor of the next; `None` at the end of the server.
    pub(super) async fn step(&self, place: &Place, pattern: Option<Bytes>) -> Result<(Vec<Bytes>, Option<Bytes>)> {
        let mut request = Request::new("SCAN", Repeat::Once).arg(place.cursor.clone());
        if let Some(pattern) = pattern {
            request = request.arg(Bytes::from_static(b"MATCH")).arg(pattern);
        }
        request = request.arg(Bytes::from_static(b"COUNT")).number(STEP);
        let reply = match self.link.ask_at(0, place.node.as_ref(), request).await? {
            Reply::Refused(reply) => return Err(from_reply(&reply)),
            reply => reply.many()?,
        };
        let mut parts = reply.into_iter();
        let (cursor, names) = (parts.next().unwrap_or(Reply::Nothing), parts.next().unwrap_or(Reply::Nothing));
        let names = names.many()?.into_iter().map(Reply::bytes).collect::<Result<_>>()?;
        // A copy: the slice would keep the whole reply.
        let cursor = Bytes::copy_from_slice(&cursor.bytes()?);
        // Whoever asks until a walk has ended would never come to the end of this one.
        if cursor == place.cursor && cursor != "0" {
            let told = "the Redis server says that a walk over its keys goes on where it was: it is broken, or is none";
            return Err(Error::new(ErrorKind::Unavailable, told));
        }
        Ok((names, Some(cursor).filter(|cursor| cursor != "0")))
    }
}

impl Scan<'_> {
    async fn step(mut self) -> Option<(Vec<Result<(Key, Meta)>>, Self)> {
        let nodes = match self.nodes.take() {
            Some(nodes) => nodes,
            None => match self.store.nodes() {
                Ok(nodes) => nodes,
                Err(error) => {
                    self.nodes = Some(Vec::new());
                    return Some((vec![Err(error)], self));
                }
            },
        };
        let place = Place { node: nodes.last()?.clone(), cursor: self.cursor.clone() };
        self.nodes = Some(nodes);
        let found = match self.store.step(&place, Some(self.pattern.clone())).await {
            Ok((names, Some(cursor))) => {
                self.cursor = cursor;
                self.metas(&names).await
            }
            Ok((names, None)) => {
                self.next_node();
                self.metas(&names).await
            }
            // What the other nodes have is found all the same.
            Err(error) => {
                self.next_node();
                vec![Err(error)]
            }
        };
        Some((found, self))
    }

    fn next_node(&mut self) {
        self.cursor = start();
        if let Some(nodes) = &mut self.nodes {
            nodes.pop();
        }
    }

    async fn metas(&mut self, names: &[Bytes]) -> Vec<Result<(Key, Meta)>> {
        let keys = names.iter().filter_map(|name| self.store.names.key(name));
        let keys: Vec<Key> =
            keys.filter(|key| self.prefix.matches(key) && !self.seen.contains(&key.hash64())).collect();
        let store = self.store;
        let metas: Vec<_> = stream::iter(keys)
            .map(|key| async move {
                let meta = store.stat(&key).await;
                (key, meta)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut found = Vec::with_capacity(metas.len());
        for (key, meta) in metas {
            match meta {
                Ok(Some(meta)) if self.seen.insert(key.hash64()) => found.push(Ok((key, meta))),
                Ok(_) => {}
                Err(error) => found.push(Err(error.with_key(&key))),
            }
        }
        found
    }
}

fn start() -> Bytes {
    Bytes::from_static(b"0")
}
