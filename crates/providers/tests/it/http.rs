//! Requests of HTTP and their limits, against a server with every fault.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use cache_testkit::{MemoryRise, alone, eventually};
use futures_util::future::join_all;
use providers::http::{Ask, Expected, Fetch, FetchOptions};
use providers::{Failure, Reason};

use crate::kit::{LONG, START, fast, fetch};
use crate::upstream::{Canned, Upstream};

async fn ask(fetch: &Fetch, url: &str) -> Result<serde_json::Value, Failure> {
    fetch.fetch(&Ask::get(url).expect(Expected::Json)).await?.json()
}

/// Why a request for what `answers` says fails.
async fn failure(options: FetchOptions, answer: Canned) -> Failure {
    let upstream = Upstream::new(move |_| answer.clone()).await;
    ask(&Fetch::new(options).unwrap(), &format!("{}/secret-path?token=secret-query", upstream.url)).await.unwrap_err()
}

#[tokio::test]
async fn a_request_says_who_asks_and_wants_nothing_compressed() {
    let upstream = Upstream::new(|_| Canned::json("{\"a\":1}")).await;
    let fetch = Fetch::new(fast().contact("mailto:films@example.org")).unwrap();
    assert_eq!(ask(&fetch, &upstream.url).await.unwrap()["a"], 1);
    let seen = &upstream.seen()[0];
    let name = format!("reelcache/{} (mailto:films@example.org)", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.header("user-agent"), Some(&*name));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(seen.header("accept"), Some("application/json"));
}

