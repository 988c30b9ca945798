//! `Plan`: which segment is fetched next, and by whom. Pure: no input and output, no clock, no lock.

mod at_work;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::filling::Filling;
use super::runs::Runs;

/// What a plan goes by, in segments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// A reader at most so far ahead of a fetch waits for it.
    pub(crate) join: u64,
    /// So far ahead of each reader segments are fetched.
    pub(crate) ahead: u64,
    /// Whether a fetch can begin anywhere.
    pub(crate) ranges: bool,
    /// Fetches at a time.
    pub(crate) fetches: usize,
}

/// Readers, fetches and segments of one blob.
#[derive(Debug)]
pub(crate) struct Plan {
    reach: Reach,
    segments: Option<u64>,
    filling: HashMap<u64, Arc<Filling>>,
    /// Segments that were seen in the backend: hints, since it evicts.
    kept: Runs,
    /// Readers that wait for a fetch to reach their segment, the oldest first.
    wants: VecDeque<Want>,
    cursors: BTreeMap<u64, Cursor>,
    /// The fetches, each with the segment that it works on.
    fetches: HashMap<u64, Option<u64>>,
    /// Segments at both ends that are fetched without being asked for.
    edges: VecDeque<u64>,
    /// How many of them each end has.
    edge: u64,
    /// Whether everything is fetched.
    to_the_end: bool,
    health: Health,
    /// Nothing is fetched any more.
    is_closed: bool,
    ids: u64,
}

/// How the source and the backend do: while one fails, what nobody waits for is left alone.
#[derive(Debug, Default)]
struct Health {
    /// Whether the last fetch failed.
    is_failing: bool,
    /// Whether the backend refused the last segment.
    is_refusing: bool,
    /// Fetches that gave way to others since the source gave a segment.
    yields: u32,
}

#[derive(Debug)]
struct Want {
    index: u64,
    /// Fetch it even if the backend says that it has it.
    is_forced: bool,
    answer: oneshot::Sender<Arc<Filling>>,
}

/// A reader's place: the segment that it reads, and the last that it will.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    at: u64,
    last: u64,
}

/// A segment to be fetched.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) index: u64,
    pub(crate) is_forced: bool,
    pub(crate) filling: Arc<Filling>,
}

impl Plan {
    pub(crate) fn new(reach: Reach, segments: Option<u64>, edge: u64) -> Self {
        let mut plan = Self {
            reach,
            segments,
            filling: HashMap::new(),
            kept: Runs::default(),
            wants: VecDeque::new(),
            cursors: BTreeMap::new(),
            fetches: HashMap::new(),
            edges: VecDeque::new(),
            edge,
            to_the_end: false,
            health: Health::default(),
            is_closed: false,
            ids: 0,
        };
        if let Some(segments) = segments {
            let tail = segments.saturating_sub(edge).max(edge.min(segments));
            let ends = (0..edge.min(segments)).chain(tail..segments);
            // A source without ranges gets to its tail in its own time.
            plan.edges = ends.filter(|index| reach.ranges || *index < edge).collect();
        }
        plan
    }

    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// A reader comes; its number.
    pub(crate) fn join(&mut self, at: u64, last: u64) -> u64 {
        let id = self.id();
        self.cursors.insert(id, Cursor { at, last });
        id
    }

    /// A reader has come to the segment `at`.
    pub(crate) fn advance(&mut self, reader: u64, at: u64) {
        if let Some(cursor) = self.cursors.get_mut(&reader) {
            cursor.at = at;
        }
    }

    /// A reader leaves.
    pub(crate) fn leave(&mut self, reader: u64) {
        self.cursors.remove(&reader);
    }

    /// The number of segments became known. Who waits for one behind the end is sent back to look at the length.
    pub(crate) fn set_segments(&mut self, segments: u64) {
        self.segments = Some(segments);
        self.wants.retain(|want| want.index < segments);
    }

    /// From here on everything is fetched, or only what readers need.
    pub(crate) fn set_to_the_end(&mut self, to_the_end: bool) {
        self.to_the_end = to_the_end;
    }

    /// The segment, if it is being fetched.
    pub(crate) fn filling(&self, index: u64) -> Option<Arc<Filling>> {
        self.filling.get(&index).cloned()
    }

    /// A reader waits for a segment that is not in the backend.
    pub(crate) fn want(&mut self, index: u64, is_forced: bool) -> oneshot::Receiver<Arc<Filling>> {
        let (answer, wait) = oneshot::channel();
        match self.filling.get(&index) {
            Some(filling) => drop(answer.send(filling.clone())),
            None if self.is_closed => drop(answer),
            None => {
                self.kept.remove(index);
                self.wants.push_back(Want { index, is_forced, answer });
            }
        }
        wait
    }

