//! Target `route` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = fuzz::target("route").expect("a target of that name");
    (target.run)(bytes);
});
