//! The target `provider_json` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::PROVIDER_JSON.run(input);
});
