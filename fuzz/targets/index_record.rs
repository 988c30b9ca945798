//! The target `index_record` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::INDEX_RECORD.run(input);
});
