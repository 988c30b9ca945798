//! `Class`: loads that share a bound on how many of them run at once.

use std::sync::Arc;

use cache_core::Result;

use super::traffic::{self, Place, Rules, Urgency};

/// Loads that share a bound on how many of them run at once: one on the graphics card, eight against one site.
///
/// A load waits for its place before its loader is called, for at most the deadline of its cache, and that wait does not
/// count against the time of the loader. A load that waits for another one of its class, by whatever way, lends its
/// place to it meanwhile, because it would wait for itself. Caches may share a class. Cloning shares it.
///
/// ```
/// # use cache_tiered::{Class, Order};
/// let gpu = Class::new("gpu", 1);
/// let scrape = Class::new("scrape", 8).order(Order::Lifo).queue(100);
/// assert_eq!((gpu.running(), scrape.waiting()), (0, 0));
/// ```
#[derive(Debug, Clone)]
pub struct Class {
    name: Arc<str>,
    places: usize,
    order: Order,
    queue: usize,
    /// Its address tells classes apart.
    identity: Arc<u8>,
}

/// Who of those that wait in a [`Class`] goes first. Loads that somebody waits for always go before those behind the
/// scenes: eager refreshes and warming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Order {
    /// Who came first.
    #[default]
    Fifo,
    /// Who came last: right where the oldest waiters have probably lost interest.
    Lifo,
}

impl Class {
    /// A class in which `places` loads run at once, at least one.
    pub fn new(name: impl Into<Arc<str>>, places: usize) -> Self {
        let (order, queue) = (Order::default(), 10_000);
        Self { name: name.into(), places: places.max(1), order, queue, identity: Arc::new(0) }
    }

    /// Sets who goes first. Call it before the class is shared: who is in it first decides for all.
    #[must_use]
    pub const fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Bounds how many loads wait; a further one fails as [`ErrorKind::Unavailable`](cache_core::ErrorKind::Unavailable),
    /// unless it is awaited and one that is not makes way. The default is 10,000. Call it before the class is shared.
    #[must_use]
    pub const fn queue(mut self, loads: usize) -> Self {
        self.queue = loads;
        self
    }

    /// Its name, in statistics and progress.
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How many loads run now, those included that have lent their place.
    pub fn running(&self) -> usize {
        traffic::count(self.identity()).0
    }

    /// How many loads wait for a place.
    pub fn waiting(&self) -> usize {
        traffic::count(self.identity()).1
    }

    /// Waits for a place for `flight`. Dropped, it leaves the queue.
    pub(super) async fn enter(&self, flight: usize, urgency: Urgency) -> Result<Place> {
        let rules = Rules { class: self.identity(), places: self.places, order: self.order, queue: self.queue };
        traffic::enter(rules, flight, urgency).await
    }

    /// Lets `flight` wait with those that are awaited.
    pub(super) fn hurry(&self, flight: usize) {
        traffic::hurry(self.identity(), flight);
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(&self.identity).addr()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::FutureExt;
    use futures_util::future::poll_fn;
    use parking_lot::Mutex;

    use super::*;
    use cache_core::ErrorKind;

    /// A future in the queue: polled once.
    async fn queued<F: Future + Unpin>(mut future: F) -> F {
        let pending = poll_fn(|context| Poll::Ready(future.poll_unpin(context).is_pending())).await;
        assert!(pending, "a place was free");
        future
    }

    #[tokio::test]
    async fn no_more_run_than_there_are_places() {
        let class = Class::new("c", 2);
        let first = class.enter(1, Urgency::Awaited).await.unwrap();
        let second = class.enter(2, Urgency::Awaited).await.unwrap();
        let third = queued(Box::pin(class.enter(3, Urgency::Awaited))).await;
        assert_eq!((class.running(), class.waiting()), (2, 1));
        drop(first);
        let third = third.await.unwrap();
        assert_eq!((class.running(), class.waiting()), (2, 0));
        drop((second, third));
        assert_eq!(class.running(), 0);
    }

    #[tokio::test]
    async fn the_order_decides_and_who_is_awaited_goes_before_who_is_not() {
        for (order, turns) in [(Order::Fifo, ["1", "2", "behind"]), (Order::Lifo, ["2", "1", "behind"])] {
            let class = Class::new("c", 1).order(order);
            let place = class.enter(4, Urgency::Awaited).await.unwrap();
            let went = Arc::new(Mutex::new(Vec::new()));
            let enter = |flight: usize, name: &'static str, urgency| {
                let (class, went) = (class.clone(), went.clone());
                Box::pin(async move {
                    let place = class.enter(flight, urgency).await.unwrap();
                    went.lock().push(name);
                    drop(place);
                })
            };
            let waiting = [
                queued(enter(101, "behind", Urgency::Behind)).await,
                queued(enter(102, "1", Urgency::Awaited)).await,
                queued(enter(103, "2", Urgency::Awaited)).await,
            ];
            drop(place);
            futures_util::future::join_all(waiting).await;
            assert_eq!(*went.lock(), turns, "{order:?}");
        }
    }

    #[tokio::test]
    async fn who_leaves_the_queue_costs_nobody_a_place() {
        let class = Class::new("c", 1).queue(10_000);
        let place = class.enter(5, Urgency::Awaited).await.unwrap();
        let mut leavers = Vec::new();
        for number in 0..10_000 {
            leavers.push(queued(Box::pin(class.enter(1_000 + number, Urgency::Awaited))).await);
        }
        assert_eq!(class.enter(7, Urgency::Awaited).await.unwrap_err().kind(), ErrorKind::Unavailable);
        drop(leavers);
        let last = queued(Box::pin(class.enter(8, Urgency::Behind))).await;
        drop(place);
        drop(last.await.unwrap());
        assert_eq!((class.running(), class.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn who_gets_a_place_and_leaves_before_looking_passes_it_on() {
        let class = Class::new("c", 1);
        let place = class.enter(9, Urgency::Awaited).await.unwrap();
        let waiting = queued(Box::pin(class.enter(10, Urgency::Awaited))).await;
        drop(place);
        drop(waiting);
        assert_eq!(class.running(), 0);
    }
}
