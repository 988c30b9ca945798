//! The target `volume_record` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::VOLUME_RECORD.run(input);
});
