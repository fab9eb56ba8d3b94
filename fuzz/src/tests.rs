//! Each target for a moment; the same inputs every time.

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{
    TARGETS, Target,
    mutate::{Form, Random, frame, mutate, unframe},
};

/// Runs a target on its seeds, on mutations of them, and on any bytes.
fn for_a_moment(name: &str) {
    let target: &Target = super::target(name).unwrap();
    let seeds = (target.seeds)();
    assert!(seeds.len() > 5, "{name} has few seeds");
    seeds.iter().for_each(|seed| (target.run)(seed));
    let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
    let fixed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mutated = any::<u64>().prop_map(|seed| mutate(target.form, &seeds, &mut Random(seed)));
    let input = prop_oneof![4 => mutated, 1 => proptest::collection::vec(any::<u8>(), 0..200)];
    let run = |bytes: Vec<u8>| {
        (target.run)(&bytes);
        Ok(())
    };
    TestRunner::new_with_rng(config, fixed).run(&input, run).unwrap();
}

#[test]
fn head_for_a_moment() {
    for_a_moment("head");
}

#[test]
fn xds_for_a_moment() {
    for_a_moment("xds");
}

#[test]
fn route_for_a_moment() {
    for_a_moment("route");
}

#[test]
fn config_for_a_moment() {
    for_a_moment("config");
}

#[test]
fn sniff_for_a_moment() {
    for_a_moment("sniff");
}

#[test]
fn every_target_has_a_program_for_libfuzzer() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let file = format!("fuzz_targets/{}.rs", target.name);
        let text = std::fs::read_to_string(folder.join(&file)).unwrap();
        assert!(text.contains(&format!("\"{}\"", target.name)), "{file} runs another target");
        assert!(manifest.contains(&format!("path = \"{file}\"")), "{file} is not in the manifest");
    }
}

#[test]
fn frames_come_apart_as_they_were_put_together() {
    let input = frame(b"text", b"message");
    assert_eq!(unframe(&input), (&b"text"[..], &b"message"[..]));
    assert_eq!(unframe(b"\x09"), (&b"\x09"[..], &b""[..]));
    assert_eq!(unframe(b"\x09\0abc"), (&b"abc"[..], &b""[..]));
}

/// A mutation that never got past the first check would test nothing.
#[test]
fn many_mutations_are_still_read() {
    let target = super::target("xds").unwrap();
    let seeds = (target.seeds)();
    let mut random = Random(1);
    let read = (0..200).filter(|_| {
        let input = mutate(Form::Framed, &seeds, &mut random);
        // Well formed as a message, and other than any seed.
        !seeds.contains(&input) && prost_reads(unframe(&input).1)
    });
    assert!(read.count() > 100);
}

fn prost_reads(message: &[u8]) -> bool {
    <() as prost::Message>::decode(message).is_ok()
}
