//! Who fetches what, and how often: one fetch for many, a fetch of its own for the far, turns for the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_blob::{BlobError, Blobs, ByteStream, Description, GeneratedSource, Result, Sink, Source, Version};
use cache_core::{ErrorKind, Key};
use cache_testkit::eventually;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, timeout};

use crate::origin::{Fault, Origin};
use crate::support::{KIB, LIMIT, MIB, collect, key, memory, pass, read, small};

/// `CACHE_BLOB_MIB` sets another length.
#[tokio::test]
async fn a_hundred_readers_cause_one_fetch_of_each_byte() {
    let mib = std::env::var("CACHE_BLOB_MIB").map_or(64, |mib| mib.parse().unwrap());
    let len = mib * MIB + 100;
    let origin = Origin::new(len).chunk(64 * KIB).throttled();
    let blobs = Blobs::builder().backend(memory(len + len / 16)).segment_len(MIB).build().unwrap();
    let key = key();
    let wanted = origin.bytes(0, len);
    let read = async || {
        let reader = blobs.open(&key, origin.clone()).await.unwrap();
        let mut stream = reader.read_range(..);
        let mut at = 0;
        while let Some(piece) = stream.next().await {
            let piece = piece.unwrap();
            assert!(piece == wanted[at..at + piece.len()], "at {at}");
            at += piece.len();
        }
        assert_eq!(at as u64, len);
    };
    let feed = async {
        while origin.given() < len {
            origin.release(1);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(join_all((0..100).map(|_| read())), feed);
    assert_eq!((origin.given(), origin.describes()), (len, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_given_a_byte_when_it_arrives() {
    let origin = Origin::new(MIB).chunk(KIB).throttled();
    let blobs = small(memory(8 * MIB)).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let mut stream = reader.read_range(..);
    for chunk in 0..100 {
        assert!(timeout(Duration::from_millis(1), stream.next()).await.is_err(), "nothing has arrived");
        let released = Instant::now();
        origin.release(1);
        let piece = stream.next().await.unwrap().unwrap();
        // On this clock anything that looks again from time to time would take longer.
        assert_eq!(released.elapsed(), Duration::ZERO);
        assert_eq!(piece, origin.bytes(chunk * KIB, (chunk + 1) * KIB));
    }
}

#[tokio::test]
async fn a_reader_close_ahead_joins_and_a_far_one_gets_its_own_fetch() {
    let origin = Origin::new(16 * MIB).throttled();
    let blobs = small(memory(32 * MIB)).join_window(128 * KIB).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let [mut first, mut close, mut far] = [0, 120 * KIB, 8 * MIB].map(|at| reader.read_range(at..));
    let feed = async {
        let done = eventually(LIMIT, || async {
            origin.release(1);
            origin.offsets().contains(&(8 * MIB))
        });
        assert!(done.await);
        origin.release(64);
    };
    let (a, b, c, ()) = tokio::join!(first.next(), close.next(), far.next(), feed);
    assert!([a, b, c].into_iter().all(|piece| piece.unwrap().is_ok()));
    assert_eq!(origin.offsets(), [0, 8 * MIB]);
}

#[tokio::test]
async fn fetches_of_a_blob_are_capped_and_readers_take_turns() {
    let origin = Origin::new(64 * MIB).latency(Duration::from_millis(1));
    let blobs = small(memory(128 * MIB)).fetches_per_blob(2).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let reads = (0..16).map(|number| read(&reader, number * 4 * MIB, number * 4 * MIB + 256 * KIB));
    let mut most = 0;
    let all = join_all(reads);
    tokio::pin!(all);
    let all = loop {
        tokio::select! {
            biased;
            all = &mut all => break all,
            () = tokio::task::yield_now() => most = most.max(origin.open()),
        }
    };
    for (number, bytes) in (0..).zip(all) {
        assert_eq!(bytes.unwrap(), origin.bytes(number * 4 * MIB, number * 4 * MIB + 256 * KIB));
    }
    assert!(most <= 2, "{most} fetches at a time");
    // Every reader got its first segment before any got its third.
    let offsets = origin.offsets();
    let third = offsets.iter().position(|offset| offset % (4 * MIB) >= 128 * KIB).unwrap();
    let firsts = offsets.iter().take(third).filter(|offset| *offset % (4 * MIB) == 0).count();
    assert_eq!(firsts, 16, "{offsets:?}");
    assert_eq!(origin.given(), 16 * 256 * KIB);
}

#[tokio::test]
async fn fetches_of_an_origin_are_capped_over_all_blobs() {
    let origin = Origin::new(4 * MIB).latency(Duration::from_millis(1));
    let blobs = small(memory(64 * MIB)).fetches_per_origin(2).idle_limit(Duration::from_mins(10)).build().unwrap();
    let film = async |number: u64| {
        let key = Key::of("film").part(number).build().unwrap();
        let reader = blobs.open(&key, origin.clone()).await.unwrap();
        let bytes = read(&reader, 0, MIB).await.unwrap();
        assert!(origin.open() <= 2);
        assert_eq!(bytes, origin.bytes(0, MIB));
        // Stays open, so that its idle fetch has to give way.
        reader
    };
    assert_eq!(join_all((0..8).map(film)).await.len(), 8);
}

#[tokio::test]
async fn read_ahead_follows_the_reader_and_stops() {
    let origin = Origin::new(16 * MIB);
    let blobs = small(memory(32 * MIB)).read_ahead(512 * KIB).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let mut stream = reader.read_range(2 * MIB..);
    let mut read = 0;
    for step in 0..4 {
        while read < step * MIB + 1 {
            read += stream.next().await.unwrap().unwrap().len() as u64;
        }
        let ahead = (read - 1) / (64 * KIB) * 64 * KIB + 576 * KIB;
        assert!(eventually(LIMIT, || async { origin.given() == ahead }).await, "{} of {ahead}", origin.given());
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(origin.given(), ahead, "it stops there");
    }
    assert_eq!(origin.offsets(), [2 * MIB], "one fetch, that waited for its reader");
}

#[tokio::test]
async fn head_and_tail_come_with_the_opening() {
    let origin = Origin::new(100 * MIB);
    let blobs = small(memory(256 * MIB)).edges(MIB).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    assert!(eventually(LIMIT, || async { origin.given() == 2 * MIB }).await);
    assert!(eventually(LIMIT, || async { reader.present().await.unwrap() == [0..MIB, 99 * MIB..100 * MIB] }).await);
    assert_eq!(origin.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_breaks_is_taken_up_where_it_broke() {
    for fault in
        [Fault::Refuses, Fault::EndsAfter(3), Fault::BreaksAfter(3), Fault::StallsAfter(3), Fault::BreaksAfter(0)]
    {
        let origin = Origin::new(MIB);
        origin.strike([fault; 3]);
        let blobs = small(memory(8 * MIB)).build().unwrap();
        let reader = blobs.open(&key(), origin.clone()).await.unwrap();
        assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, MIB), "{fault:?}");
        assert_eq!((origin.given(), origin.fetches()), (MIB, 4), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_for_good_fails_its_readers_and_the_next_read_tries_again() {
    let origin = Origin::new(MIB);
    let blobs = small(memory(8 * MIB)).read_ahead(MIB).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    for (faults, fetches) in [(vec![Fault::Lasts], 1), (vec![Fault::Refuses; 4], 4)] {
        let before = origin.fetches();
        origin.strike(faults);
        let failed = read(&reader, 0, 10).await.unwrap_err();
        assert!(matches!(&failed, BlobError::Failed(error) if error.kind() == ErrorKind::Load), "{failed}");
        assert!(failed.to_string().contains("film:42"), "{failed}");
        assert_eq!(origin.fetches() - before, fetches);
    }
    assert_eq!(read(&reader, 0, 10).await.unwrap(), origin.bytes(0, 10));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_silent_for_ever_is_told_after_its_limit() {
    let origin = Origin::new(MIB);
    origin.strike([Fault::StallsAfter(0); 4]);
    let blobs = small(memory(8 * MIB)).stall_limit(Duration::from_secs(2)).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let failed = read(&reader, 0, 10).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_source_without_ranges_that_breaks_at_one_place_fails_its_readers() {
    let origin = Origin::new(MIB).without_ranges();
    origin.strike([Fault::BreaksAfter(20); 100]);
    let blobs = small(memory(8 * MIB)).build().unwrap();
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    let failed = timeout(LIMIT, collect(reader.read_range(900 * KIB..))).await.unwrap();
    assert!(matches!(failed, Err(BlobError::Failed(_))));
    assert_eq!(origin.fetches(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_only_gives_signs_of_life_fails_when_it_breaks() {
    let calls = Arc::<AtomicU64>::default();
    let counted = calls.clone();
    let source = GeneratedSource::new(Description::new().len(100).validator("1"), move |_, mut sink: Sink| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            sink.write(Vec::new()).await?;
            // The piece is taken before it breaks.
            pass(Duration::from_millis(1)).await;
            Err(BlobError::passing("it breaks"))
        }
    });
    let reader = small(memory(8 * MIB)).build().unwrap().open(&key(), source).await.unwrap();
    assert!(timeout(LIMIT, collect(reader.read_range(..))).await.unwrap().is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_fails_its_readers() {
    for max_len in [u64::MAX, 1] {
        let calls = Arc::<AtomicU64>::default();
        let counted = calls.clone();
        let source = GeneratedSource::new(Description::new().len(100).validator("1"), move |_, _: Sink| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { panic!("a source panics, as it should here") }
        });
        let blobs = small(memory(8 * MIB)).max_len(max_len).build().unwrap();
        let reader = blobs.open(&key(), source).await.unwrap();
        let begun = Instant::now();
        assert!(timeout(LIMIT, collect(reader.read_range(..))).await.unwrap().is_err());
        assert_eq!(calls.load(Ordering::SeqCst), 4);
        // The pauses between four attempts.
        assert!(begun.elapsed() >= Duration::from_millis(700));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_gives_way_to_other_blobs_after_its_turn() {
    let origin = Origin::new(MIB).throttled();
    let blobs = small(memory(32 * MIB)).read_ahead(MIB).fetches_per_origin(1).build().unwrap();
    let open =
        async |number: u64| blobs.open(&Key::of("film").part(number).build().unwrap(), origin.clone()).await.unwrap();
    let (one, other) = (open(0).await, open(1).await);
    let mut first = one.read_range(..);
    origin.release(1);
    first.next().await.unwrap().unwrap();
    let first = tokio::spawn(collect(first));
    let wait = tokio::spawn(collect(other.read_range(..10)));
    let given = eventually(LIMIT, || async {
        origin.release(1);
        wait.is_finished()
    });
    assert!(given.await);
    // Four segments of the one, and the first of the other.
    assert!(origin.given() <= 5 * 64 * KIB, "{} KiB", origin.given() >> 10);
    assert_eq!(wait.await.unwrap().unwrap(), origin.bytes(0, 10));
    origin.release(1_000);
    assert_eq!(first.await.unwrap().unwrap().len() as u64, MIB - 16 * KIB);
}

#[tokio::test(start_paused = true)]
async fn the_longest_limits_are_limits() {
    let blobs = small(memory(8 * MIB)).describe_limit(Duration::MAX).stall_limit(Duration::MAX);
    let blobs = blobs.idle_limit(Duration::MAX).grace(Duration::MAX).pause_limit(Duration::MAX);
    let blobs = blobs.read_ahead(u64::MAX).join_window(u64::MAX).edges(u64::MAX).least_rate(u64::MAX);
    for max_len in [u64::MAX, 1] {
        let origin = Origin::new(MIB);
        let blobs = blobs.clone().max_len(max_len).build().unwrap();
        let reader = blobs.open(&key(), origin.clone()).await.unwrap();
        assert_eq!(timeout(LIMIT, collect(reader.read_range(..))).await.unwrap().unwrap(), origin.bytes(0, MIB));
        assert_eq!(origin.given(), MIB);
    }
}

/// Counts who asks it at one time; takes its time.
#[derive(Debug, Default)]
struct Busy {
    /// Held by each who asks.
    asking: Arc<()>,
    most: AtomicU64,
    asked: AtomicU64,
    never_answers: bool,
}

#[async_trait]
impl Source for Busy {
    fn origin(&self) -> Arc<str> {
        Arc::from("busy")
    }

    async fn describe(&self) -> Result<Description> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _asking = self.asking.clone();
        self.most.fetch_max(Arc::strong_count(&self.asking) as u64, Ordering::SeqCst);
        let pause = if self.never_answers { Duration::MAX } else { Duration::from_millis(200) };
        pass(pause).await;
        Ok(Description::new().len(10).validator("1").ranges())
    }

    async fn fetch(&self, _: u64, _: &Version) -> Result<ByteStream> {
        Ok(stream::empty().boxed())
    }
}

#[tokio::test(start_paused = true)]
async fn descriptions_of_an_origin_are_capped_over_all_blobs() {
    for (never_answers, asked) in [(false, 100), (true, 2)] {
        let busy = Arc::new(Busy { never_answers, ..Busy::default() });
        let blobs = small(memory(16 * MIB)).fetches_per_origin(2).build().unwrap();
        let opens = (0..100_u64).map(async |number| {
            let key = Key::of("film").part(number).build().unwrap();
            blobs.open(&key, busy.clone()).await.map_err(|error| error.kind()).err()
        });
        let begun = Instant::now();
        let errors = join_all(opens).await;
        let expected = if never_answers { Some(ErrorKind::Timeout) } else { None };
        assert!(errors.iter().all(|error| *error == expected), "{errors:?}");
        assert_eq!(busy.most.load(Ordering::SeqCst), 3, "two who ask, and the source itself");
        assert!(busy.asked.load(Ordering::SeqCst) >= asked);
        assert!(begun.elapsed() <= Duration::from_mins(1), "both waits have their limit");
    }
}
