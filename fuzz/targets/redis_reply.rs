//! The target `redis_reply` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::REDIS_REPLY.run(input);
});
