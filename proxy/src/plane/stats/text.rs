//! Counters as text: Envoy's plain names, and Prometheus's format.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::{fmt::Write, sync::Arc};

use super::{Counter, Gauge, ServerStats};

/// What a value does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The name in its set; of classes of status codes it ends in `xx`.
    name: &'static str,
    /// The class, where there is one for each.
    class: Option<u8>,
    kind: Kind,
    pub(super) value: u64,
}

/// What tells its values in an order that is always the same.
pub(super) trait Set {
    fn samples(&self) -> Vec<Sample>;

    /// Counters count from 0 again.
    fn reset(&self);
}

/// What is a value, or several.
pub(super) trait Measure {
    fn measure(&self, name: &'static str, samples: &mut Vec<Sample>);

    /// Counts from 0 again, if it counts.
    fn restart(&self) {}
}

impl Measure for Counter {
    fn measure(&self, name: &'static str, samples: &mut Vec<Sample>) {
        samples.push(Sample { name, class: None, kind: Kind::Counter, value: self.get() });
    }

    fn restart(&self) {
        self.reset();
    }
}

impl Measure for Gauge {
    fn measure(&self, name: &'static str, samples: &mut Vec<Sample>) {
        // An end that is counted before its begin was seen shows as none, not as very many.
        let value = u64::try_from(self.get()).unwrap_or_default();
        samples.push(Sample { name, class: None, kind: Kind::Gauge, value });
    }
}

impl Measure for [Counter; 5] {
    fn measure(&self, name: &'static str, samples: &mut Vec<Sample>) {
        samples.extend((1..).zip(self).map(|(class, counter)| Sample {
            name,
            class: Some(class),
            kind: Kind::Counter,
            value: counter.get(),
        }));
    }

    fn restart(&self) {
        self.iter().for_each(Counter::reset);
    }
}

/// The values of a set within a set.
impl<S: Set> Measure for S {
    fn measure(&self, _: &'static str, samples: &mut Vec<Sample>) {
        samples.extend(self.samples());
    }

    fn restart(&self) {
        self.reset();
    }
}

impl ServerStats {
    /// Values with their full names. Envoy counts routes and endpoints by resource; here there is one sum for each type.
    pub(super) fn samples(&self) -> Vec<(&'static str, Sample)> {
        let mut samples = Vec::new();
        self.cds_update_success.measure("cluster_manager.cds.update_success", &mut samples);
        self.cds_update_rejected.measure("cluster_manager.cds.update_rejected", &mut samples);
        self.eds_update_success.measure("cluster_manager.eds.update_success", &mut samples);
        self.eds_update_rejected.measure("cluster_manager.eds.update_rejected", &mut samples);
        self.lds_update_success.measure("listener_manager.lds.update_success", &mut samples);
        self.lds_update_rejected.measure("listener_manager.lds.update_rejected", &mut samples);
        self.listener_create_success.measure("listener_manager.listener_create_success", &mut samples);
        self.listener_create_failure.measure("listener_manager.listener_create_failure", &mut samples);
        self.rds_update_success.measure("http.rds.update_success", &mut samples);
        self.rds_update_rejected.measure("http.rds.update_rejected", &mut samples);
        self.sds_update_success.measure("sds.update_success", &mut samples);
        self.sds_update_rejected.measure("sds.update_rejected", &mut samples);
        self.control_plane_connected_state.measure("control_plane.connected_state", &mut samples);
        samples.into_iter().map(|sample| (sample.name, sample)).collect()
    }

    pub(super) fn reset(&self) {
        let counters = [
            &self.cds_update_success,
            &self.cds_update_rejected,
            &self.eds_update_success,
            &self.eds_update_rejected,
            &self.sds_update_success,
            &self.sds_update_rejected,
            &self.lds_update_success,
            &self.lds_update_rejected,
            &self.listener_create_success,
            &self.listener_create_failure,
            &self.rds_update_success,
            &self.rds_update_rejected,
        ];
        counters.into_iter().for_each(Counter::reset);
    }
}

/// Envoy keeps colons out of names.
fn plain(name: &str) -> String {
    name.replace([':', '\n'], "_")
}

pub(super) fn visit(scope: &str, sets: &[(Arc<str>, Vec<Sample>)], f: &mut dyn FnMut(&str, u64)) {
    let mut name = String::new();
    for (set, samples) in sets {
        let set = plain(set);
        for sample in samples {
            name.clear();
            let _infallible = match sample.class {
                Some(class) => write!(name, "{scope}.{set}.{}{class}xx", sample.name.trim_end_matches("xx")),
                None => match sample.name.strip_prefix("ssl_") {
                    Some(rest) => write!(name, "{scope}.{set}.ssl.{rest}"),
                    None => write!(name, "{scope}.{set}.{}", sample.name),
                },
            };
            f(&name, sample.value);
        }
    }
}

pub(super) fn server(stats: &ServerStats, out: &mut String) {
    for (name, Sample { kind, value, .. }) in stats.samples() {
        let name = name.replace('.', "_");
        let _infallible = write!(out, "# TYPE envoy_{name} {}\nenvoy_{name}{{}} {value}\n", kind.name());
    }
}

/// Family by family: the format wants all samples of a name together.
pub(super) fn prometheus(prefix: &str, label: &str, sets: &[(Arc<str>, Vec<Sample>)], out: &mut String) {
    let Some((_, first)) = sets.first() else { return };
    let names: Vec<String> = sets.iter().map(|(name, _)| escaped(&plain(name))).collect();
    let mut family = "";
    for (i, Sample { name, class, kind, .. }) in first.iter().enumerate() {
        if *name != family {
            family = name;
            let _infallible = writeln!(out, "# TYPE {prefix}{name} {}", kind.name());
        }
        let class = class.map(|class| format!("response_code_class=\"{class}\",")).unwrap_or_default();
        for (set, (_, samples)) in names.iter().zip(sets) {
            let _infallible = writeln!(out, "{prefix}{name}{{{class}{label}=\"{set}\"}} {}", samples[i].value);
        }
    }
}

/// A value of a label.
pub(in crate::plane) fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
