//! Recorded histories of one key: whatever the calls and their timing, some order of them explains all answers.

mod yielding;

use std::sync::Arc;

use cache_core::{Backend, Entry, Hlc, Key, Meta, SystemClock};
use cache_mem::MemBackend;
use cache_testkit::linear::{History, KeyAnswer, KeyOp, Verdict, check_key};
use cache_testkit::{Fault, Operation, Plan, Rng, drop_after};
use cache_tiered::{Cache, Tiered};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, yield_now};

use crate::kit::{Bed, LONG, Runs, key, millis, pass, stored};
use yielding::Yielding;

/// How many histories each test checks, unless the environment says another number.
const HISTORIES: u64 = 7_000;
/// How many share one stack, each with a key of its own.
const BATCH: u64 = 250;
/// The most steps of one search: far more than any needs.
const STEPS: usize = 1_000_000;
/// How often what goes on in the background is asked whether it has ended.
const ASKED: usize = 1_000_000;
/// What is there at first, if anything; the values of the calls are greater.
const INITIAL: u64 = 0;

type Tier = Arc<Yielding<MemBackend>>;

fn tier(name: &'static str, durable: bool, seed: u64) -> Tier {
    Arc::new(Yielding::new(MemBackend::builder(1 << 30).name(name).build(), durable, seed))
}

fn stack(tiers: &[&Tier]) -> Tiered {
    let builder = tiers.iter().fold(Tiered::builder(), |builder, tier| builder.tier(Tier::clone(tier)));
    builder.build().unwrap()
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn several_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(3).enable_time().build().unwrap()
}

/// Runs one history for each seed, a bed for each batch of them.
fn run<B>(runtime: &Runtime, open: &impl AsyncFn(u64) -> B, history: &impl AsyncFn(&B, u64) -> Verdict) {
    let histories = std::env::var("REELCACHE_HISTORIES").ok().map_or(HISTORIES, |number| number.parse().unwrap());
    for batch in 0..histories.div_ceil(BATCH) {
        runtime.block_on(async {
            let bed = open(batch).await;
            for seed in batch * BATCH..histories.min((batch + 1) * BATCH) {
                let verdict = history(&bed, seed).await;
                assert!(verdict.is_linearizable(), "the history of seed {seed}: {verdict}");
            }
        });
    }
}

