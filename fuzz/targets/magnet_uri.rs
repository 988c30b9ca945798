//! The target `magnet_uri` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::MAGNET_URI.run(input);
});
