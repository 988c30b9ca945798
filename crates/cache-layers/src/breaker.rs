//! `Breaker`: a backend that fails is left alone for a while.

mod circuit;

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{
    Backend, BackendInfo, Backplane, Clock, Entry, Error, ErrorKind, Key, KeyPrefix, Leases, Meta, Result, Stamp,
    Swept, SystemClock, Timestamp, Usage,
};
use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;

pub use circuit::BreakerState;

use crate::around::{backend_around, refusal};
use circuit::{Change, Circuit, Pass, Terms, Verdict};

/// A backend that is left alone for a span after it failed several times in a row.
///
/// # States
/// *Closed*, it passes every call on. After [`failures`](Self::failures) failures in a row it *opens*: every call is
/// refused at once with [`ErrorKind::BreakerOpen`]. When [`span`](Self::span) is over it is *half-open*: the next
/// call is the probe, all others are refused until it has answered. A probe that works closes the breaker; one that
/// fails opens it for twice as long as before, up to [`longest`](Self::longest). After Nygard, "Release It!" (2007).
///
/// # What counts
/// `Unavailable`, `Timeout` and `Internal` are failures, and so is a panic, which goes on to the caller. Every answer
/// is a success, a miss and `Corrupt` bytes included: the backend was reached. Other errors (`Invalid`, `TooLarge`,
/// `Closed`, ...) say nothing, since a backend can answer them without its medium: they neither count nor end a row. A batch works when one of its keys does. Each
/// step of a scan is a call; a scan ends when one is refused. A call that ends in a later state than it began in
/// counts no more.
///
/// # Cancellation
/// A call that is dropped says nothing; if it was the probe, the next call is. A backend that hangs is therefore
/// noticed through a [`Timeout`](crate::Timeout) *inside* the breaker, shorter than the patience of those who call. A
/// probe that has not answered after the [`longest`](Self::longest) span is given up and the next call probes.
///
/// [`close`](Backend::close) always passes; once it succeeded so do all calls, to hear that the backend is closed.
/// A call costs a short lock twice and reads the clock twice.
#[derive(Debug)]
pub struct Breaker<B> {
    inner: B,
    name: Arc<str>,
    terms: Terms,
    clock: Arc<dyn Clock>,
    circuit: Mutex<Circuit>,
    opened: AtomicU64,
    refused: AtomicU64,
}

/// What a [`Breaker`] did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerStats {
    /// The state after the last call. `Open` stays so until the next call, however long ago its span ended.
    pub state: BreakerState,
    /// Failures in a row while closed.
    pub failures: u32,
    /// Times that it opened, failed probes included.
    pub opened: u64,
    /// Calls that it refused; a batch is one.
    pub refused: u64,
}

impl<B: Backend> Breaker<B> {
    /// Failures in a row that open it unless said otherwise.
    pub const FAILURES: u32 = 5;
    /// How long it stays open at first unless said otherwise.
    pub const SPAN: Duration = Duration::from_secs(1);
    /// How long it stays open at most unless said otherwise.
    pub const LONGEST: Duration = Duration::from_mins(1);

