//! Trace files: what they hold, and what is wrong with them.

use std::path::Path;

use benches::trace::{Request, Trace};

fn ctr(flags: u32, count: u64, numbers: &[u32]) -> Vec<u8> {
    let mut file = b"CTR1".to_vec();
    file.extend(flags.to_le_bytes());
    file.extend(count.to_le_bytes());
    file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    file
}

fn reason(content: &[u8]) -> String {
    Trace::parse("bad", content).map_or_else(|error| error.to_string(), |trace| format!("no error, but {trace:?}"))
}

fn keys(trace: &Trace) -> Vec<u32> {
    trace.requests.iter().map(|request| request.key).collect()
}

fn bytes(trace: &Trace) -> Vec<u64> {
    trace.requests.iter().map(|request| request.bytes).collect()
}

#[test]
fn ctr_without_bytes_weighs_every_key_alike() {
    let trace = Trace::parse("t", &ctr(0, 4, &[0, 1, 0, 2])).unwrap();
    assert_eq!((keys(&trace), bytes(&trace)), (vec![0, 1, 0, 2], vec![1; 4]));
    assert_eq!((trace.keys, trace.bytes, trace.sized, trace.costs_recorded), (3, 3, false, false));
}

#[test]
fn ctr_with_bytes_tells_them_of_each_request() {
    let trace = Trace::parse("t", &ctr(1, 3, &[0, 1, 0, 10, 0, 30])).unwrap();
    assert_eq!((keys(&trace), bytes(&trace)), (vec![0, 1, 0], vec![10, 1, 30]));
    assert!(trace.sized);
    assert_eq!(trace.bytes, 31, "a key counts as large as it ever is");
}

#[test]
fn compressed_files_are_read() {
    let packed = zstd::encode_all(&ctr(0, 2, &[0, 0])[..], 0).unwrap();
    assert_eq!(keys(&Trace::parse("t", &packed).unwrap()), [0, 0]);
    let packed = zstd::encode_all(&b"key,bytes\na,5\n"[..], 0).unwrap();
    assert_eq!(bytes(&Trace::parse("t", &packed).unwrap()), [5]);
}

#[test]
fn a_damaged_ctr_file_says_what_is_wrong() {
    assert_eq!(reason(b"CTR1\0\0"), "the header is cut off");
    assert_eq!(reason(&ctr(2, 0, &[])), "flags 0x2 have unknown bits");
    assert_eq!(reason(&ctr(0, 2, &[0])), "2 requests take 4 bytes each, but 4 bytes follow the header");
    assert_eq!(reason(&ctr(1, 1, &[0])), "1 requests take 8 bytes each, but 4 bytes follow the header");
    assert!(reason(&ctr(1, u64::MAX / 2, &[0, 0])).contains("bytes follow the header"));
    assert_eq!(reason(&ctr(0, 2, &[0, 2])), "request 1 is for key 2, though only 1 keys came before");
    assert_eq!(reason(&ctr(0, 1, &[u32::MAX])), "request 0 is for key 4294967295, though only 0 keys came before");
    assert_eq!(reason(&ctr(0, 0, &[])), "no requests");
    let packed = zstd::encode_all(&ctr(0, 2, &[0, 0])[..], 0).unwrap();
    assert!(reason(&packed[..packed.len() - 3]).starts_with("not Zstandard"));
}

#[test]
fn csv_may_tell_keys_bytes_and_costs() {
    let trace = Trace::parse("t", b"key,bytes,cost_ms\nb,10,1000\r\na,20,7\n\nb,10,1000\n").unwrap();
    assert_eq!((keys(&trace), bytes(&trace)), (vec![0, 1, 0], vec![10, 20, 10]));
    assert_eq!(trace.requests[1], Request { key: 1, cost: 7, bytes: 20 });
    assert!(trace.sized && trace.costs_recorded);
}

#[test]
fn csv_needs_no_heading_and_no_more_than_keys() {
    let trace = Trace::parse("t", "b\nä b\nb".as_bytes()).unwrap();
    assert_eq!(keys(&trace), [0, 1, 0]);
    assert!(!trace.sized && !trace.costs_recorded);
    let trace = Trace::parse("t", b"7,70\n8,80\n").unwrap();
    assert_eq!(bytes(&trace), [70, 80]);
}

#[test]
fn a_damaged_csv_file_says_where() {
    assert_eq!(reason(b"a,1\nb\n"), "line 2 has 1 columns, the lines before it have 2");
    assert_eq!(reason(b"a,1\nb,x\n"), "line 2: \"x\" is no number for `bytes`");
    assert_eq!(reason(b"key,bytes,cost_ms\na,1,-5\n"), "line 2: \"-5\" is no number for `cost_ms`");
    assert_eq!(reason(b"a,b,c,d\n"), "4 columns, where `key,bytes,cost_ms` are known");
    assert_eq!(reason(b"\xff\xfe"), "neither CTR1 nor text");
    assert_eq!(reason(b""), "no requests");
    assert_eq!(reason(b"key\n\n"), "no requests");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Trace::read(Path::new("no/such/trace.csv")).unwrap_err().to_string();
    assert!(error.starts_with("no/such/trace.csv: "), "{error}");
}

#[test]
fn a_trace_is_called_like_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.ctr.zst");
    std::fs::write(&path, ctr(0, 1, &[0])).unwrap();
    assert_eq!(Trace::read(&path).unwrap().name, "shop");
}

#[test]
fn capacities_are_shares_of_what_is_distinct() {
    let trace = Trace::parse("t", &ctr(1, 4, &[0, 1, 0, 2, 100, 200, 100, 300])).unwrap();
    assert_eq!((trace.capacity(0.5), trace.entries(300)), (300, 1));
    assert_eq!((trace.capacity(0.0001), trace.entries(1)), (1, 1));
}
