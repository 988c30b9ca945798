//! The target `blob_header` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::BLOB_HEADER.run(input);
});
