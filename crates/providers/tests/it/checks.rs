//! Links tried before they are handed out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Error, ErrorKind, MINUTE, ManualClock, Result};
use futures_util::future::join_all;
use parking_lot::Mutex;
use providers::{CachedProvider, Link, LinkCheck, Links, Validity, Verdict};
use tokio::time::{Instant, timeout};

use crate::kit::{Bed, Fake, START, first, link, request};

/// Says what it is told, and counts.
#[derive(Debug, Default)]
struct Doorman {
    bad: Mutex<Vec<String>>,
    fails: bool,
    hangs: bool,
    asked: AtomicU64,
}

#[async_trait]
impl LinkCheck for Doorman {
    async fn check(&self, link: &Link) -> Result<Verdict> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if self.fails {
            return Err(Error::new(ErrorKind::Unavailable, "it is down"));
        }
        Ok(if self.bad.lock().contains(&link.url) { Verdict::Bad } else { Verdict::Good })
    }
}

fn guarded(bed: &Bed, fake: &Arc<Fake>, doorman: &Arc<Doorman>) -> CachedProvider<Arc<Fake>> {
    CachedProvider::builder(fake.clone()).tiers(bed.tiers.clone()).check(doorman.clone()).build().unwrap()
}

#[tokio::test]
async fn a_cached_link_that_is_found_to_be_bad_is_replaced_before_it_is_handed_out() {
    let (bed, fake, doorman) = (Bed::new(), Fake::new("a"), Arc::new(Doorman::default()));
    let provider = guarded(&bed, &fake, &doorman);
    let page = request("https://example.org/a");
    provider.get(&page).await.unwrap();
    assert_eq!(doorman.asked.load(Ordering::SeqCst), 0, "what was just loaded needs no check");
    doorman.bad.lock().push("https://example.org/a?take=1".to_owned());
    bed.clock.advance(Duration::from_mins(1));
    let answer = provider.get(&page).await.unwrap();
    assert_eq!(first(&answer.value), "https://example.org/a?take=2");
    assert_eq!(provider.stats().reports, 1);
}

#[tokio::test]
async fn the_links_of_one_request_are_checked_once_in_a_gap() {
    let (bed, fake, doorman) = (Bed::new(), Fake::new("a"), Arc::new(Doorman::default()));
    let provider = guarded(&bed, &fake, &doorman);
    let page = request("https://example.org/a");
    provider.get(&page).await.unwrap();
    for round in 1..=3 {
        join_all((0..100).map(|_| provider.get(&page))).await.into_iter().for_each(|answer| _ = answer.unwrap());
        assert_eq!(doorman.asked.load(Ordering::SeqCst), round);
        bed.clock.advance(Duration::from_mins(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_or_hangs_keeps_nobody_from_the_link() {
    let doormen = [Doorman { fails: true, ..Doorman::default() }, Doorman { hangs: true, ..Doorman::default() }];
    for doorman in doormen.map(Arc::new) {
        let (bed, fake) = (Bed::new(), Fake::new("a"));
        let provider = guarded(&bed, &fake, &doorman);
        let page = request("https://example.org/a");
        provider.get(&page).await.unwrap();
        let answer = timeout(Duration::from_secs(10), provider.get(&page)).await.unwrap();
        assert_eq!(first(&answer.unwrap().value), "https://example.org/a?take=1");
        assert_eq!((doorman.asked.load(Ordering::SeqCst), fake.loads()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_are_checked_at_once_than_eight_and_the_others_do_not_wait() {
    let doorman = Arc::new(Doorman { hangs: true, ..Doorman::default() });
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = guarded(&bed, &fake, &doorman);
    let pages: Vec<_> = (0..20).map(|page| request(&format!("https://example.org/{page}"))).collect();
    provider.get_many(&pages).await;
    let began = Instant::now();
    let waits = pages.iter().map(async |page| {
        provider.get(page).await.unwrap();
        began.elapsed().as_secs()
    });
    let waits = join_all(waits).await;
    assert_eq!((doorman.asked.load(Ordering::SeqCst), waits), (8, [[5].repeat(8), [0].repeat(12)].concat()));
}

/// Takes its time, and finds everything good.
#[derive(Debug)]
struct Slow(Arc<ManualClock>);

#[async_trait]
impl LinkCheck for Slow {
    async fn check(&self, _link: &Link) -> Result<Verdict> {
        self.0.advance(3 * MINUTE);
        Ok(Verdict::Good)
    }
}

#[tokio::test]
async fn a_link_that_ends_while_it_is_checked_is_asked_for_anew() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|time, request| {
        let ends = START.after(if time > 1 { 60 * MINUTE } else { 3 * MINUTE });
        Ok(Links::of([link(request.url(), time).with_validity(Validity::ending(ends, START))]))
    });
    let provider = CachedProvider::builder(fake.clone()).tiers(bed.tiers.clone()).check(Slow(bed.clock.clone()));
    let (provider, page) = (provider.build().unwrap(), request("https://example.org/a"));
    provider.get(&page).await.unwrap();
    bed.clock.advance(MINUTE);
    let answer = provider.get(&page).await.unwrap();
    assert_eq!(first(&answer.value), "https://example.org/a?take=2");
}
