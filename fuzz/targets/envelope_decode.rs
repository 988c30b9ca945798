//! The target `envelope_decode` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::ENVELOPE_DECODE.run(input);
});
