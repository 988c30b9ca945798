//! `Circuit`: when a breaker lets calls through, as a machine without clock or lock.

use std::time::Duration;

use cache_core::Timestamp;

/// What a breaker does with the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Lets every call through.
    Closed,
    /// Refuses every call until its span is over; the first call after that is the probe.
    Open,
    /// Refuses every call while one probe is under way.
    HalfOpen,
}

/// What the outcome of a call says of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It works.
    Works,
    /// It does not.
    Fails,
    /// The call never got far enough to tell.
    Unknown,
}

/// When a circuit opens and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) failures: u32,
    pub(super) span: Duration,
    pub(super) longest: Duration,
}

/// Leave to make one call; its verdict counts while the circuit is still in the same period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass(u64);

/// What a verdict changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Opened(Duration),
    Closed,
}

/// Counts failures in a row, opens, lets one probe through, closes.
#[derive(Debug)]
pub(super) struct Circuit {
    phase: Phase,
    /// Numbers the periods between changes of phase: a call that ends in a later one than it began in says nothing.
    period: u64,
    /// Failures in a row while closed.
    failures: u32,
    /// Times that it opened since it was last closed.
    openings: u32,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed,
    Open {
        until: Timestamp,
    },
    /// A probe is under way; from `until` on it is given up.
    HalfOpen {
        until: Timestamp,
    },
}

impl Circuit {
    pub(super) const fn new() -> Self {
        Self { phase: Phase::Closed, period: 0, failures: 0, openings: 0 }
    }

    pub(super) const fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Leave to call, or the span after which it is worth asking again.
    pub(super) fn admit(&mut self, terms: Terms, now: Timestamp) -> Result<Pass, Duration> {
        match self.phase {
            Phase::Closed => {}
            // More than the longest span is left only when the clock has been set back.
            Phase::Open { until } | Phase::HalfOpen { until } if now < until && until <= now.after(terms.longest) => {
                return Err(until.since(now));
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => {
                self.enter(Phase::HalfOpen { until: now.after(terms.longest) });
            }
        }
        Ok(Pass(self.period))
    }

    /// Takes note of how a call ended.
    pub(super) fn settle(&mut self, pass: Pass, verdict: Verdict, terms: Terms, now: Timestamp) -> Change {
        if pass.0 != self.period {
            return Change::Nothing;
        }
        match (self.phase, verdict) {
            (Phase::Closed, Verdict::Works) => self.failures = 0,
            (Phase::Closed, Verdict::Fails) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= terms.failures {
                    return self.open(terms, now);
                }
            }
            (Phase::HalfOpen { .. }, Verdict::Works) => {
                self.close();
                return Change::Closed;
            }
            (Phase::HalfOpen { .. }, Verdict::Fails) => return self.open(terms, now),
            // The probe told nothing: the next call is the probe.
            (Phase::HalfOpen { .. }, Verdict::Unknown) => self.enter(Phase::Open { until: now }),
            // No call begins in an open period.
            (Phase::Closed, Verdict::Unknown) | (Phase::Open { .. }, _) => {}
        }
        Change::Nothing
    }

    /// Starts anew.
    pub(super) fn close(&mut self) {
        self.failures = 0;
        self.openings = 0;
        self.enter(Phase::Closed);
    }

    fn open(&mut self, terms: Terms, now: Timestamp) -> Change {
        self.openings = self.openings.saturating_add(1);
        let span = self.span(terms);
        self.enter(Phase::Open { until: now.after(span) });
        Change::Opened(span)
    }