    /// A closed breaker around `inner`.
    pub fn new(inner: B) -> Self {
        let name = inner.info().name;
        Self {
            inner,
            name,
            terms: Terms { failures: Self::FAILURES, span: Self::SPAN, longest: Self::LONGEST },
            clock: Arc::new(SystemClock::new()),
            circuit: Mutex::new(Circuit::new()),
            opened: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Opens after `count` failures in a row, at least one; [`FAILURES`](Self::FAILURES) unless set.
    #[must_use]
    pub fn failures(mut self, count: u32) -> Self {
        self.terms.failures = count.max(1);
        self
    }

    /// Stays open for `span` at first; [`SPAN`](Self::SPAN) unless set.
    #[must_use]
    pub fn span(mut self, span: Duration) -> Self {
        self.terms.span = span;
        self
    }

    /// Never stays open for longer than `span`; [`LONGEST`](Self::LONGEST) unless set.
    #[must_use]
    pub fn longest(mut self, span: Duration) -> Self {
        self.terms.longest = span;
        self
    }

    /// Takes the time from `clock`; the system's unless set.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The backend inside.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    /// The state after the last call.
    pub fn state(&self) -> BreakerState {
        self.circuit.lock().state()
    }

    /// State and counts.
    pub fn stats(&self) -> BreakerStats {
        let circuit = self.circuit.lock();
        let (state, failures) = (circuit.state(), circuit.failures());
        // Relaxed: the counts order nothing.
        let (opened, refused) = (self.opened.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed));
        BreakerStats { state, failures, opened, refused }
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        key: Option<&Key>,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let mut under_way = self.admit(operation, key)?;
        let answer = under_way.watch(work).await;
        under_way.settle(verdict(&answer));
        answer
    }

    async fn batch<T: Clone>(
        &self,
        operation: &'static str,
        len: usize,
        work: impl Future<Output = Vec<Result<T>>> + Send,
    ) -> Vec<Result<T>> {
        let mut under_way = match self.admit(operation, None) {
            Ok(under_way) => under_way,
            Err(error) => return vec![Err(error); len],
        };
        let answers = under_way.watch(work).await;
        under_way.settle(verdict_of_many(&answers));
        answers
    }

    async fn end(&self, work: impl Future<Output = Result<()>> + Send) -> Result<()> {
        work.await?;
        self.circuit.lock().close();
        Ok(())
    }

    fn admit(&self, operation: &'static str, key: Option<&Key>) -> Result<UnderWay<'_, B>> {
        let now = self.clock.now();
        let admitted = self.circuit.lock().admit(self.terms, now);
        match admitted {
            Ok(pass) => Ok(UnderWay { breaker: self, pass, verdict: Verdict::Unknown }),
            Err(span) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let message = format!("the breaker is open after failures: try again in {span:?}");
                Err(refusal(ErrorKind::BreakerOpen, message, &self.name, operation, key))
            }
        }
    }

    fn settle(&self, pass: Pass, verdict: Verdict) {
        let now = self.clock.now();
        let change = self.circuit.lock().settle(pass, verdict, self.terms, now);
        match change {
            Change::Nothing => {}
            Change::Opened(span) => {
                self.opened.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(backend = &*self.name, ?span, "the breaker opened: the backend is left alone");
            }
            Change::Closed => tracing::info!(backend = &*self.name, "the breaker closed: the backend works again"),
        }
    }
}

backend_around!(Breaker);

/// A call under way: one that is dropped is settled as unknown.
struct UnderWay<'a, B: Backend> {
    breaker: &'a Breaker<B>,
    pass: Pass,
    verdict: Verdict,
}

impl<B: Backend> UnderWay<'_, B> {
    /// Does `work`; its panic is a failure and goes on.
    async fn watch<T>(&mut self, work: impl Future<Output = T> + Send) -> T {
        AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
            self.verdict = Verdict::Fails;
            resume_unwind(panic)
        })
    }

    fn settle(mut self, verdict: Verdict) {
        self.verdict = verdict;
    }
}

impl<B: Backend> Drop for UnderWay<'_, B> {
    fn drop(&mut self) {
        self.breaker.settle(self.pass, self.verdict);
    }
}

fn verdict<T>(answer: &Result<T>) -> Verdict {
    match answer.as_ref().map_err(Error::kind) {
        Ok(_) | Err(ErrorKind::Corrupt) => Verdict::Works,
        Err(ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Internal) => Verdict::Fails,
        Err(_) => Verdict::Unknown,
    }
}

fn verdict_of_many<T>(answers: &[Result<T>]) -> Verdict {
    let any = |sought| answers.iter().any(|answer| verdict(answer) == sought);
    if any(Verdict::Works) {
        Verdict::Works
    } else if any(Verdict::Fails) {
        Verdict::Fails
    } else {
        Verdict::Unknown
    }
}
