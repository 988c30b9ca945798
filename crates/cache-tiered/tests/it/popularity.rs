//! Laws of popularity: how exact, how it forgets, how much it holds, and what a restart leaves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_core::{Backend, Clock, DAY, Entry, ErrorKind, HOUR, Hlc, Key, ManualClock, Meta, Timestamp};
use cache_testkit::{Bench, Fault, Faulty, NaiveModel, Operation, Plan, Rng};
use cache_tiered::Popularity;

use crate::kit::key;

/// A draw of ranks, the first the likeliest: `P(rank) ~ rank^-skew`.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(ranks: u32, skew: f64) -> Self {
        let weights = (1..=ranks).map(|rank| f64::from(rank).powf(-skew));
        Self(
            weights
                .scan(0.0, |sum, weight| {
                    *sum += weight;
                    Some(*sum)
                })
                .collect(),
        )
    }

    fn draw(&self, rng: &mut Rng) -> usize {
        let share = rng.below(1 << 53) as f64 / (1_u64 << 53) as f64;
        let at = share * self.0.last().unwrap();
        self.0.partition_point(|sum| *sum <= at)
    }
}

/// Counts every hit of every key: what the algorithm is measured by.
struct Exact {
    half_life: Duration,
    hits: HashMap<Key, (f64, Timestamp)>,
}

impl Exact {
    fn hit(&mut self, key: &Key, now: Timestamp) {
        let score = self.score(key, now) + 1.0;
        self.hits.insert(key.clone(), (score, now));
    }

    fn score(&self, key: &Key, now: Timestamp) -> f64 {
        let Some((score, then)) = self.hits.get(key) else { return 0.0 };
        score * (-now.since(*then).div_duration_f64(self.half_life)).exp2()
    }

    fn sum(&self, now: Timestamp) -> f64 {
        self.hits.keys().map(|key| self.score(key, now)).sum()
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Bench::START))
}

fn counting(keys: usize, clock: &Arc<ManualClock>) -> Popularity {
    Popularity::builder().keys(keys).half_life(HOUR).clock(clock.clone()).build()
}

fn hits(popularity: &Popularity, key: &Key, times: usize) {
    for _ in 0..times {
        popularity.hit(key);
    }
}

/// Plays hits of a Zipf law over ten hours to `popularity`.
fn play(popularity: &Popularity, clock: &ManualClock, skew: f64, seed: u64) -> Exact {
    let (zipf, mut rng) = (Zipf::new(5_000, skew), Rng::new(seed));
    let mut exact = Exact { half_life: HOUR, hits: HashMap::new() };
    for _ in 0..30_000 {
        clock.advance(Duration::from_millis(rng.below(2_400)));
        let key = key(&format!("k{}", zipf.draw(&mut rng)));
        popularity.hit(&key);
        exact.hit(&key, clock.now());
    }
    exact
}

fn close_to(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * b.abs().max(1.0)
}

#[test]
fn a_score_is_never_above_the_truth_and_at_most_the_bound_below() {
    for (skew, seed) in [(0.7, 1), (1.0, 2), (1.3, 3)] {
        // So few keys that they are in one shard.
        let (clock, keys) = (clock(), 100);
        let popularity = counting(keys, &clock);
        let exact = play(&popularity, &clock, skew, seed);
        let bound = exact.sum(clock.now()) / keys as f64;
        for key in exact.hits.keys() {
            let (score, truth) = (popularity.score(key), exact.score(key, clock.now()));
            assert!(score <= truth + 1e-6 && truth <= score + bound + 1e-6, "{key}: {score}, {truth} +- {bound}");
        }
        let top: HashMap<_, _> = popularity.top(usize::MAX).into_iter().collect();
        let missed = exact.hits.keys().find(|key| exact.score(key, clock.now()) > bound && !top.contains_key(*key));
        assert_eq!(missed, None, "all above the bound {bound} are tracked");
    }
}

#[test]
fn the_truly_most_popular_are_named_in_their_order() {
    let clock = clock();
    let popularity = counting(1_024, &clock);
    let exact = play(&popularity, &clock, 1.1, 4);
    let mut truth: Vec<_> = exact.hits.keys().collect();
    truth.sort_by(|a, b| exact.score(b, clock.now()).total_cmp(&exact.score(a, clock.now())));
    let top: Vec<_> = popularity.top(10).into_iter().map(|(key, _)| key).collect();
    assert_eq!(top.iter().collect::<Vec<_>>(), truth[..10]);
    assert_eq!(popularity.stats().lost, 0);
}