    /// A segment was seen in the backend.
    pub(crate) fn note_kept(&mut self, index: u64) {
        self.kept.insert(index);
    }

    /// Whether all segments were seen in the backend.
    pub(crate) fn is_complete(&self) -> bool {
        self.segments.is_some_and(|segments| self.kept.len() >= segments)
    }

    /// Begins a fetch if there is something to do for one more and all others are at work; its number.
    pub(crate) fn hire(&mut self) -> Option<u64> {
        self.wants.retain(|want| !want.answer.is_closed());
        let most = if self.is_in_order() { 1 } else { self.reach.fetches };
        // One that has nothing to do is woken instead, and may have its stream open at the right place.
        let is_idle = self.fetches.values().any(Option::is_none);
        if is_idle || self.fetches.len() >= most || self.choose(0, None).is_none() {
            return None;
        }
        let id = self.id();
        self.fetches.insert(id, None);
        Some(id)
    }

    /// A fetch ends.
    pub(crate) fn dismiss(&mut self, fetch: u64) {
        self.fetches.remove(&fetch);
    }

    /// Whether `fetch` would be given something to do.
    pub(crate) fn has_work(&self, fetch: u64, next: Option<u64>) -> bool {
        self.choose(fetch, next).is_some()
    }

    /// Whether a fetch is under way, or one of them is still to begin with what there is to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.fetches.values().any(Option::is_some) || (!self.fetches.is_empty() && self.has_work(0, None))
    }

    /// Leaves alone what no reader needs.
    pub(crate) fn pause(&mut self) {
        self.edges.clear();
        self.to_the_end = false;
    }

    /// The source has given a segment, or has failed to.
    pub(crate) fn note_health(&mut self, is_failing: bool) {
        self.health.is_failing = is_failing;
        self.health.yields = 0;
    }

    /// A fetch gives way to others, its segment unfinished; how many have in a row.
    pub(crate) fn gives_way(&mut self) -> u32 {
        self.health.yields = self.health.yields.saturating_add(1);
        self.health.yields
    }

    /// The backend has taken a segment, or has refused to.
    pub(crate) fn note_refusal(&mut self, is_refusing: bool) {
        self.health.is_refusing = is_refusing;
    }

    /// Whether a reader is at the segment.
    pub(crate) fn is_read(&self, index: u64) -> bool {
        !self.is_closed && self.cursors.values().any(|cursor| cursor.at == index)
    }

    /// What `fetch` does next, if anything; `next` is the segment that its stream has come to.
    pub(crate) fn assign(&mut self, fetch: u64, next: Option<u64>) -> Option<Job> {
        self.wants.retain(|want| !want.answer.is_closed());
        let index = self.choose(fetch, next);
        if let Some(at) = self.fetches.get_mut(&fetch) {
            *at = index;
        }
        let index = index?;
        let filling = Arc::new(Filling::new());
        self.filling.insert(index, filling.clone());
        let mut is_forced = false;
        for want in std::mem::take(&mut self.wants) {
            if want.index == index {
                is_forced |= want.is_forced;
                drop(want.answer.send(filling.clone()));
            } else {
                self.wants.push_back(want);
            }
        }
        self.edges.retain(|edge| *edge != index);
        Some(Job { index, is_forced, filling })
    }

    /// The segment is not being fetched any more.
    pub(crate) fn end(&mut self, index: u64, filling: &Arc<Filling>) {
        if self.filling.get(&index).is_some_and(|held| Arc::ptr_eq(held, filling)) {
            self.filling.remove(&index);
        }
    }

    /// The segment failed. Who waits for one behind it that the same stream would have come to fails with it.
    pub(crate) fn fail(&mut self, index: u64, filling: &Arc<Filling>) {
        self.end(index, filling);
        let is_in_order = self.is_in_order();
        for want in std::mem::take(&mut self.wants) {
            if is_in_order && want.index >= index {
                drop(want.answer.send(filling.clone()));
            } else {
                self.wants.push_back(want);
            }
        }
    }

    /// Nothing is fetched any more; what was under way. Who waits is sent back to look at the blob, and so is who will.
    pub(crate) fn close(&mut self) -> Vec<Arc<Filling>> {
        self.is_closed = true;
        self.wants.clear();
        self.filling.drain().map(|(_, filling)| filling).collect()
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether fetches go from the start to the end, one alone.
    fn is_in_order(&self) -> bool {
        !self.reach.ranges || self.segments.is_none()
    }

    fn is_missing(&self, index: u64) -> bool {
        self.segments.is_none_or(|segments| index < segments)
            && !self.filling.contains_key(&index)
            && !self.kept.contains(index)
    }

    /// Whether only what readers wait for is fetched.
    const fn is_cautious(&self) -> bool {
        self.health.is_failing || self.health.is_refusing
    }

    fn choose(&self, fetch: u64, next: Option<u64>) -> Option<u64> {
        if self.is_closed || (self.is_cautious() && self.wants.is_empty()) {
            return None;
        }
        if self.is_in_order() { self.choose_in_order(next) } else { self.choose_anywhere(fetch, next) }
    }

    /// Wants first, in turn; then on along the stream as far as readers need it; then both ends; then ahead of readers
    /// that no fetch comes to; then the rest.
    fn choose_anywhere(&self, fetch: u64, next: Option<u64>) -> Option<u64> {
        let next = next.filter(|next| self.is_missing(*next));
        let (near, far) = (self.reach.join, self.reach.join + self.reach.ahead);
        let waiting = self.wants.iter().map(|want| want.index).find(|index| !self.is_reached(fetch, *index, near));
        if let Some(wanted) = waiting {
            let is_on_the_way = next.filter(|next| *next <= wanted && wanted - next <= near);
            return Some(is_on_the_way.unwrap_or(wanted));
        }
        if self.is_cautious() {
            return None;
        }
        if next.is_some_and(|next| self.is_needed(next)) {
            return next;
        }
        let is_free = |index: &u64| self.is_missing(*index) && !self.is_reached(fetch, *index, far);
        let is_lone = |index: &u64| self.is_missing(*index) && !self.is_reached(fetch, *index, far.max(self.edge));
        let edge = next.filter(|next| self.edges.contains(next)).or_else(|| self.edges.iter().copied().find(is_lone));
        edge.or_else(|| self.ahead().find(is_free)).or_else(|| self.rest(is_free))
    }

    /// One stream: it goes on as far as readers need it, and begins anew for who is behind it.
    fn choose_in_order(&self, next: Option<u64>) -> Option<u64> {
        let behind = self.wants.iter().map(|want| want.index).min();
        let end = self.segments.unwrap_or(u64::MAX);
        let on = |from: u64| {
            let index = self.kept.next_absent(from);
            (index < end && self.is_missing(index)).then_some(index)
        };
        match (next, behind) {
            (Some(next), Some(behind)) if behind < next => Some(behind),
            (Some(next), Some(_)) => on(next),
            // From the first that is missing: where nothing was read before, nobody knows that there is anything.
            (None, Some(_)) => on(0),
            (Some(next), None) => on(next).filter(|index| self.is_needed(*index) || self.edges.contains(index)),
            (None, None) => {
                let is_missing = |index: &u64| self.is_missing(*index);
                let is_needed = self.edges.iter().any(is_missing) || self.ahead().any(|index| is_missing(&index));
                if is_needed { on(0) } else { self.rest(is_missing) }
            }
        }
    }

    /// Whether another fetch comes to `index` within `reach` segments.
    fn is_reached(&self, fetch: u64, index: u64, reach: u64) -> bool {
        let others = self.fetches.iter().filter(|(id, _)| **id != fetch).filter_map(|(_, at)| *at);
        others.into_iter().any(|at| at <= index && index - at <= reach)
    }

    /// Whether a reader comes to `index` soon.
    fn is_needed(&self, index: u64) -> bool {
        let is_ahead =
            |cursor: &Cursor| cursor.at <= index && index <= cursor.last && index - cursor.at <= self.reach.ahead;
        self.to_the_end || self.cursors.values().any(is_ahead)
    }

    /// The segments ahead of readers, the nearest of each first.
    fn ahead(&self) -> impl Iterator<Item = u64> {
        let end = self.segments.unwrap_or(u64::MAX);
        // Both a cursor and a reach may lie far behind the end.
        let last = move |cursor: &Cursor| cursor.last.min(end.saturating_sub(1));
        let steps = self.cursors.values().filter_map(|cursor| last(cursor).checked_sub(cursor.at)).max();
        let of_step = move |step| {
            self.cursors.values().filter_map(move |cursor| {
                let index = cursor.at.checked_add(step)?;
                (index <= last(cursor)).then_some(index)
            })
        };
        steps.into_iter().flat_map(|steps| 0..=steps.min(self.reach.ahead)).flat_map(of_step)
    }

    fn rest(&self, is_free: impl Fn(&u64) -> bool) -> Option<u64> {
        if !self.to_the_end {
            return None;
        }
        let end = self.segments.unwrap_or(u64::MAX);
        let mut absent = self.kept.next_absent(0);
        while absent < end {
            if is_free(&absent) {
                return Some(absent);
            }
            absent = self.kept.next_absent(absent + 1);
        }
        None
    }
}

#[cfg(test)]
mod tests;
