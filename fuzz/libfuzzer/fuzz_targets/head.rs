//! Target `head` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = fuzz::target("head").expect("a target of that name");
    (target.run)(bytes);
});
