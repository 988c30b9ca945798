//! A call that is dropped at any point leaves no permit, place, probe or half a write behind.

use cache_core::{Backend, ErrorKind};
use cache_layers::{Breaker, BreakerState, Compressed, Concurrency, Metered, Prefixed, Timeout};
use cache_testkit::{
    Bench, Fault, Faulty, Fixture, NaiveModel, Plan, check_dropped_methods, drop_at, entry, for_each_drop_point,
};

use crate::kit::{clock, faulty, key, kind, millis};

/// A backend whose every call waits.
fn slow(bench: &Bench) -> Faulty<NaiveModel> {
    let slow = Faulty::new(NaiveModel::new(bench.clock.clone()));
    slow.set_plan(Plan::new().all(Fault::Delay(millis(5))));
    slow
}

#[tokio::test(start_paused = true)]
async fn every_method_of_every_layer_can_be_dropped_at_every_point() {
    let mut points = Vec::new();
    points.push(check_dropped_methods(async |bench| Ok(Fixture::new(Timeout::new(slow(&bench), millis(100))))).await);
    // A permit that is lost would be the last one.
    points
        .push(check_dropped_methods(async |bench| Ok(Fixture::new(Concurrency::new(slow(&bench), 1).queue(0)))).await);
    points.push(check_dropped_methods(async |bench| Ok(Fixture::new(Breaker::new(slow(&bench)).failures(1)))).await);
    points.push(check_dropped_methods(async |bench| Ok(Fixture::new(Compressed::new(slow(&bench)).min_len(1)))).await);
    points.push(check_dropped_methods(async |bench| Ok(Fixture::new(Prefixed::new(slow(&bench), key("p"))))).await);
    points.push(check_dropped_methods(async |bench| Ok(Fixture::new(Metered::new(slow(&bench))))).await);
    for points in points {
        assert!(points.unwrap() > 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_waits_for_a_turn_leaves_its_place() {
    let inner = faulty();
    let points = for_each_drop_point(100, async |point| {
        let layer = Concurrency::new(inner.clone(), 1).queue(1);
        inner.set_plan(Plan::new().all(Fault::Delay(millis(5))));
        let a = key("a");
        let (first, second) = tokio::join!(layer.get(&a), async {
            // `join!` polls the first one first: it has the only permit.
            drop_at(point, layer.get(&a)).await
        });
        assert_eq!(kind(first), None);
        assert_eq!((layer.running(), layer.waiting()), (0, 0));
        second.is_some()
    });
    assert!(points.await >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_probe_dropped_at_any_point_leaves_the_next_call_to_probe() {
    let inner = faulty();
    let points = for_each_drop_point(100, async |point| {
        let clock = clock();
        let layer = Breaker::new(inner.clone()).failures(1).span(millis(1_000)).clock(clock.clone());
        inner.set_plan(Plan::new().all(Fault::Fail(ErrorKind::Unavailable)));
        assert_eq!(kind(layer.usage().await), Some(ErrorKind::Unavailable));
        clock.advance(millis(1_000));
        inner.set_plan(Plan::new().all(Fault::Delay(millis(5))));
        let ended = drop_at(point, layer.put(&key("a"), entry(1, "x"))).await.is_some();
        assert_eq!(kind(layer.get(&key("a")).await), None);
        assert_eq!(layer.state(), BreakerState::Closed);
        ended
    });
    assert!(points.await >= 2);
}