#[tokio::test]
async fn each_refusal_has_its_reason_and_no_secret() {
    for (status, reason) in [
        (400, Reason::Unsupported),
        (401, Reason::Forbidden),
        (403, Reason::Forbidden),
        (404, Reason::NotFound),
        (410, Reason::NotFound),
        (429, Reason::RateLimited),
        (451, Reason::Forbidden),
        (500, Reason::Unavailable),
        (503, Reason::Unavailable),
        (304, Reason::Malformed),
    ] {
        let failure = failure(fast(), Canned::status(status)).await;
        assert_eq!((failure.reason(), failure.status()), (reason, Some(status)));
        assert!(!format!("{failure} {failure:?}").contains("secret"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_host_that_asks_for_a_pause_is_not_asked_before_it_is_over() {
    for (status, reason) in [(429, Reason::RateLimited), (503, Reason::Unavailable)] {
        let upstream = Upstream::new(move |_| Canned::status(status).header("retry-after", "2")).await;
        let fetch = fetch();
        let first = ask(&fetch, &upstream.url).await.unwrap_err();
        assert_eq!((first.reason(), first.retry_after()), (reason, Some(Duration::from_secs(2))));
        let began = Instant::now();
        for asked in join_all((0..100).map(|_| ask(&fetch, &upstream.url))).await {
            let failure = asked.unwrap_err();
            assert_eq!((failure.reason(), failure.status()), (reason, None), "{failure}");
            assert!(failure.retry_after().is_some_and(|pause| pause <= Duration::from_secs(2)));
        }
        assert_eq!(upstream.asked(), 1);
        upstream.answers(|_| Canned::json("{}"));
        assert!(eventually(LONG, || async { ask(&fetch, &upstream.url).await.is_ok() }).await);
        assert!(began.elapsed() > Duration::from_secs(1), "the pause was kept");
        assert_eq!(upstream.asked(), 2, "nobody knocks meanwhile");
    }
}

#[tokio::test]
async fn a_pause_reads_as_seconds_or_as_a_date_of_the_senders_clock_and_is_bounded() {
    let pause = |headers: &[(&str, &str)], options: FetchOptions| {
        let answer = headers.iter().fold(Canned::status(429), |answer, (name, value)| answer.header(name, *value));
        async move {
            let upstream = Upstream::new(move |_| answer.clone()).await;
            let fetch = Fetch::new(options).unwrap();
            let told = ask(&fetch, &upstream.url).await.unwrap_err().retry_after();
            (told, ask(&fetch, &upstream.url).await.unwrap_err().retry_after())
        }
    };
    let date = ("retry-after", "Tue, 14 Jul 2026 05:02:00 GMT");
    let sent = ("date", "Tue, 14 Jul 2026 05:00:00 GMT");
    assert_eq!(pause(&[("retry-after", "120")], fast()).await.0, Some(Duration::from_mins(2)));
    assert_eq!(pause(&[date, sent], fast()).await.0, Some(Duration::from_mins(2)));
    let by_own_clock = pause(&[date], fast()).await.0.unwrap();
    assert!(by_own_clock > Duration::from_mins(2), "{by_own_clock:?} from {START:?}");
    assert_eq!(pause(&[("retry-after", "soon")], fast()).await.0, Some(Duration::from_secs(5)));
    assert_eq!(pause(&[], fast()).await.0, Some(Duration::from_secs(5)));
    for endless in ["18446744073709551615", "99999999"] {
        let (told, kept) = pause(&[("retry-after", endless)], fast().max_pause(Duration::from_secs(20))).await;
        assert_eq!(told, Some(Duration::from_secs(20)));
        assert!(kept.is_some_and(|kept| kept <= Duration::from_secs(20)), "{kept:?}");
    }
}

#[tokio::test]
async fn one_host_is_asked_by_few_at_once_and_not_too_often() {
    let upstream = Upstream::new(|_| Canned::json("{}").dripping(Duration::from_millis(5))).await;
    let fetch = Fetch::new(fast().at_once(3)).unwrap();
    join_all((0..30).map(|_| ask(&fetch, &upstream.url))).await.into_iter().for_each(|asked| _ = asked.unwrap());
    assert_eq!(upstream.most_open(), 3);

    let fetch = Fetch::new(fast().gap(Duration::from_millis(50))).unwrap();
    let began = Instant::now();
    join_all((0..5).map(|_| ask(&fetch, &upstream.url))).await.into_iter().for_each(|asked| _ = asked.unwrap());
    assert!(began.elapsed() >= Duration::from_millis(200), "four gaps");
}

#[tokio::test]
async fn a_bounded_number_of_hosts_is_remembered() {
    let upstream = Upstream::new(|_| Canned::json("{}")).await;
    let port = upstream.url.rsplit_once(':').unwrap().1;
    let fetch = Fetch::new(fast().hosts(2)).unwrap();
    for host in 1..=20 {
        ask(&fetch, &format!("http://127.0.0.{host}:{port}")).await.unwrap_or_default();
    }
    ask(&fetch, &upstream.url).await.unwrap();
    // While two are asked, a third is not.
    upstream.answers(|_| Canned::silence());
    let silent = |host: u8| {
        let (fetch, url) = (fetch.clone(), format!("http://localhost:{port}/{host}"));
        let url = if host == 1 { upstream.url.clone() } else { url };
        tokio::spawn(async move { ask(&fetch, &url).await })
    };
    let (asked, waiting) = (upstream.asked(), [silent(1), silent(2)]);
    assert!(eventually(LONG, || async { upstream.asked() == asked + 2 }).await);
    let failure = ask(&fetch, "http://third.invalid").await.unwrap_err();
    assert_eq!(failure.to_string(), "too many hosts are asked at once: try again later");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn no_answer_and_a_slow_answer_end_in_time() {
    let silent = failure(fast().first_byte_limit(Duration::from_millis(100)), Canned::silence()).await;
    assert_eq!(silent.reason(), Reason::Timeout);
    assert!(silent.to_string().contains("did not begin to answer within 100ms"), "{silent}");
    let options = fast().total_limit(Duration::from_millis(400));
    let drip = failure(options, Canned::json(&" ".repeat(1000)).dripping(Duration::from_millis(20))).await;
    assert_eq!(drip.reason(), Reason::Timeout);
    assert!(drip.to_string().contains("took longer than 400ms"), "{drip}");
}

#[tokio::test]
async fn the_total_limit_counts_redirects_and_the_wait_for_a_turn() {
    let upstream = Upstream::new(|_| Canned::json(&" ".repeat(1000)).dripping(Duration::from_millis(20))).await;
    let fetch = Fetch::new(fast().at_once(1).total_limit(Duration::from_millis(300))).unwrap();
    let began = Instant::now();
    for asked in join_all((0..20).map(|_| ask(&fetch, &upstream.url))).await {
        assert_eq!(asked.unwrap_err().reason(), Reason::Timeout);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "they wait side by side");
    assert!(upstream.asked() <= 2);
}

#[tokio::test]
async fn what_is_longer_than_allowed_is_given_up_whatever_it_promises() {
    let options = || fast().max_bytes(1 << 20);
    let promised = failure(options(), Canned::json("{}").promises(1 << 50)).await;
    assert_eq!(promised.reason(), Reason::TooLarge);
    // A promise that is small enough and not kept is no answer either.
    let broken = failure(options(), Canned::json("{}").promises(1 << 19)).await;
    assert_eq!(broken.reason(), Reason::Unavailable, "{broken}");
    let upstream = Upstream::new(|_| Canned::endless()).await;
    let endless = ask(&Fetch::new(options()).unwrap(), &upstream.url).await.unwrap_err();
    assert_eq!(endless.reason(), Reason::TooLarge);
    assert!(upstream.sent() < 64 << 20, "{} bytes were taken", upstream.sent());
}

#[test]
fn trust_24_an_endless_answer_takes_no_more_memory_than_is_allowed() {
    if let Some(output) = alone("http::trust_24_an_endless_answer_takes_no_more_memory_than_is_allowed").unwrap() {
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let upstream = Upstream::new(|seen| match seen.path() {
            "/lie" => Canned::endless().promises((8 << 20) - 1),
            _ => Canned::endless(),
        })
        .await;
        let fetch = fetch();
        ask(&fetch, &upstream.url).await.unwrap_err();
        let rise = MemoryRise::from_here().unwrap();
        for path in ["/lie", "/", "/lie", "/"] {
            _ = ask(&fetch, &format!("{}{path}", upstream.url)).await.unwrap_err();
        }
        let bytes = rise.bytes().unwrap();
        assert!(bytes < 48 << 20, "{bytes} bytes for answers of 8 MiB at most");
    });
}

#[tokio::test]
async fn another_type_than_expected_is_a_clear_error() {
    let page = failure(fast(), Canned::bytes("text/html; charset=utf-8", "<html>please log in</html>")).await;
    assert_eq!(page.reason(), Reason::Malformed);
    assert!(page.to_string().contains("\"text/html; charset=utf-8\" in place of Json"), "{page}");
    let untold = failure(fast(), Canned::bytes("text/plain", "<html>secret</html>")).await;
    assert!(untold.to_string().contains("is not the JSON that was expected (line 1, column 1)"), "{untold}");
    let cut = failure(fast(), Canned::json("{\"a\": [1, 2")).await;
    assert!(cut.to_string().contains("ends too early"), "{cut}");
    let packed = failure(fast(), Canned::json("{}").header("content-encoding", "gzip")).await;
    assert!(packed.to_string().contains("compresses"), "{packed}");
    for told in ["application/json", "text/javascript; charset=utf-8", "application/problem+json", "text/plain"] {
        let upstream = Upstream::new(move |_| Canned::bytes(told, "{}")).await;
        ask(&fetch(), &upstream.url).await.unwrap();
    }
}

#[tokio::test]
async fn redirects_are_followed_a_few_times_and_to_addresses_of_http_only() {
    let upstream = Upstream::new(|seen| match seen.path() {
        "/loop" => Canned::redirect("/loop"),
        "/file" => Canned::redirect("file:///etc/passwd"),
        "/none" => Canned::status(301),
        "/end" => Canned::json("{}"),
        path => Canned::redirect(path.strip_prefix("/far").map_or("/end".to_owned(), str::to_owned)),
    })
    .await;
    let fetch = fetch();
    let at = |path: &str| format!("{}{path}", upstream.url);
    ask(&fetch, &at("/far/far/far/x")).await.unwrap();
    let endless = ask(&fetch, &at("/loop")).await.unwrap_err();
    assert!(endless.to_string().ends_with("redirects too often"), "{endless}");
    assert_eq!(upstream.seen().iter().filter(|seen| seen.path() == "/loop").count(), 6);
    for path in ["/file", "/none"] {
        assert_eq!(ask(&fetch, &at(path)).await.unwrap_err().reason(), Reason::Malformed);
    }
    let posted = fetch.fetch(&Ask::post(at("/loop"))).await.unwrap_err();
    assert_eq!(posted.status(), Some(302));
}

#[tokio::test]
async fn trust_15_addresses_that_are_refused_are_not_connected_to_whoever_names_them() {
    let not_two: fn(IpAddr) -> bool = |address| address != IpAddr::from([127, 0, 0, 2]);
    let fetch = Fetch::new(fast().admit(not_two)).unwrap();
    let inner = Upstream::new(|_| Canned::json("{}")).await;
    let port = inner.url.rsplit_once(':').unwrap().1.to_owned();
    let upstream = Upstream::new(move |seen| {
        let port = seen.path().trim_start_matches('/').to_owned();
        Canned::redirect(format!("http://127.0.0.2:{port}/"))
    })
    .await;
    for url in
        [format!("{}/{port}", upstream.url), format!("http://127.0.0.2:{port}/"), format!("http://2130706434:{port}")]
    {
        let failure = ask(&fetch, &url).await.unwrap_err();
        assert_eq!(failure.reason(), Reason::Forbidden, "{url}");
    }
    let nobody = Fetch::new(fast().admit(|_| false)).unwrap();
    let by_name = ask(&nobody, &format!("http://localhost:{port}/")).await.unwrap_err();
    assert_eq!(by_name.reason(), Reason::Forbidden, "{by_name}");
    assert_eq!(inner.asked(), 0);
}

#[tokio::test]
async fn trust_15_secrets_stay_with_the_origin_that_they_are_for() {
    let other = Upstream::new(|_| Canned::json("{}")).await;
    let to = other.url.clone();
    let upstream = Upstream::new(move |seen| match seen.path() {
        "/here" => Canned::redirect("/there"),
        "/there" => Canned::redirect(to.clone()),
        _ => Canned::status(404),
    })
    .await;
    let ask = Ask::get(format!("{}/here", upstream.url)).secret("x-password", "p").header("referer", "r");
    fetch().fetch(&ask.header("Authorization", "Bearer b").header("cookie", "c")).await.unwrap();
    for seen in upstream.seen() {
        assert_eq!([seen.header("x-password"), seen.header("authorization")], [Some("p"), Some("Bearer b")]);
    }
    let seen = &other.seen()[0];
    let sent = ["x-password", "authorization", "cookie", "referer"].map(|name| seen.header(name));
    assert_eq!(sent, [None, None, None, Some("r")]);
}

#[tokio::test]
async fn a_host_out_of_reach_and_what_is_no_address_are_errors_without_secrets() {
    let gone = Upstream::new(|_| Canned::status(200)).await.url.clone();
    for (url, reason) in [
        (format!("{gone}/secret?key=secret"), Reason::Unavailable),
        ("http://nowhere.invalid/secret".to_owned(), Reason::Unavailable),
        ("ftp://example.org/secret".to_owned(), Reason::Unsupported),
        ("secret".to_owned(), Reason::Unsupported),
    ] {
        let failure = ask(&fetch(), &url).await.unwrap_err();
        assert_eq!(failure.reason(), reason, "{url}");
        assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
    }
    let ask = Ask::get("https://example.org/a?sig=secret").secret("x", "secret");
    assert!(!format!("{ask:?}").contains("secret"));
}

#[tokio::test]
async fn an_address_in_another_form_is_the_same_address() {
    let upstream = Upstream::new(|_| Canned::bytes("text/plain", "inside")).await;
    let fetch = Fetch::new(fast().admit(|address| !address.is_loopback())).unwrap();
    let port = upstream.url.rsplit(':').next().unwrap().trim_end_matches('/');
    for host in ["127.0.0.1", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"] {
        let answer = fetch.fetch(&Ask::get(format!("http://{host}:{port}/"))).await;
        assert_eq!(answer.map(|_| ()).map_err(|failure| failure.reason()), Err(Reason::Forbidden), "{host}");
    }
    assert_eq!(upstream.asked(), 0);
}

#[tokio::test]
async fn trust_15_ports_that_are_not_named_are_not_asked_whoever_leads_there() {
    let inner = Upstream::new(|_| Canned::bytes("text/plain", "inside")).await;
    let target = inner.url.clone();
    let leading = Upstream::new(move |_| Canned::status(302).header("location", &target)).await;
    let port = |url: &str| url.rsplit(':').next().unwrap().trim_end_matches('/').parse::<u16>().unwrap();
    let fetch = Fetch::new(fast().ports([80..=80, port(&leading.url)..=port(&leading.url)])).unwrap();
    for url in [&inner.url, &leading.url] {
        let failure = fetch.fetch(&Ask::get(url)).await.unwrap_err();
        assert_eq!(failure.reason(), Reason::Forbidden, "{url}");
    }
    assert_eq!((inner.asked(), leading.asked()), (0, 1));
}

#[tokio::test]
async fn no_pause_and_no_gap_is_too_long() {
    let upstream = Upstream::new(|_| Canned::status(429).header("retry-after", "18446744073709551615")).await;
    let fetch = Fetch::new(fast().max_pause(Duration::MAX).gap(Duration::MAX)).unwrap();
    let url = upstream.url.clone();
    let asked = tokio::spawn(async move {
        for _ in 0..3 {
            let failure = fetch.fetch(&Ask::get(&url)).await.unwrap_err();
            assert_eq!(failure.reason(), Reason::RateLimited);
        }
    });
    asked.await.unwrap();
    assert_eq!(upstream.asked(), 1);
}

#[tokio::test]
async fn those_who_give_up_cost_nobody_a_turn() {
    let upstream = Upstream::new(|_| Canned::bytes("text/plain", "a")).await;
    let options = fast().gap(Duration::from_millis(100)).at_once(4).total_limit(Duration::from_secs(5));
    let fetch = Fetch::new(options).unwrap();
    for _ in 0..200 {
        let asked = Ask::get(&upstream.url);
        _ = tokio::time::timeout(Duration::ZERO, fetch.fetch(&asked)).await;
    }
    assert!(fetch.fetch(&Ask::get(&upstream.url)).await.is_ok());
}

#[tokio::test]
async fn a_pause_beyond_all_numbers_is_the_longest() {
    for status in [503, 429] {
        let pause = "99999999999999999999999";
        let upstream = Upstream::new(move |_| Canned::status(status).header("retry-after", pause)).await;
        let fetch = fetch();
        let failure = fetch.fetch(&Ask::get(&upstream.url)).await.unwrap_err();
        assert_eq!(failure.retry_after(), Some(Duration::from_mins(15)), "{status}");
        fetch.fetch(&Ask::get(&upstream.url)).await.unwrap_err();
        assert_eq!(upstream.asked(), 1);
    }
}
