//! What every fault costs a call: time to the answer, requests, memory, and wrong bytes, of which there are none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cache_core::{Backend, Entry, ErrorKind, Key, Result};
use cache_s3::ObjectBackend;
use cache_testkit::proxy::{Proxy, Weather};
use cache_testkit::servers::free_port;
use cache_testkit::{MemoryRise, alone};

use super::{LEN, LIMIT, SLACK, World, entry, open};
use crate::fake::{Answer, End, Fake};
use crate::tls;

/// What a call may add to the resident memory at most, the server's part in the same process included.
const MEMORY: u64 = 16 << 20;
/// Requests for one call at most.
const REQUESTS: usize = 3;
const NAME: &str = "faults::figures::every_fault_is_answered_in_time_by_few_requests_in_little_memory";

use ErrorKind::{Corrupt, TooLarge, Unavailable};

/// What a call under a fault may end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    As(ErrorKind),
    /// The right bytes all the same.
    Right,
}

/// The figures of one fault: the worst of its calls.
#[derive(Debug, Default)]
struct Row {
    calls: usize,
    took: Duration,
    requests: usize,
    rise: u64,
    outcome: String,
}

impl Row {
    /// Notes a call; fails when it breaks a bound.
    async fn note(&mut self, mode: &str, fake: &Fake, ends: Ends, call: impl Future<Output = Result<bool>>) {
        let before = fake.requests();
        let resident = MemoryRise::from_here().unwrap();
        let began = Instant::now();
        let answer = call.await;
        let (took, rise) = (began.elapsed(), resident.bytes().unwrap());
        let requests = fake.requests() - before;
        match (&answer, ends) {
            (Ok(is_right), Ends::Right) => assert!(is_right, "{mode}: wrong bytes"),
            (Err(error), Ends::As(kind)) => assert_eq!(error.kind(), kind, "{mode}: {error}"),
            other => panic!("{mode}: {other:?}"),
        }
        assert!(took < LIMIT + SLACK, "{mode}: {took:?}");
        assert!(requests <= REQUESTS, "{mode}: {requests} requests");
        assert!(rise <= MEMORY, "{mode}: {rise} bytes of memory");
        self.calls += 1;
        self.took = self.took.max(took);
        self.requests = self.requests.max(requests);
        self.rise = self.rise.max(rise);
        self.outcome = answer.map_or_else(|error| format!("{:?}", error.kind()), |_| "the entry".to_owned());
    }

    fn print(&self, mode: &str) {
        let Self { calls, took, requests, rise, outcome } = self;
        println!("| {mode} | {calls} | {outcome} | {} | {requests} | {:.1} | 0 |", took.as_millis(), mib(*rise));
    }
}

async fn get(backend: &ObjectBackend, key: &Key, expected: &Entry) -> Result<bool> {
    Ok(backend.get(key).await?.as_ref() == Some(expected))
}

async fn stat(world: &World) -> Result<bool> {
    Ok(world.backend.stat(&world.key).await?.as_ref() == Some(&world.entry.meta))
}

async fn count(world: &World) -> Result<bool> {
    Ok(world.backend.usage().await?.entries == 1)
}

/// Runs `mode` over one world for each of its `faults`.
async fn gets<F>(mode: &str, ends: Ends, faults: impl IntoIterator<Item = F>)
where
    F: Fn(Answer) -> Answer + Send + Sync + 'static,
{
    let mut row = Row::default();
    for fault in faults {
        let world = World::with(move |_, answer| fault(answer)).await;
        row.note(mode, &world.fake, ends, get(&world.backend, &world.key, &world.entry)).await;
    }
    row.print(mode);
}

async fn stats_and_counts(mode: &str, ends: Ends, fault: impl Fn(Answer) -> Answer + Clone + Send + Sync + 'static) {
    let mut row = Row::default();
    let world = World::with(move |_, answer| fault(answer)).await;
    if mode.starts_with("list") {
        row.note(mode, &world.fake, ends, count(&world)).await;
    } else {
        row.note(mode, &world.fake, ends, stat(&world)).await;
    }
    row.print(mode);
}

#[test]
fn every_fault_is_answered_in_time_by_few_requests_in_little_memory() {
    if let Some(run) = alone(NAME).unwrap() {
        let said = String::from_utf8_lossy(&run.stdout);
        println!("{said}");
        assert!(run.status.success(), "{}: {said}{}", run.status, String::from_utf8_lossy(&run.stderr));
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        println!("| fault | calls | answer | ms | requests | MiB | wrong bytes |\n|---|---|---|---|---|---|---|");
        connections().await;
        statuses().await;
        bodies().await;
        ranges().await;
        lists().await;
        long_puts_are_one_request().await;
    });
}

