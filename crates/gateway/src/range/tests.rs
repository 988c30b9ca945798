//! Answers to requests as players send them, and to those that nobody should.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const LEN: u64 = 1000;

fn film() -> Representation {
    Representation {
        len: Some(LEN),
        etag: ETag::strong("a3f4").unwrap(),
        modified: Some(day(1)),
        content_type: HeaderValue::from_static("video/mp4"),
    }
}

fn day(day: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(24 * (20_000 + day))
}

fn date(of: u64) -> String {
    httpdate::fmt_http_date(day(of))
}

fn plan_of(method: &Method, given: &[(&'static str, &str)], what: &Representation) -> Plan {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    Plan::of(method, &headers, what, day(2))
}

fn plan(given: &[(&'static str, &str)]) -> Plan {
    plan_of(&Method::GET, given, &film())
}

fn status(given: &[(&'static str, &str)]) -> u16 {
    plan(given).status().as_u16()
}

fn header_of(plan: &Plan, name: &str) -> Option<String> {
    plan.headers(&film()).get(name).map(|value| value.to_str().unwrap().to_owned())
}

/// What the body is made of, for a range.
fn spans_of(range: &str) -> Vec<Range<u64>> {
    let pieces = plan(&[("range", range)]).pieces(&film()).into_iter();
    pieces.filter_map(|piece| if let Piece::Span(span) = piece { Some(span) } else { None }).collect()
}

#[test]
fn one_range_is_a_part_clamped_to_what_there_is() {
    let cases = [
        ("bytes=0-", 0..1000, "bytes 0-999/1000"),
        ("bytes=0-1", 0..2, "bytes 0-1/1000"),
        ("bytes=999-", 999..1000, "bytes 999-999/1000"),
        ("bytes=10-5000", 10..1000, "bytes 10-999/1000"),
        ("bytes=10-99999999999999999999999999", 10..1000, "bytes 10-999/1000"),
        ("bytes=-394", 606..1000, "bytes 606-999/1000"),
        ("bytes=-5000", 0..1000, "bytes 0-999/1000"),
        ("BYTES=5-5", 5..6, "bytes 5-5/1000"),
        ("bytes= ,, 5-6 ,", 5..7, "bytes 5-6/1000"),
        ("bytes=0-0,5000-", 0..1, "bytes 0-0/1000"),
    ];
    for (range, span, content_range) in cases {
        let plan = plan(&[("range", range)]);
        assert_eq!(plan.status(), 206, "{range}");
        assert_eq!(header_of(&plan, "content-range").as_deref(), Some(content_range), "{range}");
        assert_eq!(header_of(&plan, "content-length"), Some((span.end - span.start).to_string()), "{range}");
        assert_eq!(plan.pieces(&film()), [Piece::Span(span)], "{range}");
    }
}

#[test]
fn a_range_beyond_the_end_is_not_satisfiable_and_tells_the_length() {
    for range in ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=5000-,-0", "bytes=99999999999999999999-"] {
        let plan = plan(&[("range", range)]);
        assert_eq!(plan.status(), 416, "{range}");
        assert_eq!(header_of(&plan, "content-range").as_deref(), Some("bytes */1000"), "{range}");
        assert_eq!(header_of(&plan, "content-length").as_deref(), Some("0"), "{range}");
        assert_eq!(plan.pieces(&film()), [], "{range}");
    }
}

#[test]
fn what_is_malformed_or_of_another_unit_is_ignored() {
    let cases = [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=5-4,0-1",
        "bytes=0-1;2-3",
        "bytes=+1-2",
        "bytes=1--2",
        "seconds=0-1",
        "bytes 0-1",
        "bytes=0 - 1",
        "bytes=0x1-2",
        "bytes=1",
    ];
    for range in cases {
        assert_eq!(plan(&[("range", range)]).kind, Kind::Whole, "{range}");
    }
    assert_eq!(status(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]), 200);
}

#[test]
fn only_get_has_ranges_and_head_tells_what_get_would_without_one() {
    for method in [Method::HEAD, Method::POST, Method::DELETE] {
        let plan = plan_of(&method, &[("range", "bytes=0-1")], &film());
        assert_eq!(plan.status(), 200, "{method}");
        assert_eq!(header_of(&plan, "content-length").as_deref(), Some("1000"), "{method}");
        assert_eq!(plan.pieces(&film()).is_empty(), method == Method::HEAD);
    }
}

#[test]
fn several_ranges_are_parts_in_the_order_asked_for() {
    assert_eq!(spans_of("bytes=900-909,0-9"), [900..910, 0..10]);
    assert_eq!(spans_of("bytes=0-0,-1"), [0..1, 999..1000]);
}

fn span(start: u64, end: u64) -> Range<u64> {
    start..end
}

#[test]
fn ranges_that_overlap_or_nearly_touch_are_one() {
    assert_eq!(spans_of("bytes=0-9,5-20"), [span(0, 21)]);
    assert_eq!(spans_of("bytes=0-9,10-19"), [span(0, 20)]);
    assert_eq!(spans_of("bytes=0-9,130-140"), [span(0, 141)]);
    assert_eq!(spans_of("bytes=0-9,600-609,5-700"), [span(0, 701)]);
    assert_eq!(spans_of("bytes=0-9,900-909,300-309,4-8"), [0..10, 900..910, 300..310]);
}

#[test]
fn trust_01_many_ranges_are_ignored_whatever_they_would_come_to() {
    let many = |count: u64, step: u64| {
        let ranges: Vec<String> = (0..count).map(|number| format!("{0}-{0}", number * step)).collect();
        format!("bytes={}", ranges.join(","))
    };
    let long = Representation { len: Some(1 << 40), ..film() };
    let kind = |range: &str| plan_of(&Method::GET, &[("range", range)], &long).kind;
    assert!(matches!(kind(&many(8, 10_000)), Kind::Parts(_)));
    assert_eq!(kind(&many(9, 10_000)), Kind::Whole);
    assert!(matches!(kind(&many(64, 1)), Kind::Part(_)));
    assert_eq!(kind(&many(65, 1)), Kind::Whole);
    assert_eq!(kind(&format!("bytes={}", "0-,".repeat(5000))), Kind::Whole);
}

#[test]
fn a_body_of_parts_reads_as_its_headers_say() {
    let plan = plan(&[("range", "bytes=1-2,500-501")]);
    let content_type = header_of(&plan, "content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut body = String::new();
    for piece in plan.pieces(&film()) {
        match piece {
            Piece::Text(text) => body.push_str(std::str::from_utf8(&text).unwrap()),
            Piece::Span(span) => body.push_str(&"x".repeat(usize::try_from(span.end - span.start).unwrap())),
            Piece::All => unreachable!(),
        }
    }
    let part = |range: &str| {
        format!("--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes {range}/1000\r\n\r\nxx\r\n")
    };
    assert_eq!(body, format!("{}{}--{boundary}--\r\n", part("1-2"), part("500-501")));
    assert_eq!(header_of(&plan, "content-length"), Some(body.len().to_string()));
    assert!(header_of(&plan, "content-range").is_none());
}

#[test]
fn of_an_unknown_length_all_is_sent_and_no_ranges_are_offered() {
    let live = Representation { len: None, ..film() };
    for range in ["bytes=0-", "bytes=5-", "bytes=-5"] {
        let plan = plan_of(&Method::GET, &[("range", range)], &live);
        assert_eq!((plan.status().as_u16(), plan.pieces(&live)), (200, vec![Piece::All]));
        let headers = plan.headers(&live);
        assert_eq!(headers["accept-ranges"], "none");
        assert!(!headers.contains_key("content-length"));
    }
}

#[test]
fn of_an_empty_body_a_suffix_is_all_and_a_first_byte_is_beyond_the_end() {
    let empty = Representation { len: Some(0), ..film() };
    let status = |range| plan_of(&Method::GET, &[("range", range)], &empty).status().as_u16();
    assert_eq!([status("bytes=-5"), status("bytes=0-"), status("bytes=0-0")], [200, 416, 416]);
    let plan = plan_of(&Method::GET, &[], &empty);
    assert_eq!((plan.headers(&empty)["content-length"].to_str().unwrap(), plan.pieces(&empty)), ("0", vec![]));
}

#[test]
fn every_answer_carries_the_tag_and_the_date() {
    let ranges = ["bytes=0-1", "bytes=5000-", "nothing"];
    let plans = ranges.map(|range| plan(&[("range", range)])).into_iter();
    for plan in plans.chain([plan(&[("if-none-match", "*")]), plan(&[("if-match", "\"b\"")])]) {
        assert_eq!(header_of(&plan, "etag").as_deref(), Some("\"a3f4\""));
        assert_eq!(header_of(&plan, "last-modified"), Some(date(1)));
        assert_eq!(header_of(&plan, "accept-ranges").as_deref(), Some("bytes"));
    }
}

#[test]
fn if_match_is_compared_strongly_and_comes_before_the_date() {
    assert_eq!(status(&[("if-match", "\"a3f4\""), ("range", "bytes=5-")]), 206);
    assert_eq!(status(&[("if-match", "\"x,y\" , \"a3f4\"")]), 200);
    assert_eq!(status(&[("if-match", "\"x\""), ("if-match", "\"a3f4\"")]), 200);
    assert_eq!(status(&[("if-match", "*")]), 200);
    for wrong in ["W/\"a3f4\"", "\"other\"", "a3f4", "\"a3f4", "", "\"x,\"a3f4\"", "\"a3f4\" x", "\"a3f4\"\"x\""] {
        assert_eq!(status(&[("if-match", wrong), ("range", "bytes=5-")]), 412, "{wrong}");
    }
    assert_eq!(status(&[("if-match", "\"a3f4\""), ("if-unmodified-since", &date(0))]), 200);
    assert_eq!(status(&[("if-unmodified-since", &date(0))]), 412);
    assert_eq!(status(&[("if-unmodified-since", &date(1))]), 200);
    assert_eq!(status(&[("if-unmodified-since", "yesterday")]), 200);
}

#[test]
fn if_none_match_is_compared_weakly_and_comes_before_the_date() {
    for same in ["\"a3f4\"", "W/\"a3f4\"", "*", "\"x\", W/\"a3f4\""] {
        assert_eq!(status(&[("if-none-match", same), ("range", "bytes=5-")]), 304, "{same}");
    }
    assert_eq!(status(&[("if-none-match", "\"x\""), ("if-modified-since", &date(1))]), 200);
    assert_eq!(status(&[("if-modified-since", &date(1))]), 304);
    assert_eq!(status(&[("if-modified-since", &date(0))]), 200);
    assert_eq!(status(&[("if-match", "\"x\""), ("if-none-match", "\"a3f4\"")]), 412);
    let put = plan_of(&Method::PUT, &[("if-none-match", "*")], &film());
    assert_eq!(put.status(), 412);
    let put = plan_of(&Method::PUT, &[("if-modified-since", &date(1))], &film());
    assert_eq!(put.status(), 200);
    let plan = plan(&[("if-none-match", "*")]);
    assert!(header_of(&plan, "content-length").is_none() && plan.pieces(&film()).is_empty());
}

#[test]
fn trust_03_if_range_lets_a_range_count_only_for_the_very_same_bytes() {
    let with = |value: &str| status(&[("range", "bytes=5-"), ("if-range", value)]);
    assert_eq!(with("\"a3f4\""), 206);
    assert_eq!(with(&date(1)), 206);
    for other in ["W/\"a3f4\"", "\"x\"", "*", "\"x\", \"a3f4\"", "\"a3f4\",", "", &date(0), &date(2)] {
        assert_eq!(with(other), 200, "{other}");
    }
    assert_eq!(status(&[("range", "bytes=5000-"), ("if-range", "\"x\"")]), 200);
    assert_eq!(status(&[("range", "bytes=5-"), ("if-range", "\"a3f4\""), ("if-range", "\"a3f4\"")]), 200);
    let unsettled = Representation { modified: Some(day(2)), ..film() };
    let plan = plan_of(&Method::GET, &[("range", "bytes=5-"), ("if-range", &date(2))], &unsettled);
    assert_eq!(plan.status(), 200, "changed within the last minute");
}

/// What a header of well-formed ranges asks for, by its letter: every position, in no order.
fn wanted(specs: &[(Option<u64>, Option<u64>)], len: u64) -> Vec<u64> {
    let mut wanted: Vec<u64> = (0..len)
        .filter(|&at| {
            specs.iter().any(|spec| match *spec {
                (Some(first), Some(last)) => (first..=last).contains(&at),
                (Some(first), None) => at >= first,
                (None, Some(suffix)) => at + suffix >= len,
                (None, None) => false,
            })
        })
        .collect();
    wanted.sort_unstable();
    wanted
}

fn spec() -> impl Strategy<Value = (Option<u64>, Option<u64>)> {
    prop_oneof![
        (0..1200u64, 0..1200u64).prop_map(|(first, more)| (Some(first), Some(first + more))),
        (0..1200u64).prop_map(|first| (Some(first), None)),
        (0..1200u64).prop_map(|suffix| (None, Some(suffix))),
    ]
}

proptest! {
    #[test]
    fn all_that_is_asked_for_is_sent_once_and_little_else(specs in prop::collection::vec(spec(), 1..5), len in 1..1100u64) {
        let text = |part: Option<u64>| part.map_or_else(String::new, |number| number.to_string());
        let ranges: Vec<String> = specs.iter().map(|&(first, last)| format!("{}-{}", text(first), text(last))).collect();
        let what = Representation { len: Some(len), ..film() };
        let plan = plan_of(&Method::GET, &[("range", &format!("bytes={}", ranges.join(", ")))], &what);
        let wanted = wanted(&specs, len);
        if wanted.is_empty() {
            prop_assert_eq!(plan.status(), 416);
            return Ok(());
        }
        prop_assert_eq!(plan.status(), 206);
        let pieces = plan.pieces(&what).into_iter();
        let mut sent: Vec<u64> = pieces.flat_map(|piece| if let Piece::Span(span) = piece { span } else { 0..0 }).collect();
        sent.sort_unstable();
        let count = sent.len();
        sent.dedup();
        prop_assert_eq!(sent.len(), count, "sent twice");
        prop_assert!(wanted.iter().all(|at| sent.binary_search(at).is_ok()), "not sent");
        let needless = sent.iter().filter(|at| wanted.binary_search(at).is_err()).count();
        prop_assert!(needless <= 128 * (specs.len() - 1), "{} needless bytes", needless);
    }

    #[test]
    fn no_header_makes_it_panic(name in prop::sample::select(vec!["range", "if-range", "if-match", "if-none-match", "if-modified-since"]),
                                value in prop::collection::vec(any::<u8>(), 0..200), text in "(bytes=)?[-0-9, \"W/]{0,60}", len in any::<Option<u64>>()) {
        let what = Representation { len, ..film() };
        for value in [HeaderValue::from_bytes(&value), HeaderValue::from_bytes(text.as_bytes())].into_iter().flatten() {
            let mut headers = HeaderMap::new();
            headers.insert("range", HeaderValue::from_static("bytes=1-2, 700-"));
            headers.insert(name, value);
            let plan = Plan::of(&Method::GET, &headers, &what, day(2));
            let total: u128 = plan.pieces(&what).iter().map(|piece| match piece {
                Piece::Text(text) => text.len() as u128,
                Piece::Span(span) => u128::from(span.end - span.start),
                Piece::All => 0,
            }).sum();
            if let Some(told) = plan.headers(&what).get("content-length").filter(|_| len.is_some()) {
                prop_assert_eq!(told.to_str().unwrap().parse::<u128>().unwrap(), total);
            }
        }
    }
}
