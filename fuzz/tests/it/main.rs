//! The bodies over their corpora, and over what a mutator makes of these: no nightly compiler, no time that is not bounded.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests, which say where a failure is")]

mod corpus;
mod mutations;

/// Modules of a target's name, with the tests that each target has.
macro_rules! targets {
    ($($module:ident = $target:ident, $mutations:literal;)*) => {
        $(mod $module {
            #[test]
            fn every_seed_of_the_corpus_holds_and_some_are_accepted() {
                crate::corpus::check(&fuzz::$target);
            }

            #[test]
            fn what_is_made_of_the_corpus_holds() {
                crate::mutations::check(&fuzz::$target, $mutations);
            }
        })*

        #[test]
        fn every_target_is_tested() {
            let tested = [$(fuzz::$target.name()),*];
            assert!(fuzz::ALL.iter().map(|target| target.name()).eq(tested));
        }
    };
}

// Fewer for those that make connections.
targets! {
    bencode = BENCODE, 5_000;
    blob_header = BLOB_HEADER, 300;
    conditional_headers = CONDITIONAL_HEADERS, 5_000;
    env_config = ENV_CONFIG, 100;
    envelope_decode = ENVELOPE_DECODE, 5_000;
    glob_clear = GLOB_CLEAR, 5_000;
    index_record = INDEX_RECORD, 5_000;
    key_encode = KEY_ENCODE, 5_000;
    magnet_uri = MAGNET_URI, 5_000;
    provider_html = PROVIDER_HTML, 100;
    provider_json = PROVIDER_JSON, 500;
    range_header = RANGE_HEADER, 2_000;
    redis_reply = REDIS_REPLY, 100;
    volume_record = VOLUME_RECORD, 5_000;
}