async fn connections() {
    let world = World::new().await;
    let mut row = Row::default();
    let port = free_port().unwrap();
    let nobody = open(&world.fake.url().replace(&world.fake.addr().to_string(), &format!("127.0.0.1:{port}"))).await;
    row.note("refused", &world.fake, Ends::As(Unavailable), get(&nobody, &world.key, &world.entry)).await;
    row.print("refused");
    let timeout = Ends::As(ErrorKind::Timeout);
    gets("hang before the headers", timeout, [|answer: Answer| answer.ends(End::Silent)]).await;
    gets("hang after the headers", timeout, [|answer: Answer| answer.ends(End::HangAfter(0))]).await;
    gets("hang in the body", timeout, [|answer: Answer| answer.ends(End::HangAfter(5_000))]).await;
    gets("drip, 20 bytes a second", timeout, [|answer: Answer| answer.ends(End::Drip)]).await;

    let secured = tls::Front::of(world.fake.addr()).await;
    let proxy = Proxy::to(secured.addr()).await.unwrap();
    let backend = open(&tls::url(&world.fake, proxy.addr())).await;
    let mut row = Row::default();
    for cut in [0, 1, 100, 2_000, 5_000, 10_000] {
        proxy.cut_all().await;
        proxy.set(Weather::CutReplies(cut));
        row.note("TLS cut", &world.fake, Ends::As(Unavailable), get(&backend, &world.key, &world.entry)).await;
    }
    row.print("TLS cut, in the handshake and in the answer");
    let reset = tls::reset_all().await;
    let backend = open(&tls::url(&world.fake, reset)).await;
    let mut row = Row::default();
    row.note("TLS reset", &world.fake, Ends::As(Unavailable), get(&backend, &world.key, &world.entry)).await;
    row.print("TLS reset in the handshake");
}

async fn statuses() {
    let unavailable = Ends::As(Unavailable);
    for (status, code) in [(500, "InternalError"), (503, "SlowDown"), (429, "TooManyRequests")] {
        gets(&format!("{status} {code}"), unavailable, [move |_| Answer::error(status, code)]).await;
    }
    for (status, seconds) in [(503, 30), (429, 30), (503, 0)] {
        let mode = format!("{status} with Retry-After: {seconds}");
        gets(&mode, unavailable, [move |_| Answer::error(status, "SlowDown").header("retry-after", seconds)]).await;
    }
    let lasting = [
        (403, "ExpiredToken"),
        (403, "RequestTimeTooSkewed"),
        (403, "AccessDenied"),
        (301, "PermanentRedirect"),
        (404, "NoSuchBucket"),
    ];
    for (status, code) in lasting {
        gets(&format!("{status} {code}"), unavailable, [move |_| Answer::error(status, code)]).await;
    }
}

async fn bodies() {
    let cuts = (0..=LEN).step_by(1_024).map(|at| move |answer: Answer| answer.ends(End::CutAfter(at)));
    gets("body cut, at every KiB", Ends::As(Unavailable), cuts).await;
    gets("Content-Length too short", Ends::As(Corrupt), [|answer: Answer| answer.header("content-length", 5_000)])
        .await;
    let longer = |answer: Answer| answer.header("content-length", 50_000);
    let closed = move |answer| longer(answer).ends(End::CutAfter(LEN * 2));
    gets("Content-Length too long, then closed", Ends::As(Unavailable), [closed]).await;
    let open = move |answer| longer(answer).ends(End::HangAfter(LEN * 2));
    gets("Content-Length too long, left open", Ends::As(ErrorKind::Timeout), [open]).await;
    let tebibyte = |answer: Answer| answer.header("content-length", 1_u64 << 40).ends(End::HangAfter(LEN * 2));
    gets("Content-Length of 1 TiB", Ends::As(TooLarge), [tebibyte]).await;
    gets("wrong ETag, right bytes", Ends::Right, [|answer: Answer| answer.header("etag", "\"other\"")]).await;
    let told = |answer: Answer| answer.header("x-amz-checksum-crc32", "AAAAAA==");
    gets("wrong checksum in a header, right bytes", Ends::Right, [told]).await;
    let flips = (0..LEN).step_by(113).map(|at| {
        move |mut answer: Answer| {
            answer.body[at] ^= 1;
            answer
        }
    });
    gets("a flipped bit", Ends::As(Corrupt), flips).await;
    for (mode, text) in [
        ("200 without a body", ""),
        ("200 with an error in XML", "<Error><Code>InternalError</Code></Error>"),
        ("200 with a page of HTML", "<html>a captive portal</html>"),
    ] {
        let fault = move |mut answer: Answer| {
            answer.body = text.into();
            answer
        };
        gets(mode, Ends::As(Corrupt), [fault]).await;
    }
    // 4,096 of them are more than the longest entry.
    let endless = |mut answer: Answer| {
        answer.body = vec![7; 16 << 10];
        answer.ends(End::Endless)
    };
    gets("a body without end", Ends::As(Unavailable), [endless]).await;
}

