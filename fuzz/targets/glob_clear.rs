//! The target `glob_clear` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::GLOB_CLEAR.run(input);
});
