//! Steps of a long task, each with the time that it took.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The steps done so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// Runs a step; its error names it.
    pub(crate) fn run<T>(&mut self, name: &'static str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {name}");
        let started = Instant::now();
        let result = step();
        self.done.push((name, started.elapsed()));
        result.with_context(|| format!("step `{name}` failed"))
    }

    /// A table of what took how long.
    pub(crate) fn table(&self) -> String {
        table(&self.done)
    }
}

fn table(done: &[(&str, Duration)]) -> String {
    let all: Duration = done.iter().map(|(_, time)| *time).sum();
    let rows = done.iter().copied().chain([("in all", all)]);
    rows.map(|(name, time)| format!("{name:<12}{:>8.1} s\n", time.as_secs_f32())).collect()
}

#[cfg(test)]
mod tests;