async fn ranges() {
    let whole = |mut answer: Answer| {
        answer.status = 200;
        answer
    };
    stats_and_counts("200 to a range request", Ends::As(Unavailable), whole).await;
    for range in ["bytes 4096-8191/16500", "bytes 0-18446744073709551615/9", "nonsense"] {
        let mode = format!("206 with Content-Range: {range}");
        let fault = move |answer: Answer| answer.header("content-range", range);
        stats_and_counts(&mode, Ends::As(Unavailable), fault).await;
    }
    let mode = "206 with Content-Range: bytes 0-4095/1099511627776";
    let fault = |answer: Answer| answer.header("content-range", "bytes 0-4095/1099511627776");
    stats_and_counts(mode, Ends::As(Corrupt), fault).await;
    another_object_between_two_ranges().await;
}

/// A head of more than 4 KiB takes two ranges. Each head is verified as a whole, so that of the second one counts.
async fn another_object_between_two_ranges() {
    let mut row = Row::default();
    let mode = "another ETag and object for the second range";
    for second_len in [LEN, LEN / 2, 10] {
        let world = World::new().await;
        let tagged = |stamp, len| {
            let mut entry = entry(stamp, len);
            entry.meta.tags = (0..1_000).map(|number| format!("tag {number} of {stamp}").into()).collect();
            entry
        };
        let (one, two) = (tagged(2, LEN), tagged(3, second_len));
        let mut stored = Vec::new();
        for entry in [&one, &two] {
            world.backend.put(&world.key, entry.clone()).await.unwrap();
            stored.push(world.fake.objects());
        }
        let asked = AtomicUsize::new(0);
        world.fake.fault(move |request, _| {
            let turn = asked.fetch_add(1, Ordering::SeqCst).min(1);
            crate::fake::healthy(request, &mut stored[turn].clone())
        });
        let right = async { Ok(world.backend.stat(&world.key).await?.as_ref() == Some(&two.meta)) };
        row.note(mode, &world.fake, Ends::Right, right).await;
    }
    row.print(mode);
}

async fn lists() {
    let listed = |more: &'static str| {
        move |answer: Answer| {
            let text = String::from_utf8(answer.body).unwrap();
            Answer::new(200, text.replace("<IsTruncated>false</IsTruncated>", more))
        }
    };
    let modes = [
        (
            "list whose token leads back to itself",
            "<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>",
        ),
        ("list that goes on without a token", "<IsTruncated>true</IsTruncated>"),
    ];
    for (mode, more) in modes {
        stats_and_counts(mode, Ends::As(Unavailable), listed(more)).await;
    }
    let cut = |mut answer: Answer| {
        answer.body.truncate(answer.body.len() / 2);
        answer
    };
    stats_and_counts("list cut in the middle", Ends::As(Unavailable), cut).await;
    let error = |_| Answer::new(200, "<Error><Code>InternalError</Code></Error>");
    stats_and_counts("list that is an error with 200", Ends::As(Unavailable), error).await;
}

/// There is no upload in parts, so none can be left half done.
async fn long_puts_are_one_request() {
    let world = World::with(|request, answer| {
        assert!(!request.target.contains("upload"), "{}", request.target);
        answer
    })
    .await;
    let before = world.fake.requests();
    world.backend.put(&world.key, entry(2, 8 << 20)).await.unwrap();
    println!("a put of 8 MiB: {} requests, a look and a write", world.fake.requests() - before);
    assert_eq!(world.fake.requests() - before, 2);
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
