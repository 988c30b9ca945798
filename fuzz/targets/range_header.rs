//! The target `range_header` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::RANGE_HEADER.run(input);
});
