//! The target `key_encode` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::KEY_ENCODE.run(input);
});
