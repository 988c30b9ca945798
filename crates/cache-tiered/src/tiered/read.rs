//! Reads through a stack, with what each tier answered.

use std::sync::Arc;

use cache_core::{Entry, Error, Freshness, Key, Outcome, Result, Role, Stamp};
use futures_util::future::join_all;

use super::promote::{Job, Promotion};
use super::tier::{Answer, Part, Tier};
use super::{Forecast, Inner, Tiered};
use crate::fence::Watch;

/// Keys of one lookup whose answers are looked into at a time.
const WIDTH: usize = 64;

/// What a stack found under a key, and what each tier answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Lookup {
    /// What may be served.
    pub found: Option<Found>,
    /// The answers of the tiers that were asked, in their order.
    pub outcomes: Vec<(Arc<str>, Outcome)>,
    /// Why nothing can be said about the key, when no tier could.
    pub error: Option<Error>,
}

/// An entry and where it was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// The entry.
    pub entry: Entry,
    /// Position of the tier, 0 for the nearest.
    pub tier: usize,
    /// Name of the tier.
    pub name: Arc<str>,
    /// Whether the entry is fresh or only stands in.
    pub freshness: Freshness,
}

impl Lookup {
    /// What was found.
    ///
    /// # Errors
    /// When no tier could say whether it holds the key.
    pub fn into_found(self) -> Result<Option<Found>> {
        match self.error {
            Some(error) if self.found.is_none() => Err(error),
            _ => Ok(self.found),
        }
    }
}

impl Tiered {
    /// Looks `key` up and tells what each tier answered. Costs at most one call of each tier; when marks of other
    /// processes may have been missed, the first look at an older entry costs a `stat` of each shared tier more.
    /// Cancelling it has no effect.
    pub async fn lookup(&self, key: &Key) -> Lookup {
        self.lookup_for(key, &Forecast::new()).await
    }

    /// As [`lookup`](Self::lookup), of an entry of which something is known: tiers that are not given such entries are
    /// skipped, and the others are asked with a patience that grows with the cost of its load.
    pub async fn lookup_for(&self, key: &Key, forecast: &Forecast) -> Lookup {
        self.seek(key, "get", forecast).await.into_lookup(&self.0)
    }

    /// Looks many keys up: one lookup for each, in their order. Costs at most one call of each tier, for the keys
    /// still missing there, and what [`lookup`](Self::lookup) costs besides: of 64 keys at a time. Cancelling it has no
    /// effect.
    pub async fn lookup_many(&self, keys: &[Key]) -> Vec<Lookup> {
        let mut seeks: Vec<Seek<Entry>> = keys.iter().map(|_| Seek::default()).collect();
        if let Err(error) = self.check_open("get_many") {
            return seeks.into_iter().map(|seek| seek.failed(error.clone()).into_lookup(&self.0)).collect();
        }
        self.open().await;
        let marked: Vec<Stamp> = keys.iter().map(|key| self.marked(key)).collect();
        for (index, tier) in self.0.tiers.iter().enumerate() {
            let open: Vec<usize> = (0..keys.len()).filter(|at| !seeks[*at].is_done()).collect();
            if open.is_empty() {
                break;
            }
            let missing: Vec<Key> = open.iter().map(|at| keys[*at].clone()).collect();
            self.watch_all(index, &missing, open.iter().copied(), &mut seeks);
            let floors = open.iter().map(|at| tier.suspects.floor(&keys[*at]).max(marked[*at])).collect();
            for (at, answer) in open.into_iter().zip(self.ask_many(tier, &missing, floors).await) {
                self.take(&mut seeks[at], &keys[at], index, answer);
            }
        }
        seeks.into_iter().map(|seek| seek.into_lookup(&self.0)).collect()
    }

    pub(super) async fn seek<T: Part>(&self, key: &Key, operation: &'static str, forecast: &Forecast) -> Seek<T> {
        let mut seek = Seek { beyond: forecast.beyond, ..Seek::default() };
        if let Err(error) = self.check_open(operation) {
            return seek.failed(error.with_key(key));
        }
        self.open().await;
        let marked = self.marked(key);
        for (index, tier) in self.0.tiers.iter().enumerate() {
            if index == 1 {
                seek.watch = Some(self.watch(key));
            }
            let answer = if tier.admits(forecast) {
                let floor = tier.suspects.floor(key).max(marked);
                let answer = match tier.waiting(key) {
                    Some(waiting) => Ok(Some(T::of(waiting))),
                    None => tier.ask(key, forecast.cost).await,
                };
                self.judge(tier, key, answer, floor).await
            } else {
                tier.pass()
            };
            self.take(&mut seek, key, index, answer);
            if seek.is_done() {
                break;
            }
        }
        seek
    }

    /// The stamp of the mark of `key` before a read: it may be forgotten while an answer from before it is under way.
    fn marked(&self, key: &Key) -> Stamp {
        let marks = &self.0.common.marks;
        if marks.is_empty() {
            return Stamp::ZERO;
        }
        marks.of_key(key).map(|known| known.mark.stamp).unwrap_or_default()
    }

