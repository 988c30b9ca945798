//! The target `env_config` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    fuzz::ENV_CONFIG.run(input);
});