    /// Twice as long with each opening in a row, up to the longest.
    fn span(&self, terms: Terms) -> Duration {
        let doublings = self.openings.saturating_sub(1).min(31);
        terms.span.saturating_mul(1 << doublings).min(terms.longest)
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.period += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TERMS: Terms = Terms { failures: 3, span: Duration::from_secs(1), longest: Duration::from_secs(5) };

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn fail(circuit: &mut Circuit, now: Timestamp) -> Change {
        let pass = circuit.admit(TERMS, now).unwrap();
        circuit.settle(pass, Verdict::Fails, TERMS, now)
    }

    #[test]
    fn spans_double_up_to_the_longest_and_start_anew_when_it_closed() {
        let mut circuit = Circuit::new();
        assert_eq!([fail(&mut circuit, at(0)), fail(&mut circuit, at(0))], [Change::Nothing; 2]);
        let mut now = at(0);
        for seconds in [1, 2, 4, 5, 5] {
            let span = Duration::from_secs(seconds);
            assert_eq!(fail(&mut circuit, now), Change::Opened(span));
            assert_eq!(circuit.admit(TERMS, now), Err(span));
            now = now.after(span);
        }
        let probe = circuit.admit(TERMS, now).unwrap();
        assert_eq!(circuit.settle(probe, Verdict::Works, TERMS, now), Change::Closed);
        let changes = [(); 3].map(|()| fail(&mut circuit, now));
        assert_eq!(changes, [Change::Nothing, Change::Nothing, Change::Opened(TERMS.span)]);
    }

    #[test]
    fn a_call_from_an_earlier_period_says_nothing() {
        let mut circuit = Circuit::new();
        let slow = circuit.admit(TERMS, at(0)).unwrap();
        for _ in 0..3 {
            fail(&mut circuit, at(0));
        }
        assert_eq!(circuit.settle(slow, Verdict::Works, TERMS, at(0)), Change::Nothing);
        assert_eq!(circuit.state(), BreakerState::Open);
        let probe = circuit.admit(TERMS, at(1_000)).unwrap();
        assert_eq!(circuit.settle(slow, Verdict::Fails, TERMS, at(1_000)), Change::Nothing);
        assert_eq!(circuit.settle(probe, Verdict::Works, TERMS, at(1_000)), Change::Closed);
    }

    #[test]
    fn a_probe_that_never_answers_is_given_up_after_the_longest_span() {
        let mut circuit = Circuit::new();
        for _ in 0..3 {
            fail(&mut circuit, at(0));
        }
        let lost = circuit.admit(TERMS, at(1_000)).unwrap();
        assert!(circuit.admit(TERMS, at(5_999)).is_err());
        let second = circuit.admit(TERMS, at(6_000)).unwrap();
        assert_eq!(circuit.settle(lost, Verdict::Fails, TERMS, at(6_000)), Change::Nothing);
        assert_eq!(circuit.settle(second, Verdict::Works, TERMS, at(6_000)), Change::Closed);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_it_open_no_longer_than_the_longest_span() {
        for half_open in [false, true] {
            let mut circuit = Circuit::new();
            for _ in 0..3 {
                fail(&mut circuit, at(3_599_000));
            }
            if half_open {
                circuit.admit(TERMS, at(3_600_000)).unwrap();
            }
            let asked = if half_open { at(3_600_000) } else { at(3_599_500) };
            assert!(circuit.admit(TERMS, asked).is_err());
            assert!(circuit.admit(TERMS, at(3_000_000)).is_ok(), "half open {half_open}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever happens: one probe at most is under way, a refusal ends, and a backend that works again is found.
        #[test]
        fn a_circuit_lets_one_probe_through_and_recovers(steps in prop::collection::vec((0_u8..4, 0_u64..3_000, 0_usize..8), 1..200)) {
            let mut circuit = Circuit::new();
            let (mut now, mut under_way) = (at(0), Vec::new());
            for (step, millis, which) in steps {
                now = now.after(Duration::from_millis(millis));
                if step == 0 || under_way.is_empty() {
                    let before = circuit.state();
                    match circuit.admit(TERMS, now) {
                        Ok(pass) => {
                            prop_assert!(before == BreakerState::Closed || circuit.state() == BreakerState::HalfOpen);
                            under_way.push(pass);
                        }
                        Err(span) => prop_assert!(span > Duration::ZERO && span <= TERMS.longest),
                    }
                } else {
                    let pass = under_way.swap_remove(which % under_way.len());
                    let verdict = [Verdict::Works, Verdict::Fails, Verdict::Unknown][usize::from(step) - 1];
                    circuit.settle(pass, verdict, TERMS, now);
                }
                let probes = under_way.iter().filter(|pass| pass.0 == circuit.period).count();
                prop_assert!(circuit.state() != BreakerState::HalfOpen || probes == 1);
                prop_assert!(circuit.state() != BreakerState::Open || probes == 0);
            }
            now = now.after(TERMS.longest);
            let pass = circuit.admit(TERMS, now).unwrap();
            circuit.settle(pass, Verdict::Works, TERMS, now);
            prop_assert_eq!(circuit.state(), BreakerState::Closed);
        }
    }
}
