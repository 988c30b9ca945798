//! Hosts that want to be left alone, and those who wait for them already.

use std::time::Duration;

use futures_util::future::join_all;
use providers::Reason;
use providers::http::{Ask, Fetch, FetchOptions};

use crate::kit::fast;
use crate::upstream::{Canned, Upstream};

/// How two fail who ask at once a host that wants to be left alone for a minute, and how often it is asked.
async fn two_ask(options: FetchOptions) -> (Vec<Reason>, usize) {
    let upstream = Upstream::new(|_| Canned::status(429).header("retry-after", "60")).await;
    let fetch = Fetch::new(options.total_limit(Duration::from_secs(5))).unwrap();
    let page = Ask::get(&*upstream.url);
    let answers = join_all([(); 2].map(|()| fetch.fetch(&page))).await;
    (answers.into_iter().map(|answer| answer.unwrap_err().reason()).collect(), upstream.asked())
}

#[tokio::test]
async fn those_whose_turn_comes_meanwhile_do_not_ask() {
    let answers = two_ask(fast().gap(Duration::from_millis(300))).await;
    assert_eq!(answers, (vec![Reason::RateLimited; 2], 1));
}

#[tokio::test]
async fn those_who_wait_for_a_seat_do_not_wait_for_a_turn_as_well() {
    let answers = two_ask(fast().at_once(1).gap(Duration::from_mins(1))).await;
    assert_eq!(answers, (vec![Reason::RateLimited; 2], 1));
}
