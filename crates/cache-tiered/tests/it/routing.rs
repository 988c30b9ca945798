//! Routing: entries go where they are taken, and reads do not ask where they cannot be.

use std::time::Duration;

use cache_core::{Backend, ErrorKind, MINUTE, Outcome};
use cache_testkit::{Fault, Operation, Plan};
use cache_tiered::{Forecast, TierOptions};
use tokio::time::Instant;

use crate::kit::{PATIENCE, key, millis};
use crate::kit_fleet::{Kind, Rig};

fn names(rig: &Rig, forecast: &Forecast) -> Vec<String> {
    rig.tiers.routes(forecast).iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn a_tier_is_given_what_its_options_admit() {
    let chosen = TierOptions::new().admit(|forecast| forecast.content_type.as_deref() != Some("video/mp4"));
    let rig = Rig::with(
        [
            (Kind::Passing, TierOptions::new().max_body(4)),
            (Kind::Passing, TierOptions::new().min_cost(MINUTE)),
            (Kind::Passing, chosen),
            (Kind::Durable, TierOptions::new()),
        ],
        |builder| builder,
    );
    assert_eq!(names(&rig, &Forecast::new()), ["0", "1", "2", "3"]);
    let cheap = Forecast::new().weight(5).cost(millis(1));
    assert_eq!(names(&rig, &cheap), ["2", "3"]);
    let video = Forecast::new().weight(4).cost(MINUTE).content_type("video/mp4");
    assert_eq!(names(&rig, &video), ["0", "1", "3"]);

    let a = key("a");
    let mut entry = rig.entry("short");
    entry.meta.cost = millis(1);
    entry.meta.content_type = Some("text/plain".into());
    rig.tiers.put(&a, entry.clone()).await.unwrap();
    for (tier, holds) in [(0, false), (1, false), (2, true), (3, true)] {
        assert_eq!(rig.held(tier, &a).await.is_some(), holds, "tier {tier}");
    }
    rig.places[2].inner().remove(&a).await.unwrap();
    assert_eq!(rig.tiers.get(&a).await.unwrap(), Some(entry));
    rig.settle().await;
    for (tier, holds) in [(0, false), (1, false), (2, true)] {
        assert_eq!(rig.held(tier, &a).await.is_some(), holds, "promoted to tier {tier}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_skips_tiers_that_do_not_take_what_is_expected() {
    let options = TierOptions::new().max_body(4);
    let rig = Rig::with([(Kind::Passing, options), (Kind::Durable, TierOptions::new())], |builder| builder);
    let lookup = rig.tiers.lookup_for(&key("a"), &Forecast::new().weight(5)).await;
    let outcomes: Vec<Outcome> = lookup.outcomes.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, [Outcome::Skipped, Outcome::Miss]);
    assert_eq!(rig.places[0].total_calls(), 0);
    assert_eq!(rig.tiers.stats().await.tiers[0].outcomes["skipped"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_tier_does_not_want_takes_the_entry_before_it_away() {
    let options = || TierOptions::new().admit(|forecast| forecast.weight.is_none_or(|weight| weight < 5));
    let rig = Rig::with([(Kind::Passing, options()), (Kind::Durable, options())], |builder| builder);
    let a = key("a");
    rig.put(&a, "old").await;
    rig.put(&a, "longer").await;
    assert_eq!((rig.held(0, &a).await, rig.held(1, &a).await, rig.body(&a).await), (None, None, None));
}

#[tokio::test(start_paused = true)]
async fn a_body_larger_than_a_tier_takes_goes_to_the_others() {
    // The row of a value larger than a tier takes.
    let options = TierOptions::new().max_body(4);
    let rig = Rig::with([(Kind::Passing, options.clone()), (Kind::Durable, TierOptions::new())], |builder| builder);
    rig.put(&key("a"), "longer").await;
    assert_eq!(rig.body(&key("a")).await.as_deref(), Some("longer"));
    let none = Rig::with([(Kind::Passing, options)], |builder| builder);
    let refused = none.tiers.put(&key("a"), none.entry("longer")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn a_choice_that_panics_counts_as_no() {
    let options = TierOptions::new().admit(|_| panic!("a bad choice"));
    let rig = Rig::with([(Kind::Passing, options), (Kind::Durable, TierOptions::new())], |builder| builder);
    rig.put(&key("a"), "x").await;
    assert_eq!(rig.body(&key("a")).await.as_deref(), Some("x"));
    assert_eq!(names(&rig, &Forecast::new()), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn patience_grows_with_the_cost_of_the_load_that_a_read_may_save() {
    let options = TierOptions::new().patience_per_cost(0.5).most_patience(5 * PATIENCE);
    let rig = Rig::with([(Kind::Passing, options)], |builder| builder);
    rig.places[0].set_plan(Plan::new().each(Operation::Get, Fault::Hang));
    let costs = [(None, PATIENCE), (Some(4 * PATIENCE), 3 * PATIENCE), (Some(Duration::MAX), 5 * PATIENCE)];
    for (cost, patience) in costs {
        let mut forecast = Forecast::new();
        forecast.cost = cost;
        let began = Instant::now();
        let lookup = rig.tiers.lookup_for(&key("a"), &forecast).await;
        assert_eq!(lookup.outcomes[0].1, Outcome::Timeout);
        assert_eq!(began.elapsed(), patience, "{cost:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_that_is_no_number_adds_no_patience() {
    for share in [f64::NAN, f64::INFINITY, -1.0] {
        let rig = Rig::with([(Kind::Passing, TierOptions::new().patience_per_cost(share))], |builder| builder);
        rig.places[0].set_plan(Plan::new().each(Operation::Get, Fault::Hang));
        let began = Instant::now();
        rig.tiers.lookup_for(&key("a"), &Forecast::new().cost(MINUTE)).await;
        assert_eq!(began.elapsed(), PATIENCE, "{share}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hit_in_the_nearest_tier_is_one_backend_call() {
    for kinds in [[Kind::Passing, Kind::Durable], [Kind::Durable, Kind::Shared]] {
        let rig = Rig::of(kinds);
        let a = key("a");
        rig.tiers.get(&a).await.unwrap();
        crate::kit::pass(millis(1)).await;
        rig.put(&a, "x").await;
        rig.tiers.invalidate(&cache_core::Selector::tag("other")).await.unwrap();
        let calls = [rig.places[0].total_calls(), rig.places[1].total_calls()];
        for _ in 0..10 {
            assert!(rig.body(&a).await.is_some());
        }
        assert_eq!([rig.places[0].total_calls(), rig.places[1].total_calls()], [calls[0] + 10, calls[1]], "{kinds:?}");
    }
}
