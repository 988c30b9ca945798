//! `Weather`: which calls over one connection go wrong, as a function of the seed and of the calls alone.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_testkit::Rng;
use parking_lot::Mutex;

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It works, after this time.
    Works(Duration),
    /// It fails and has no effect.
    Fails,
    /// It answers after minutes only; it has its effect then, or none.
    Hangs { span: Duration, works: bool },
    /// It takes long, and has its effect half-way.
    Slow(Duration),
    /// What is stored does not verify.
    Corrupt,
    /// It has its effect, then fails.
    ReplyLost,
    /// It panics and has no effect.
    Panics,
}

impl Fate {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Works(_) => "works",
            Self::Fails => "fault: fails",
            Self::Hangs { .. } => "fault: hangs",
            Self::Slow(_) => "fault: slow",
            Self::Corrupt => "fault: corrupt",
            Self::ReplyLost => "fault: reply lost",
            Self::Panics => "fault: panics",
        }
    }
}

/// What happens to all calls for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    Fails,
    Hangs,
}

/// Which calls over one connection go wrong. Outlives the node's lives.
#[derive(Debug)]
pub(crate) struct Weather {
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of a thousand calls, how many go wrong.
    rate: u64,
    /// Of a thousand calls, how many take a little time.
    latent: u64,
    outage: Option<Outage>,
    calls: BTreeMap<(&'static str, String), u64>,
    /// Faults that struck.
    struck: u64,
    /// Faults under way.
    ongoing: usize,
}

impl Weather {
    pub(crate) fn new(seed: u64, rate: u64, latent: u64) -> Self {
        Self { seed, state: Mutex::new(State { rate, latent, ..State::default() }) }
    }

    pub(crate) fn set_rate(&self, rate: u64) {
        self.state.lock().rate = rate;
    }

    pub(crate) fn set_outage(&self, outage: Option<Outage>) {
        self.state.lock().outage = outage;
    }

    /// Whether nothing goes wrong at the moment, and how often something has.
    pub(crate) fn trouble(&self) -> (bool, u64) {
        let state = self.state.lock();
        (state.ongoing == 0 && state.outage.is_none(), state.struck)
    }

    /// Notes that a fault is over.
    pub(crate) fn over(&self) {
        self.state.lock().ongoing -= 1;
    }

    /// Decides about a call of `operation` on `key`. Each fault has to be [over](Self::over) one day.
    pub(crate) fn fate(&self, operation: &'static str, key: &str) -> Fate {
        let mut state = self.state.lock();
        // The last part of the name of a mark is random.
        let key = if key.starts_with("~marks") { key.rsplit_once(':').map_or(key, |(head, _)| head) } else { key };
        let calls = state.calls.entry((operation, key.to_owned())).or_default();
        *calls += 1;
        let mut rng = Rng::new(self.seed);
        for byte in operation.bytes().chain(key.bytes()) {
            rng = Rng::new(rng.next_u64() ^ u64::from(byte));
        }
        let mut rng = Rng::new(rng.next_u64() ^ *calls);
        let fate = match state.outage {
            Some(Outage::Fails) => Fate::Fails,
            Some(Outage::Hangs) => hang(&mut rng),
            None if rng.chance(state.rate, 1_000) => fault(&mut rng, operation),
            None => Fate::Works(Duration::from_millis(if rng.chance(state.latent, 1_000) { rng.below(40) } else { 0 })),
        };
        if !matches!(fate, Fate::Works(_)) {
            state.struck += 1;
            state.ongoing += 1;
        }
        fate
    }
}

fn fault(rng: &mut Rng, operation: &'static str) -> Fate {
    match rng.below(20) {
        0..6 => Fate::Fails,
        6..9 => hang(rng),
        9..14 => Fate::Slow(Duration::from_millis(1 + rng.below(8_000))),
        14..16 if operation == "get" => Fate::Corrupt,
        14..19 => Fate::ReplyLost,
        _ => Fate::Panics,
    }
}

fn hang(rng: &mut Rng) -> Fate {
    Fate::Hangs { span: Duration::from_secs(30 + rng.below(500)), works: rng.chance(1, 2) }
}
