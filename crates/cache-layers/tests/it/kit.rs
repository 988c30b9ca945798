//! What the tests share: a faulty backend on a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Key, ManualClock, Result};
use cache_testkit::{Bench, Faulty, NaiveModel};

/// A backend that works until a test plans otherwise.
pub(crate) fn faulty() -> Arc<Faulty<NaiveModel>> {
    Arc::new(Faulty::new(NaiveModel::new(clock())))
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Bench::START))
}

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The kind of the error that `answer` is.
pub(crate) fn kind<T>(answer: Result<T>) -> Option<ErrorKind> {
    answer.err().as_ref().map(Error::kind)
}

/// The kind of each error among `answers`.
pub(crate) fn kinds<T>(answers: Vec<Result<T>>) -> Vec<Option<ErrorKind>> {
    answers.into_iter().map(kind).collect()
}
