//! `Search`: the search for an order of calls that a model explains.

use std::collections::HashSet;

use super::{Call, Model};

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Order,
    NoOrder,
    GivenUp,
}

/// A depth-first search through the orders of calls.
pub(super) struct Search<'a, M: Model> {
    model: &'a M,
    /// By begin.
    spans: Vec<Span<'a, M>>,
    limit: usize,
}

/// One call, as far as it had come when the history was cut off.
struct Span<'a, M: Model> {
    op: &'a M::Op,
    answer: Option<&'a M::Answer>,
    begin: u64,
    end: u64,
}

/// Which calls were done.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Done(Box<[u64]>);

/// A beginning of an order.
struct Frame<S> {
    done: Done,
    state: S,
    /// No call after this one may begin later than it ends.
    latest_begin: u64,
    /// The next call to try.
    next: usize,
}

impl<'a, M: Model> Search<'a, M> {
    /// A search that ignores what happened after `cut`.
    pub(super) fn new(model: &'a M, calls: &'a [Call<M::Op, M::Answer>], cut: u64, limit: usize) -> Self {
        let span = |call: &'a Call<M::Op, M::Answer>| {
            let over = call.end <= cut;
            let answer = call.answer.as_ref().filter(|_| over);
            Span { op: &call.op, answer, begin: call.begin, end: if over { call.end } else { u64::MAX } }
        };
        let mut spans: Vec<Span<'a, M>> = calls.iter().filter(|call| call.begin <= cut).map(span).collect();
        spans.sort_by_key(|span| span.begin);
        Self { model, spans, limit }
    }

    pub(super) fn run(&self) -> Outcome {
        let done = Done(vec![0; self.spans.len().div_ceil(64)].into());
        let mut path = vec![Frame { done, state: self.model.initial(), latest_begin: 0, next: 0 }];
        let mut seen = HashSet::new();
        while let Some(frame) = path.last_mut() {
            let Some(deadline) = self.deadline(&frame.done) else { return Outcome::Order };
            let Some(next) = self.advance(frame, deadline) else {
                path.pop();
                continue;
            };
            if seen.len() >= self.limit {
                return Outcome::GivenUp;
            }
            if seen.insert((next.done.clone(), next.state.clone())) {
                path.push(next);
            }
        }
        Outcome::NoOrder
    }

    /// The earliest end of the calls that were answered and are not done; `None` when there is none.
    fn deadline(&self, done: &Done) -> Option<u64> {
        let open = self.spans.iter().enumerate().filter(|(at, span)| span.answer.is_some() && !done.has(*at));
        open.map(|(_, span)| span.end).min()
    }

    /// The next beginning of an order that is one call longer than `frame`.
    fn advance(&self, frame: &mut Frame<M::State>, deadline: u64) -> Option<Frame<M::State>> {
        while let Some(span) = self.spans.get(frame.next)
            && span.begin < deadline
        {
            let at = frame.next;
            frame.next += 1;
            if frame.done.has(at) || span.end < frame.latest_begin {
                continue;
            }
            if let Some(state) = self.model.step(&frame.state, span.op, span.answer) {
                let latest_begin = frame.latest_begin.max(span.begin);
                return Some(Frame { done: frame.done.with(at), state, latest_begin, next: 0 });
            }
        }
        None
    }
}

impl Done {
    fn has(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    fn with(&self, at: usize) -> Self {
        let mut with = self.clone();
        with.0[at / 64] |= 1 << (at % 64);
        with
    }
}
