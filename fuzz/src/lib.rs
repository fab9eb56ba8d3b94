//! Fuzz targets: what strangers send, and what must hold whatever they send.
//!
//! ```text
//!   seeds ── mutate ──┐
//!                     ├─► Target::run(bytes)      panics where a promise is broken
//!   libFuzzer ────────┘
//! ```
//!
//! A target is a plain function of bytes. `cargo test` runs each for a moment; `cargo xtask fuzz` for as long as it is
//! told, under libFuzzer where cargo-fuzz and a nightly toolchain are (`libfuzzer/`, a workspace of its own, for its
//! programs are built with another compiler), else under the mutations of [`mutate`](mod@mutate), which know the form of
//! an input but not which branches it reached.
//!
//! What it is not: a place for tests of single cases. What a run finds becomes a case in the tests of the crate that had
//! the fault, for that is where its reader looks.
//!
//! Start reading at [`TARGETS`].

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a target says that a promise is broken by a panic; and seeds are our own"
)]

mod config;
mod head;
mod mesh;
pub mod mutate;
mod request;
mod route;
mod sniffing;
mod xds;

use mutate::Form;

/// Something to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Tries one input.
    pub run: fn(&[u8]),
    /// Inputs that reach far, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How its inputs are built, for mutations.
    pub form: Form,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "head", run: head::run, seeds: head::seeds, form: Form::Text },
    Target { name: "xds", run: xds::run, seeds: xds::seeds, form: Form::Framed },
    Target { name: "route", run: route::run, seeds: route::seeds, form: Form::Framed },
    Target { name: "config", run: config::run, seeds: config::seeds, form: Form::Text },
    Target { name: "sniff", run: sniffing::run, seeds: sniffing::seeds, form: Form::Bytes },
];

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Makes a value, for what its making might do.
fn see<T>(value: T) {
    std::hint::black_box(value);
}

#[cfg(test)]
mod tests;
