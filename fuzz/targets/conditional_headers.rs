//! The target `conditional_headers` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::CONDITIONAL_HEADERS.run(input);
});
