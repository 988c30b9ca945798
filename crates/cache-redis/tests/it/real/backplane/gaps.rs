//! Rules: whoever may have missed a mark hears a gap, and every mark after it.

use cache_core::{Heard, Position};

use super::{Ear, mark, tell};
use crate::real::support::{assert_outage, now, open, recovered, timed};
use crate::servers::{self, Redis};

#[tokio::test]
async fn who_was_away_for_too_long_hears_a_gap() {
    let backend = open(servers::redis().backplane_marks(100)).await;
    let mut ear = Ear::new(&backend).await;
    tell(&backend, 0..10).await;
    ear.marks(0..5).await;
    let at = ear.at.clone();
    drop(ear);
    tell(&backend, 10..400).await;
    let mut ear = Ear::after(&backend, at);
    ear.gap().await;
    tell(&backend, [400, 401]).await;
    ear.marks([400, 401]).await;
}

#[tokio::test]
async fn who_reads_too_slowly_hears_what_was_read_ahead_and_then_a_gap() {
    let backend = open(servers::redis().backplane_marks(300)).await;
    let mut ear = Ear::new(&backend).await;
    tell(&backend, 0..200).await;
    ear.marks(0..1).await;
    tell(&backend, 200..1_000).await;
    ear.marks(1..128).await;
    ear.gap().await;
    tell(&backend, [1_000]).await;
    ear.marks([1_000]).await;
}

#[tokio::test]
async fn a_position_of_nobody_is_a_gap() {
    let redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    tell(&backend, 0..3).await;
    let known = Ear::new(&backend).await.at.unwrap();
    let (id, _) = known.as_str().split_once('.').unwrap();
    let positions = ["", "here", "0-0.0.0", "1-1.00000000000000ff.1", "99999999999999-0.1.1", &format!("{id}.1.1")];
    for position in positions {
        let mut ear = Ear::after(&backend, Some(Position::new(position)));
        ear.gap().await;
        assert_eq!(ear.at.as_ref(), Some(&known), "{position}: from the end on");
    }
}

#[tokio::test]
async fn a_lost_stream_is_a_gap_for_who_listens_and_for_who_comes_back() {
    let mut redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    let mut ear = Ear::new(&backend).await;
    tell(&backend, 0..3).await;
    ear.marks(0..3).await;
    let away = ear.at.clone();
    redis.raw().say("FLUSHALL");
    // Lost together with the stream, for whoever has not read it.
    tell(&backend, [3]).await;
    redis.raw().say("FLUSHALL");
    tell(&backend, [4]).await;
    ear.gap().await;
    let mut back = Ear::after(&backend, away);
    back.gap().await;
    tell(&backend, [5]).await;
    for ear in [&mut ear, &mut back] {
        while !matches!(ear.next().await.unwrap(), Heard::Mark(heard, _) if heard == mark(5)) {}
    }
    let away = ear.at.clone();
    redis.server.kill().unwrap();
    assert_outage(&timed(ear.next()).await);
    redis.start_again();
    recovered(&backend).await;
    let mut ear = Ear::after(&backend, away);
    ear.gap().await;
}

#[tokio::test]
async fn a_stream_that_is_lost_in_silence_is_a_gap_as_well() {
    let redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    let mut ear = Ear::new(&backend).await;
    redis.raw().say("FLUSHALL");
    ear.gap().await;
    redis.raw().say("SET reelcache:=backplane foreign");
    // Refused as long as it is there, or replaced: either way who listens hears of it.
    let mut later = loop {
        match ear.next().await {
            Ok(Heard::Gap(_)) => break ear,
            Ok(heard) => panic!("{heard:?}"),
            Err(_) => ear = Ear::after(&backend, ear.at.take()),
        }
    };
    tell(&backend, [1]).await;
    later.marks([1]).await;
}

#[tokio::test]
async fn ids_that_went_back_are_a_gap() {
    let redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    let hour = 3_600_000;
    let ahead = now().as_millis() + hour;
    // As by a server whose clock was ahead.
    redis.raw().say(&format!("XADD reelcache:=backplane {ahead}-0 t 00000000000000aa p x r 0 m x"));
    let mut ear = Ear::new(&backend).await;
    assert!(ear.at.as_ref().unwrap().as_str().starts_with(&ahead.to_string()));
    let away = ear.at.clone();
    redis.raw().say("FLUSHALL");
    tell(&backend, [1]).await;
    ear.gap().await;
    Ear::after(&backend, away).gap().await;
    tell(&backend, [2]).await;
    ear.marks([2]).await;
}

#[tokio::test]
async fn a_mark_in_an_unknown_form_is_a_gap_and_does_not_stop_the_others() {
    let redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    let mut ear = Ear::new(&backend).await;
    let at = ear.at.as_ref().unwrap();
    let [_, tag, run] = at.as_str().splitn(3, '.').collect::<Vec<_>>()[..] else { panic!("{at:?}") };
    redis.raw().say(&format!("XADD reelcache:=backplane * t 00000000000000aa p {tag} r {run} m unknown"));
    tell(&backend, [1]).await;
    ear.gap().await;
    ear.marks([1]).await;
    redis.raw().say("XADD reelcache:=backplane * whatever this-is");
    ear.gap().await;
    tell(&backend, [2]).await;
    ear.marks([2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_that_its_server_has_lost_is_a_gap_for_who_had_not_heard_it() {
    let mut redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    let (mut away, mut here) = (Ear::new(&backend).await, Ear::new(&backend).await);
    tell(&backend, [1]).await;
    away.marks([1]).await;
    here.marks([1]).await;
    let at = away.at.clone();
    drop(away);
    redis.raw().say("SAVE");
    // Acknowledged, and lost with the server: its listeners are as far behind as it is.
    tell(&backend, [2]).await;
    redis.server.kill().unwrap();
    redis.start_again();
    recovered(&backend).await;
    tell(&backend, [3]).await;
    let mut back = Ear::after(&backend, at);
    assert_eq!(back.until(&backend, 3).await, (vec![3], 1), "a gap");
    let (marks, gaps) = here.until(&backend, 3).await;
    assert!(gaps == 1 && marks.ends_with(&[3]), "{marks:?}, {gaps} gaps");
}

#[tokio::test]
async fn another_run_of_the_server_is_a_gap_although_nothing_is_told() {
    let mut redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let backend = open(redis.options()).await;
    let ear = Ear::new(&backend).await;
    redis.server.kill().unwrap();
    redis.start_again();
    recovered(&backend).await;
    let mut ear = Ear::after(&backend, ear.at);
    ear.gap().await;
    tell(&backend, [1]).await;
    ear.marks([1]).await;
}

#[tokio::test]
async fn who_may_not_ask_for_the_run_hears_every_mark_all_the_same() {
    let redis = Redis::start(&[]);
    redis.raw().say("ACL SETUSER films on >secret ~* +@all -info");
    let backend = open(redis.options().login("films", "secret")).await;
    let mut ear = Ear::new(&backend).await;
    tell(&backend, 0..200).await;
    ear.marks(0..200).await;
    let mut again = Ear::after(&backend, ear.at);
    tell(&backend, [200]).await;
    again.marks([200]).await;
}
