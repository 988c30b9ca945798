//! Tests of what an answer means.

use super::*;

fn refusal(status: u16, text: &str) -> Refusal {
    Refusal::read(status, &HeaderMap::new(), text.as_bytes())
}

#[test]
fn a_missing_object_is_an_answer_and_a_missing_bucket_is_none() {
    assert!(refusal(404, "<Error><Code>NoSuchKey</Code></Error>").is_answer());
    assert!(refusal(404, "").is_answer());
    assert!(!refusal(404, "<Error><Code>NoSuchBucket</Code></Error>").is_answer());
    assert!(!refusal(403, "").is_answer() && !refusal(500, "").is_answer());
}

#[test]
fn a_code_that_is_no_word_is_not_repeated() {
    assert_eq!(refusal(403, "<Code>ExpiredToken</Code>").to_string(), "403 ExpiredToken");
    assert_eq!(refusal(403, "<Code>the secret is x</Code>").to_string(), "403");
}

#[test]
fn only_a_whole_list_that_can_be_continued_is_one() {
    let is_listing = |text: &'static str| is_listing(&Bytes::from_static(text.as_bytes()));
    assert!(is_listing("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"));
    assert!(!is_listing("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"));
    assert!(!is_listing("<ListBucketResult><Contents>"));
    assert!(!is_listing("<Error><Code>InternalError</Code></Error>"));
}