#[test]
fn with_room_for_all_scores_are_exact() {
    let clock = clock();
    let popularity = counting(100_000, &clock);
    let exact = play(&popularity, &clock, 1.0, 5);
    for key in exact.hits.keys() {
        assert!(close_to(popularity.score(key), exact.score(key, clock.now())), "{key}");
    }
}

#[test]
fn a_hit_is_worth_half_after_the_half_life_and_nothing_at_last() {
    let clock = clock();
    let popularity = counting(10, &clock);
    hits(&popularity, &key("a"), 4);
    clock.advance(HOUR);
    assert!(close_to(popularity.score(&key("a")), 2.0));
    popularity.hit(&key("b"));
    clock.advance(HOUR);
    assert!(close_to(popularity.score(&key("a")), 1.0) && close_to(popularity.score(&key("b")), 0.5));
    clock.advance(20 * HOUR);
    assert_eq!(popularity.top(10), []);
}

#[test]
fn what_is_hit_lately_overtakes_what_was_hit_more_often_long_ago() {
    let clock = clock();
    let popularity = counting(10, &clock);
    hits(&popularity, &key("classic"), 100);
    clock.advance(5 * HOUR);
    hits(&popularity, &key("fashion"), 4);
    assert_eq!(popularity.top(1)[0].0, key("fashion"));
}

#[test]
fn no_more_keys_are_tracked_than_allowed() {
    for keys in [1, 100, 1_000, 2_047] {
        let clock = clock();
        let popularity = counting(keys, &clock);
        for number in 0..20_000 {
            popularity.hit(&key(&number.to_string()));
        }
        assert_eq!((popularity.stats().keys, popularity.stats().max_keys), (keys as u64, keys as u64));
        assert_eq!(popularity.top(usize::MAX).len(), keys);
    }
}

#[test]
fn equal_scores_are_named_in_the_order_of_keys() {
    let popularity = counting(1_000, &clock());
    for name in ["c", "a", "d", "b"] {
        popularity.hit(&key(name));
    }
    let names: Vec<_> = popularity.top(3).into_iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn while_the_clock_is_set_back_hits_count_and_nothing_grows() {
    let clock = clock();
    let popularity = counting(10, &clock);
    hits(&popularity, &key("a"), 4);
    clock.advance(HOUR);
    popularity.hit(&key("b"));
    clock.set(Bench::START);
    popularity.hit(&key("b"));
    assert!(close_to(popularity.score(&key("a")), 2.0) && close_to(popularity.score(&key("b")), 2.0));
    clock.advance(2 * HOUR);
    assert!(close_to(popularity.score(&key("a")), 1.0) && close_to(popularity.score(&key("b")), 1.0));
}

#[test]
fn threads_lose_hits_only_where_it_is_said() {
    let popularity = counting(1_000, &clock());
    let keys: Vec<_> = (0..50).map(|number| key(&number.to_string())).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| keys.iter().cycle().take(20_000).for_each(|key| popularity.hit(key)));
        }
    });
    let counted: f64 = popularity.top(usize::MAX).iter().map(|(_, score)| score).sum();
    assert!(close_to(counted + popularity.stats().lost as f64, 80_000.0));
}

#[test]
fn a_restart_keeps_scores_and_decays_them_over_the_time_between() {
    let clock = clock();
    let before = counting(1_000, &clock);
    hits(&before, &key("a"), 8);
    hits(&before, &key("b"), 2);
    let saved = before.save().unwrap();
    clock.advance(HOUR);
    let after = counting(1_000, &clock);
    hits(&after, &key("b"), 5);
    assert_eq!(after.restore(saved), 2);
    assert!(close_to(after.score(&key("a")), 4.0) && close_to(after.score(&key("b")), 6.0));
}

#[test]
fn a_restart_with_less_room_keeps_the_most_popular() {
    let clock = clock();
    let before = counting(1_000, &clock);
    for number in 1..=100 {
        hits(&before, &key(&format!("k{number}")), number);
    }
    let after = counting(10, &clock);
    after.restore(before.save().unwrap());
    let names: Vec<_> = after.top(2).into_iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!((names, after.stats().keys), (vec!["k100".to_owned(), "k99".to_owned()], 10));
}

