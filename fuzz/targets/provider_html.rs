//! The target `provider_html` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::PROVIDER_HTML.run(input);
});
