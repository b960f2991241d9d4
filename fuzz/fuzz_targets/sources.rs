#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| i405_fuzz::targets::sources::run(data));
