//! Figures as a table, and what they have to be.

use std::fmt::{Display, Formatter, Write as _};

use crate::{
    arm::Kind,
    measure::{Figures, Round},
};

/// How many times as many requests a core has to carry as with Envoy.
const REQUESTS: f64 = 2.0;
/// Below how many MiB an idle proxy has to stay.
const MEMORY: f64 = 12.0;

/// One promise about the figures.
pub(crate) struct Verdict {
    what: &'static str,
    measured: f64,
    wanted: f64,
    /// Whether more is better.
    at_least: bool,
}

impl Verdict {
    pub(crate) fn holds(&self) -> bool {
        if self.at_least { self.measured >= self.wanted } else { self.measured < self.wanted }
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let (sign, verdict) = (if self.at_least { ">=" } else { "<" }, if self.holds() { "ok" } else { "MISSED" });
        write!(f, "{:<52}{:>9.2}   {sign} {}   {verdict}", self.what, self.measured, self.wanted)
    }
}

/// What must hold of our proxy; nothing where it or Envoy was left out.
pub(crate) fn verdicts(all: &[Figures]) -> Vec<Verdict> {
    let of = |kind: Kind| all.iter().find(|figures| figures.kind == kind);
    let (Some(ours), Some(envoy)) = (of(Kind::Lateen), of(Kind::Envoy)) else { return Vec::new() };
    let more = |what, rounds: fn(&Figures) -> &[Round]| Verdict {
        what,
        measured: cpu(rounds(envoy)) / cpu(rounds(ours)),
        wanted: REQUESTS,
        at_least: true,
    };
    let less = |what, measured| Verdict { what, measured, wanted: MEMORY, at_least: false };
    vec![
        more("requests per core, HTTP/1.1, times Envoy's", |figures| &figures.http1),
        more("requests per core, h2c, times Envoy's", |figures| &figures.http2),
        less("resident idle, MiB", ours.memory.idle),
        less("resident after a config_dump, MiB", ours.memory.dumped.unwrap_or(f64::INFINITY)),
    ]
}

/// All figures.
pub(crate) fn table(all: &[Figures]) -> String {
    let mut out = String::new();
    let rival = |of: Kind| all.iter().find(|figures| figures.kind == of.rival());
    for (title, rounds) in [
        ("HTTP/1.1", (|figures| &figures.http1[..]) as fn(&Figures) -> &[Round]),
        ("HTTP/2", |figures| &figures.http2[..]),
    ] {
        line(&mut out, &[title, "CPU ms/1k", "least", "most", "of Envoy's", "req/s core", "req/s seen"]);
        for figures in all {
            let rounds_of = rounds(figures);
            let own = cpu(rounds_of);
            let cpus = rounds_of.iter().map(|round| round.cpu);
            let ratio =
                rival(figures.kind).map_or_else(String::new, |rival| format!("{:.2}", own / cpu(rounds(rival))));
            let rate = median(rounds_of.iter().map(|round| round.rate).collect());
            line(
                &mut out,
                &[
                    figures.kind.name(),
                    &format!("{own:.1}"),
                    &format!("{:.1}", cpus.clone().fold(f64::INFINITY, f64::min)),
                    &format!("{:.1}", cpus.fold(0.0, f64::max)),
                    &ratio,
                    &format!("{:.0}", 1e6 / own),
                    &format!("{rate:.0}"),
                ],
            );
        }
    }
    line(&mut out, &["resident memory", "idle MiB", "dumped", "1000 conn.", "KiB/conn."]);
    for figures in all {
        let memory = figures.memory;
        let before = memory.dumped.unwrap_or(memory.idle);
        line(
            &mut out,
            &[
                figures.kind.name(),
                &format!("{:.1}", memory.idle),
                &memory.dumped.map_or_else(|| "-".to_owned(), |dumped| format!("{dumped:.1}")),
                &format!("{:.1}", memory.connected),
                &format!("{:.1}", (memory.connected - before) * 1.024),
            ],
        );
    }
    out
}

fn line(out: &mut String, cells: &[&str]) {
    for (index, cell) in cells.iter().enumerate() {
        // Writing to a String cannot fail.
        if index == 0 { write!(out, "{cell:<26}") } else { write!(out, "{cell:>12}") }.ok();
    }
    out.push('\n');
}

/// The median CPU of rounds.
fn cpu(rounds: &[Round]) -> f64 {
    median(rounds.iter().map(|round| round.cpu).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests;