#[test]
fn damaged_and_foreign_bytes_add_nothing() {
    let popularity = counting(10, &clock());
    popularity.hit(&key("a"));
    let saved = popularity.save().unwrap();
    for at in 0..saved.len() {
        let mut bytes = saved.to_vec();
        bytes[at] ^= 1;
        assert_eq!(popularity.restore(Bytes::from(bytes)), 0, "byte {at}");
        assert_eq!(popularity.restore(saved.slice(..at)), 0, "the first {at} bytes");
    }
    assert!(close_to(popularity.score(&key("a")), 1.0));
}

#[tokio::test]
async fn it_is_one_entry_of_a_backend_and_replaces_its_older_one() {
    let clock = clock();
    let backend = NaiveModel::new(clock.clone());
    let before = counting(10, &clock);
    before.hit(&key("a"));
    before.store(&backend, &key("popularity")).await.unwrap();
    before.hit(&key("a"));
    before.store(&backend, &key("popularity")).await.unwrap();
    assert_eq!(backend.usage().await.unwrap().entries, 1);
    let after = counting(10, &clock);
    assert_eq!(after.load(&backend, &key("popularity")).await, 1);
    assert!(close_to(after.score(&key("a")), 2.0));
}

#[tokio::test]
async fn after_a_restart_with_the_clock_a_day_behind_it_is_still_stored() {
    let late = clock();
    late.advance(DAY);
    let backend = NaiveModel::new(clock());
    let before = counting(10, &late);
    before.hit(&key("a"));
    before.store(&backend, &key("popularity")).await.unwrap();

    let after = counting(10, &clock());
    assert_eq!(after.load(&backend, &key("popularity")).await, 1);
    assert!(close_to(after.score(&key("a")), 1.0));
    after.hit(&key("b"));
    after.store(&backend, &key("popularity")).await.unwrap();
    assert_eq!(counting(10, &clock()).load(&backend, &key("popularity")).await, 2);
}

#[tokio::test]
async fn an_absent_or_foreign_entry_is_an_empty_start() {
    let clock = clock();
    let (backend, popularity) = (NaiveModel::new(clock.clone()), counting(10, &clock));
    assert_eq!(popularity.load(&backend, &key("absent")).await, 0);
    let foreign = Entry::new(Meta::new(Hlc::new(clock.clone()).tick(), clock.now()), "somebody's value");
    backend.put(&key("foreign"), foreign).await.unwrap();
    assert_eq!(popularity.load(&backend, &key("foreign")).await, 0);
    assert_eq!(popularity.stats().keys, 0);
}

/// What a popularity with these keys, one hit each, would save, and then `rest`.
fn forged(clock: &Arc<ManualClock>, names: &[&str], rest: &[u8]) -> Bytes {
    let slots: Vec<_> = names.iter().map(|name| (key(name), 1.0, 0.0)).collect();
    let body = [&rmp_serde::to_vec(&(clock.now(), slots)).unwrap()[..], rest].concat();
    let mut meta = Meta::new(Hlc::new(clock.clone()).tick(), clock.now());
    (meta.codec, meta.schema) = (Some("popularity".into()), 1);
    Entry::new(meta, body).encode().unwrap()
}

#[test]
fn what_holds_more_than_a_popularity_adds_nothing() {
    let clock = clock();
    assert_eq!(counting(10, &clock).restore(forged(&clock, &["a", "b"], &[])), 2);
    assert_eq!(counting(10, &clock).restore(forged(&clock, &["a", "b"], &[0])), 0);
}

#[test]
fn a_key_saved_twice_counts_once_among_those_restored() {
    let clock = clock();
    assert_eq!(counting(10, &clock).restore(forged(&clock, &["a", "b", "a"], &[])), 2);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_fails_or_hangs_stops_no_start() {
    let clock = clock();
    let backend = Faulty::new(NaiveModel::new(clock.clone()));
    let popularity = counting(10, &clock);
    for fault in [Fault::Fail(ErrorKind::Unavailable), Fault::Hang] {
        backend.set_plan(Plan::new().each(Operation::Get, fault).each(Operation::Put, fault));
        assert_eq!(popularity.load(&backend, &key("popularity")).await, 0);
        assert!(popularity.store(&backend, &key("popularity")).await.is_err());
    }
}
