#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portico_transcode_fuzz::template(input));