async fn join(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

/// How many polls a call gets; some get few and are dropped.
fn polls(rng: &mut Rng) -> usize {
    if rng.chance(1, 10) { rng.below(6) as usize } else { usize::MAX }
}

/// A cache over two tiers, and one without a near tier over each of them.
struct Typed {
    cache: Cache<u64>,
    tiers: Tiered,
    below: Cache<u64>,
    far: Cache<u64>,
    far_tier: Tier,
    /// The entry of [`INITIAL`], older than what the cache writes.
    initial: Entry,
}

impl Typed {
    async fn new(seed: u64) -> Self {
        let (near, far_tier) = (tier("near", false, 2 * seed), tier("far", true, 2 * seed + 1));
        let tiers = stack(&[&near, &far_tier]);
        let cache = |near, tiers| Cache::builder("values").near(near).tiers(tiers).build().unwrap();
        let far = cache(0, stack(&[&far_tier]));
        far.put(&key("initial"), INITIAL).await.unwrap();
        let initial = far_tier.get(&key("values:initial")).await.unwrap().unwrap();
        let (above, below) = (cache(10 * BATCH, tiers.clone()), cache(0, tiers.clone()));
        Self { cache: above, tiers, below, far, far_tier, initial }
    }

    async fn settled(&self) {
        let mut asked = 0;
        while self.cache.stats().running > 0 {
            asked += 1;
            assert!(asked < ASKED, "background work has not ended: {:?}", self.cache.stats());
            yield_now().await;
        }
        self.tiers.settle(LONG).await.unwrap();
    }

    async fn history(&self, seed: u64) -> Verdict {
        let mut rng = Rng::new(seed);
        let key = Key::of(seed).build().unwrap();
        let initial = rng.chance(1, 2).then_some(INITIAL);
        if initial.is_some() {
            let stored = Key::of("values").part(seed).build().unwrap();
            self.far_tier.put(&stored, self.initial.clone()).await.unwrap();
        }
        let history = Arc::new(History::new());
        let mut tasks = JoinSet::new();
        for number in 0..2 + rng.below(3) {
            let caller = Caller { cache: self.cache.clone(), key: key.clone(), history: history.clone() };
            let (mut rng, calls, first) = (Rng::new(rng.next_u64()), 2 + rng.below(3), 100 * (number + 1));
            tasks.spawn(async move {
                for call in 0..calls {
                    caller.call(&mut rng, first + call).await;
                }
            });
        }
        join(tasks).await;
        self.settled().await;
        // In the end, the near tier and the tiers below agree.
        for cache in [&self.cache, &self.below, &self.far] {
            let get = history.begin(KeyOp::Get);
            let found = cache.get(&key).await.unwrap();
            get.answered(KeyAnswer::Value(found.map(|hit| *hit.value)));
        }
        check_key(initial, &history.calls(), STEPS)
    }
}

struct Caller {
    cache: Cache<u64>,
    key: Key,
    history: Arc<History<KeyOp, KeyAnswer>>,
}

impl Caller {
    /// One random call; what it writes or loads is `value`.
    async fn call(&self, rng: &mut Rng, value: u64) {
        let polls = polls(rng);
        match rng.below(20) {
            0..4 => self.get(polls).await,
            4..10 => self.load(rng, value, polls, false).await,
            10..13 => self.load(rng, value, polls, true).await,
            13..16 => {
                let call = self.history.begin(KeyOp::Put(value));
                if let Some(Ok(())) = drop_after(polls, self.cache.put(&self.key, value)).await {
                    call.answered(KeyAnswer::Done);
                }
            }
            _ => {
                let call = self.history.begin(KeyOp::Remove);
                if let Some(Ok(found)) = drop_after(polls, self.cache.remove(&self.key)).await {
                    call.answered(KeyAnswer::Removed(found));
                }
            }
        }
    }

    async fn get(&self, polls: usize) {
        let call = self.history.begin(KeyOp::Get);
        match drop_after(polls, self.cache.get(&self.key)).await {
            Some(Ok(found)) => call.answered(KeyAnswer::Value(found.map(|hit| *hit.value))),
            _ => call.forget(),
        }
    }

    async fn load(&self, rng: &mut Rng, value: u64, polls: usize, refresh: bool) {
        let (history, yields, fails) = (self.history.clone(), rng.below(8), rng.chance(1, 10));
        let loader = move |_| async move {
            let run = history.begin(KeyOp::Run(value));
            for _ in 0..yields {
                yield_now().await;
            }
            if fails {
                run.forget();
                return Err("refused");
            }
            run.answered(KeyAnswer::Done);
            Ok(value)
        };
        let call = self.history.begin(KeyOp::Load);
        let answer = if refresh {
            drop_after(polls, self.cache.refresh(&self.key, loader)).await
        } else {
            drop_after(polls, self.cache.get_or_load(&self.key, loader)).await
        };
        match answer {
            Some(Ok(hit)) => call.answered(KeyAnswer::Value(Some(*hit.value))),
            _ => call.forget(),
        }
    }
}

#[test]
fn a_key_of_a_cache_is_linearizable_and_writes_win_over_loads() {
    run(&one_thread(), &Typed::new, &Typed::history);
}

#[test]
fn a_key_of_a_cache_used_by_several_threads_is_linearizable_and_writes_win_over_loads() {
    run(&several_threads(), &Typed::new, &Typed::history);
}

/// A stack of two tiers, and its parts.
struct Stack {
    tiers: Tiered,
    far: Tiered,
    stamps: Arc<Hlc>,
}

impl Stack {
    fn new(seed: u64) -> Self {
        let (near, far) = (tier("near", false, 2 * seed), tier("far", true, 2 * seed + 1));
        let stamps = Arc::new(Hlc::new(Arc::new(SystemClock::new())));
        Self { tiers: stack(&[&near, &far]), far: stack(&[&far]), stamps }
    }

    async fn history(&self, seed: u64) -> Verdict {
        let mut rng = Rng::new(seed);
        let key = Key::of(seed).build().unwrap();
        let initial = rng.chance(1, 2).then_some(INITIAL);
        if let Some(value) = initial {
            self.far.put(&key, entry(&self.stamps, &self.far, value)).await.unwrap();
        }
        let history = Arc::new(History::new());
        let mut tasks = JoinSet::new();
        for number in 0..2 + rng.below(3) {
            let (tiers, stamps, key, history) = (self.tiers.clone(), self.stamps.clone(), key.clone(), history.clone());
            let (mut rng, calls, first) = (Rng::new(rng.next_u64()), 2 + rng.below(4), 100 * (number + 1));
            tasks.spawn(async move {
                for call in 0..calls {
                    call_stack(&tiers, &stamps, &key, &history, &mut rng, first + call).await;
                }
            });
        }
        join(tasks).await;
        self.tiers.settle(LONG).await.unwrap();
        for tiers in [&self.tiers, &self.far] {
            let get = history.begin(KeyOp::Get);
            get.answered(KeyAnswer::Value(value(tiers.get(&key).await.unwrap().as_ref())));
        }
        check_key(initial, &history.calls(), STEPS)
    }
}

/// One random call; what it writes is `new`.
async fn call_stack(
    tiers: &Tiered,
    stamps: &Hlc,
    key: &Key,
    history: &History<KeyOp, KeyAnswer>,
    rng: &mut Rng,
    new: u64,
) {
    let polls = polls(rng);
    match rng.below(10) {
        0..4 => {
            let call = history.begin(KeyOp::Get);
            let answer = if rng.chance(1, 2) {
                drop_after(polls, tiers.get(key)).await
            } else {
                let lookups = drop_after(polls, tiers.lookup_many(std::slice::from_ref(key))).await;
                let first = lookups.and_then(|lookups| lookups.into_iter().next());
                first.map(|lookup| Ok(lookup.into_found()?.map(|found| found.entry)))
            };
            match answer {
                Some(Ok(found)) => call.answered(KeyAnswer::Value(value(found.as_ref()))),
                _ => call.forget(),
            }
        }
        4..7 => {
            let call = history.begin(KeyOp::Put(new));
            if let Some(Ok(())) = drop_after(polls, tiers.put(key, entry(stamps, tiers, new))).await {
                call.answered(KeyAnswer::Done);
            }
        }
        _ => {
            let call = history.begin(KeyOp::Remove);
            if let Some(Ok(found)) = drop_after(polls, tiers.remove(key)).await {
                call.answered(KeyAnswer::Removed(found));
            }
        }
    }
}

fn entry(stamps: &Hlc, tiers: &Tiered, value: u64) -> Entry {
    Entry::new(Meta::new(stamps.tick(), tiers.clock().now()), value.to_le_bytes().to_vec())
}

fn value(entry: Option<&Entry>) -> Option<u64> {
    entry.map(|entry| u64::from_le_bytes(entry.body[..].try_into().unwrap()))
}

#[test]
fn a_key_of_a_stack_is_linearizable() {
    run(&one_thread(), &async |seed| Stack::new(seed), &Stack::history);
}

#[test]
fn a_key_of_a_stack_used_by_several_threads_is_linearizable() {
    run(&several_threads(), &async |seed| Stack::new(seed), &Stack::history);
}

#[tokio::test(start_paused = true)]
async fn what_a_load_replaced_is_not_read_while_a_remove_is_under_way() {
    let bed = Bed::new();
    let (key, cache) = (key("a"), bed.strings().build().unwrap());
    bed.strings().near(0).build().unwrap().put(&key, "old".to_owned()).await.unwrap();
    bed.near.inner().remove(&stored(&key)).await.unwrap();
    bed.near.set_plan(Plan::new().each(Operation::Put, Fault::Delay(millis(50))));
    bed.far.set_plan(Plan::new().each(Operation::Remove, Fault::Delay(millis(50))));
    // Its promotion has the turn of the key when the remove comes, and the remove is next when the load has ended.
    assert_eq!(cache.get(&key).await.unwrap().unwrap().value.as_str(), "old");
    let load = tokio::spawn({
        let (cache, key) = (cache.clone(), key.clone());
        async move { cache.refresh(&key, Runs::default().takes(millis(10), Ok("new"))).await }
    });
    pass(millis(5)).await;
    let remove = tokio::spawn({
        let (cache, key) = (cache.clone(), key.clone());
        async move { cache.remove(&key).await }
    });
    assert_eq!(load.await.unwrap().unwrap().value.as_str(), "new");
    pass(millis(60)).await;
    assert!(!remove.is_finished());
    let found = cache.get(&key).await.unwrap().map(|hit| hit.value.to_string());
    assert_ne!(found.as_deref(), Some("old"), "although the load of another value was answered");
    assert!(remove.await.unwrap().unwrap());
    assert!(cache.get(&key).await.unwrap().is_none());
}