    /// Asks a tier for many keys, and judges what it answers.
    async fn ask_many(&self, tier: &Tier, keys: &[Key], floors: Vec<Stamp>) -> Vec<Answer<Entry>> {
        let waiting: Vec<Option<Entry>> = keys.iter().map(|key| tier.waiting(key)).collect();
        let asked: Vec<Key> =
            keys.iter().zip(&waiting).filter(|(_, waiting)| waiting.is_none()).map(|(key, _)| key.clone()).collect();
        let mut found = if asked.is_empty() { Vec::new() } else { tier.ask_many(&asked).await }.into_iter();
        let answers = waiting.into_iter().map(|waiting| match waiting {
            Some(entry) => Ok(Some(entry)),
            None => found.next().unwrap_or(Ok(None)),
        });
        let judged = keys.iter().zip(answers).zip(floors);
        let mut judged = judged.map(|((key, answer), floor)| self.judge(tier, key, answer, floor));
        let mut all = Vec::with_capacity(keys.len());
        while all.len() < keys.len() {
            all.extend(join_all(judged.by_ref().take(WIDTH)).await);
        }
        all
    }

    /// What an answer of a tier means, with what is known besides: what waits to be written there, and its marks.
    async fn judge<T: Part>(&self, tier: &Tier, key: &Key, answer: Result<Option<T>>, floor: Stamp) -> Answer<T> {
        let answer = match tier.waiting(key) {
            Some(waiting) => Ok(Some(T::of(waiting))),
            None => answer,
        };
        if !tier.is_read() && matches!(answer, Ok(Some(_))) {
            self.read_marks(tier).await;
        }
        if let Ok(Some(part)) = &answer
            && !self.is_confirmed(tier, key, part).await
        {
            return tier.judge(key, Ok(None), floor);
        }
        tier.judge(key, answer, floor)
    }

    /// Watches what may be promoted from the tier that is asked next: nothing is, from the nearest.
    fn watch_all(&self, tier: usize, keys: &[Key], at: impl Iterator<Item = usize>, seeks: &mut [Seek<Entry>]) {
        if tier == 1 {
            for (key, at) in keys.iter().zip(at) {
                seeks[at].watch = Some(self.watch(key));
            }
        }
    }

    /// Notes an answer, and sends after it what has to be done in the background.
    fn take<T: Part>(&self, seek: &mut Seek<T>, key: &Key, tier: usize, answer: Answer<T>) {
        if answer.outcome == Outcome::Corrupt {
            self.enqueue(Job::Repair { key: key.clone(), tier });
        }
        seek.note(&self.0.tiers[tier], tier, answer);
        if let Some((found, value, Freshness::Fresh)) = &seek.best
            && *found == tier
            && let Some(entry) = value.entry().filter(|entry| entry.meta.role == Role::Value)
            && let forecast = Forecast::of(entry)
            && self.0.tiers[..tier].iter().any(|above| above.admits(&forecast))
            && let Some(watch) = seek.watch.take()
        {
            let promotion = Promotion { key: key.clone(), entry: entry.clone(), below: tier, watch };
            self.enqueue(Job::Promote(Box::new(promotion)));
        }
    }
}

/// A read on its way through the tiers.
#[derive(Debug)]
pub(super) struct Seek<T> {
    best: Option<(usize, T, Freshness)>,
    outcomes: Vec<(Arc<str>, Outcome)>,
    /// Whether a tier could say whether it holds the key.
    answered: bool,
    error: Option<Error>,
    watch: Option<Watch>,
    /// Only what is newer ends it.
    beyond: Option<Stamp>,
}

impl<T> Default for Seek<T> {
    fn default() -> Self {
        Self { best: None, outcomes: Vec::new(), answered: false, error: None, watch: None, beyond: None }
    }
}

impl<T: Part> Seek<T> {
    fn is_done(&self) -> bool {
        let is_newer = |value: &T| self.beyond.is_none_or(|beyond| value.meta().stamp > beyond);
        matches!(&self.best, Some((_, value, Freshness::Fresh)) if is_newer(value))
    }

    fn failed(mut self, error: Error) -> Self {
        self.error = Some(error);
        self
    }

    fn note(&mut self, tier: &Tier, index: usize, answer: Answer<T>) {
        self.outcomes.push((tier.name().clone(), answer.outcome));
        if let Some((value, freshness)) = answer.value {
            let worth = |value: &T, freshness| (freshness == Freshness::Fresh, value.meta().stamp);
            let better = |(_, best, fresh): &(usize, T, Freshness)| worth(&value, freshness) > worth(best, *fresh);
            if self.best.as_ref().is_none_or(better) {
                self.best = Some((index, value, freshness));
            }
        }
        self.answered |= answer.tells;
        if !answer.tells {
            self.error = self.error.take().or(answer.error);
        }
    }

    /// Where the best answer came from, what it is and how fresh.
    pub(super) fn into_found(self) -> Result<Option<(usize, T, Freshness)>> {
        match self.error {
            Some(error) if self.best.is_none() && !self.answered => Err(error),
            _ => Ok(self.best),
        }
    }
}

impl Seek<Entry> {
    fn into_lookup(self, stack: &Inner) -> Lookup {
        let error = if self.answered { None } else { self.error };
        let found = self.best.map(|(tier, entry, freshness)| {
            let name = stack.tiers[tier].name().clone();
            Found { entry, tier, name, freshness }
        });
        Lookup { found, outcomes: self.outcomes, error }
    }
}
