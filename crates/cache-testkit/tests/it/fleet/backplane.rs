//! The contract of `LocalBackplane` and its faults.

use cache_core::{Backplane, ErrorKind, Heard, Mark, Position, Result, Selector, Stamp};
use cache_testkit::LocalBackplane;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};

type Ear = BoxStream<'static, Result<Heard>>;

fn mark(number: u64) -> Mark {
    Mark { selector: Selector::all(), stamp: Stamp::from_u64(number) }
}

async fn publish(backplane: &LocalBackplane, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        backplane.publish(&mark(number)).await.unwrap();
    }
}

/// Everything that `ear` hears without waiting: the stamps of marks, 0 for a gap, and the last position.
fn heard(ear: &mut Ear) -> (Vec<u64>, Option<Position>) {
    let (mut numbers, mut last) = (Vec::new(), None);
    while let Some(Some(item)) = ear.next().now_or_never() {
        let (number, position) = match item.unwrap() {
            Heard::Mark(mark, position) => (mark.stamp.as_u64(), position),
            Heard::Gap(position) => (0, position),
            _ => unreachable!("there are marks and gaps"),
        };
        numbers.push(number);
        last = Some(position);
    }
    (numbers, last)
}

/// A subscription that has heard its first gap.
fn listen(backplane: &LocalBackplane) -> Ear {
    let mut ear = backplane.subscribe(None);
    assert_eq!(heard(&mut ear).0, [0]);
    ear
}

/// The kind of the error that `ear` ends with.
async fn end(ear: &mut Ear) -> ErrorKind {
    let error = ear.next().await.unwrap().unwrap_err();
    assert!(ear.next().await.is_none(), "the stream goes on after an error");
    error.kind()
}

#[tokio::test]
async fn a_subscriber_hears_a_gap_and_then_every_mark_in_order_of_every_peer() {
    let one = LocalBackplane::new(10);
    let two = one.peer();
    publish(&one, [1]).await;
    let (mut near, mut far) = (listen(&one), listen(&two));
    publish(&one, [2]).await;
    publish(&two, [3]).await;
    assert_eq!(heard(&mut near).0, [2, 3]);
    assert_eq!(heard(&mut far).0, [2, 3]);
}

#[tokio::test]
async fn a_waiting_subscriber_wakes_up() {
    let backplane = LocalBackplane::new(10);
    let mut ear = listen(&backplane);
    let waiting = tokio::spawn(async move { ear.next().await });
    tokio::task::yield_now().await;
    publish(&backplane, [1]).await;
    assert!(matches!(waiting.await.unwrap(), Some(Ok(Heard::Mark(heard, _))) if heard == mark(1)));
}

#[tokio::test]
async fn a_late_subscriber_goes_on_after_its_position() {
    let backplane = LocalBackplane::new(10);
    let mut ear = listen(&backplane);
    publish(&backplane, [1, 2]).await;
    let (_, position) = heard(&mut ear);
    drop(ear);
    publish(&backplane, [3, 4]).await;
    assert_eq!(heard(&mut backplane.subscribe(position)).0, [3, 4]);
}

#[tokio::test]
async fn a_position_that_fell_out_of_the_log_is_a_gap() {
    let backplane = LocalBackplane::new(2);
    let mut slow = listen(&backplane);
    publish(&backplane, [1]).await;
    let (_, position) = heard(&mut slow);
    publish(&backplane, [2, 3]).await;
    assert_eq!(heard(&mut backplane.subscribe(position.clone())).0, [2, 3], "the log holds just enough");
    publish(&backplane, [4]).await;
    assert_eq!(backplane.marks(), [mark(3), mark(4)]);
    assert_eq!(heard(&mut backplane.subscribe(position)).0, [0]);
    assert_eq!(heard(&mut slow).0, [0], "a subscriber that is too slow hears it as well");
    publish(&backplane, [5]).await;
    assert_eq!(heard(&mut slow).0, [5]);
}

#[tokio::test]
async fn a_position_of_another_log_is_a_gap() {
    let backplane = LocalBackplane::new(2);
    for strange in ["", "x", "0-7", "1-0", "-1"] {
        assert_eq!(heard(&mut backplane.subscribe(Some(Position::new(strange)))).0, [0], "{strange:?}");
    }
}

#[tokio::test]
async fn a_held_connection_hears_late_and_in_order_and_its_peers_at_once() {
    let one = LocalBackplane::new(10);
    let two = one.peer();
    let (mut near, mut far) = (listen(&one), listen(&two));
    one.hold();
    publish(&one, [1, 2]).await;
    assert_eq!(heard(&mut near).0, []);
    assert_eq!(heard(&mut far).0, [1, 2]);
    one.release();
    assert_eq!(heard(&mut near).0, [1, 2]);
}

#[tokio::test]
async fn a_dropped_connection_ends_its_streams_and_not_those_of_peers() {
    let one = LocalBackplane::new(10);
    let two = one.peer();
    let (mut near, mut far) = (listen(&one), listen(&two));
    assert_eq!((one.subscribers(), two.subscribers()), (1, 1));
    one.disconnect();
    assert_eq!(end(&mut near).await, ErrorKind::Unavailable);
    assert_eq!((one.subscribers(), two.subscribers()), (0, 1));
    publish(&one, [1]).await;
    assert_eq!(heard(&mut far).0, [1]);
    let _ = listen(&one);
}

#[tokio::test]
async fn a_failing_connection_neither_publishes_nor_hears() {
    let backplane = LocalBackplane::new(10);
    let mut ear = listen(&backplane);
    backplane.fail(ErrorKind::Timeout);
    assert_eq!(backplane.publish(&mark(1)).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(end(&mut ear).await, ErrorKind::Timeout);
    assert_eq!(end(&mut backplane.subscribe(None)).await, ErrorKind::Timeout);
    backplane.heal();
    assert_eq!(backplane.marks(), []);
    let _ = listen(&backplane);
}

#[tokio::test]
async fn a_lost_log_is_a_gap_to_everybody() {
    let one = LocalBackplane::new(10);
    let two = one.peer();
    let (mut up_to_date, mut behind) = (listen(&one), listen(&two));
    publish(&one, [1]).await;
    let (_, position) = heard(&mut up_to_date);
    one.lose_log();
    assert_eq!(heard(&mut up_to_date).0, [0]);
    assert_eq!(heard(&mut behind).0, [0]);
    assert_eq!(heard(&mut two.subscribe(position)).0, [0]);
    publish(&two, [2]).await;
    assert_eq!(heard(&mut up_to_date).0, [2]);
}
