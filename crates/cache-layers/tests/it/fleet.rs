//! Leases and backplanes through layers.

use std::sync::Arc;

use cache_core::{Backend, Backplane, ErrorKind, Heard, KeyPrefix, Leases, MINUTE, Mark, Selector, Stamp};
use cache_layers::{Breaker, Compressed, Concurrency, Metered, Prefixed, ReadOnly, Timeout};
use cache_testkit::{Fleet, LocalBackplane, LocalLeases, NaiveModel};
use futures_util::{FutureExt, StreamExt};

use crate::kit::{clock, key, kind, millis};

struct Bed {
    leases: Arc<LocalLeases>,
    backplane: LocalBackplane,
}

impl Bed {
    fn new() -> Self {
        Self { leases: Arc::new(LocalLeases::new(clock())), backplane: LocalBackplane::new(100) }
    }

    /// The connection of one more process.
    fn connect(&self) -> Fleet<NaiveModel> {
        let connection = Fleet::new(NaiveModel::new(clock())).with_leases(self.leases.clone());
        connection.with_backplane(Arc::new(self.backplane.peer()))
    }
}

fn mark(selector: Selector) -> Mark {
    Mark { selector, stamp: Stamp::from_u64(7) }
}

/// The selectors that a subscriber hears who began before `marks` were told.
async fn hears(subscriber: &dyn Backplane, publisher: &dyn Backplane, marks: &[Selector]) -> Vec<Selector> {
    let mut heard = subscriber.subscribe(None);
    assert!(matches!(heard.next().await, Some(Ok(Heard::Gap(_)))));
    for selector in marks {
        publisher.publish(&mark(selector.clone())).await.unwrap();
    }
    let mut selectors = Vec::new();
    while let Some(Some(Ok(Heard::Mark(mark, _)))) = heard.next().now_or_never() {
        assert_eq!(mark.stamp, Stamp::from_u64(7));
        selectors.push(mark.selector);
    }
    selectors
}

#[test]
fn every_layer_forwards_both() {
    let bed = Bed::new();
    let layers: [Box<dyn Backend>; 6] = [
        Box::new(Timeout::new(bed.connect(), millis(100))),
        Box::new(Breaker::new(bed.connect())),
        Box::new(Concurrency::new(bed.connect(), 1)),
        Box::new(Compressed::new(bed.connect())),
        Box::new(Prefixed::new(bed.connect(), key("p"))),
        Box::new(Metered::new(bed.connect())),
    ];
    for layer in layers {
        assert!(layer.leases().is_some() && layer.backplane().is_some(), "{layer:?}");
    }
    let without = Prefixed::new(NaiveModel::new(clock()), key("p"));
    assert!(Backend::leases(&without).is_none() && Backend::backplane(&without).is_none());
}

#[tokio::test]
async fn leases_are_taken_below_the_prefix() {
    let bed = Bed::new();
    let alice = Prefixed::new(bed.connect(), key("alice"));
    let (bob, twin) = (Prefixed::new(bed.connect(), key("bob")), Prefixed::new(bed.connect(), key("alice")));
    let video = key("video");
    let lease = alice.take(&video, Stamp::ZERO, MINUTE).await.unwrap().unwrap();
    assert_eq!(lease.key, video);
    assert!(bed.leases.is_held(&key("alice:video")));
    assert_eq!(twin.take(&video, Stamp::ZERO, MINUTE).await.unwrap(), None);
    assert!(bob.take(&video, Stamp::ZERO, MINUTE).await.unwrap().is_some());
    assert!(Leases::renew(&alice, &lease, MINUTE).await.unwrap());
    assert!(alice.release(&lease).await.unwrap());
    assert!(twin.take(&video, Stamp::ZERO, MINUTE).await.unwrap().is_some());
}

#[tokio::test]
async fn marks_reach_those_below_the_same_prefix_as_they_were_told() {
    let bed = Bed::new();
    let [one, two] = [(); 2].map(|()| Prefixed::new(bed.connect(), key("alice")));
    let other = Prefixed::new(bed.connect(), key("bob"));
    let marks = [
        Selector::Key(key("video:1")),
        Selector::Prefix(KeyPrefix::below(&key("video"))),
        Selector::Pattern("video:*".parse().unwrap()),
        Selector::tag("holiday"),
        Selector::Tag { tag: "holiday".into(), within: KeyPrefix::below(&key("video")) },
        Selector::all(),
    ];
    assert_eq!(hears(&two, &one, &marks).await, marks);
    assert_eq!(hears(&other, &one, &marks).await, []);
}

#[tokio::test]
async fn marks_from_above_the_prefix_reach_all_that_they_select_there() {
    let bed = Bed::new();
    let whole = bed.backplane.peer();
    let alice = Prefixed::new(bed.connect(), key("alice:x"));
    let marks = [
        Selector::all(),
        Selector::Prefix(KeyPrefix::below(&key("alice"))),
        Selector::Pattern("al*".parse().unwrap()),
        Selector::tag("holiday"),
    ];
    let heard = hears(&alice, &whole, &marks).await;
    assert_eq!(heard, [Selector::all(), Selector::all(), Selector::all(), Selector::tag("holiday")]);
    let beside =
        [Selector::Key(key("alice:x")), Selector::Key(key("bob")), Selector::Prefix(KeyPrefix::below(&key("bob")))];
    assert_eq!(hears(&alice, &whole, &beside).await, []);
}

#[tokio::test]
async fn read_only_hears_and_does_not_speak() {
    let bed = Bed::new();
    let layer = ReadOnly::new(bed.connect());
    assert!(layer.leases().is_none());
    let told = [Selector::all()];
    let backplane = layer.backplane().unwrap();
    assert_eq!(hears(backplane, &bed.backplane.peer(), &told).await, told);
    assert_eq!(kind(backplane.publish(&mark(Selector::all())).await), Some(ErrorKind::Invalid));
    assert_eq!(bed.backplane.marks().len(), 1);
}
