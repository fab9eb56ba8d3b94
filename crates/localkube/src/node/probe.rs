//! Probes: is a container started, alive, ready? One task each, as long as the container runs.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Container, Probe};
use tokio::time::{MissedTickBehavior, interval};

use super::handler::{Outcome, Reach};

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Until it passes, the others rest.
    Startup,
    /// A failure restarts the container.
    Liveness,
    /// A failure takes the pod out of its services.
    Readiness,
}

impl Kind {
    /// As it begins an event: `Readiness`.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Startup => "Startup",
            Kind::Liveness => "Liveness",
            Kind::Readiness => "Readiness",
        }
    }

    /// As it stands in a sentence: `readiness`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Startup => "startup",
            Kind::Liveness => "liveness",
            Kind::Readiness => "readiness",
        }
    }
}

/// What a probe task reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// One attempt failed: the text of an `Unhealthy` event.
    Unhealthy(String),
    /// The verdict, when it changed: true for healthy.
    Verdict(bool),
}

/// Counts attempts until they make a verdict.
#[derive(Clone, Debug)]
pub struct Counter {
    successes_wanted: i32,
    failures_wanted: i32,
    run: (bool, i32),
    verdict: Option<bool>,
}

impl Counter {
    /// With the probe's thresholds.
    pub fn new(probe: &Probe) -> Self {
        Self {
            successes_wanted: probe.success_threshold.unwrap_or(1).max(1),
            failures_wanted: probe.failure_threshold.unwrap_or(3).max(1),
            run: (true, 0),
            verdict: None,
        }
    }

    /// Counts one attempt; Some when the verdict changes by it.
    pub fn count(&mut self, healthy: bool) -> Option<bool> {
        self.run = if self.run.0 == healthy { (healthy, self.run.1 + 1) } else { (healthy, 1) };
        let wanted = if healthy { self.successes_wanted } else { self.failures_wanted };
        if self.run.1 < wanted || self.verdict == Some(healthy) {
            return None;
        }
        self.verdict = Some(healthy);
        Some(healthy)
    }
}

/// Probes until dropped, or until a startup or liveness probe has made up its mind for good.
pub async fn run(probe: Probe, kind: Kind, reach: Reach, began: Instant, report: impl Fn(Report) + Send) {
    let seconds = |value: Option<i32>, default: u64| value.and_then(|v| u64::try_from(v).ok()).unwrap_or(default);
    let delay = Duration::from_secs(seconds(probe.initial_delay_seconds, 0));
    tokio::time::sleep(delay.saturating_sub(began.elapsed())).await;
    let mut ticks = interval(Duration::from_secs(seconds(probe.period_seconds, 10).max(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut counter = Counter::new(&probe);
    let limit = Duration::from_secs(seconds(probe.timeout_seconds, 1).max(1));
    loop {
        ticks.tick().await;
        let outcome = attempt(&probe, &reach, limit).await;
        let healthy = outcome == Outcome::Success;
        match outcome {
            Outcome::Success => {}
            Outcome::Failure(text) => report(Report::Unhealthy(format!("{} probe failed: {text}", kind.title()))),
            Outcome::Error(text) => {
                let state = "errored and resulted in unknown state";
                report(Report::Unhealthy(format!("{} probe {state}: {text}", kind.title())));
            }
        }
        if let Some(verdict) = counter.count(healthy) {
            report(Report::Verdict(verdict));
            let settled = match kind {
                Kind::Startup => true,
                Kind::Liveness => !verdict,
                Kind::Readiness => false,
            };
            if settled {
                return;
            }
        }
    }
}

/// How long a program without a readiness probe may take to listen on its ports before it counts as ready all the same.
const SETTLE: Duration = Duration::from_secs(1);
/// How often its ports are looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// The TCP ports that a container says it listens on.
pub fn ports(container: &Container) -> BTreeSet<u16> {
    let all = container.ports.iter().flatten();
    let tcp = all.filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP");
    tcp.filter_map(|port| u16::try_from(port.container_port).ok()).collect()
}

/// Without a readiness probe a container that runs is ready. A kubelet learns that it runs from its next look at the
/// runtime, up to a second later; here that is known before the program has begun, and a rollout would end the old pod
/// while nobody listens in the new one. So the verdict waits for the container's own ports, as long as a kubelet would.
pub async fn settle(ports: BTreeSet<u16>, pid: u32, report: impl Fn(Report) + Send) {
    let end = Instant::now() + SETTLE;
    while Instant::now() < end && !ports.is_subset(&listening(pid)) {
        tokio::time::sleep(GLANCE).await;
    }
    report(Report::Verdict(true));
}

/// The TCP ports that somebody listens on in the network of a process.
fn listening(pid: u32) -> BTreeSet<u16> {
    let tables =
        ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().filter_map(listener)).collect()
}

/// The port of a line of `/proc/PID/net/tcp`, if it is a listener's: `N: ADDRESS:PORT ADDRESS:PORT 0A ..`.
fn listener(line: &str) -> Option<u16> {
    let mut words = line.split_whitespace().skip(1);
    let (_, port) = words.next()?.rsplit_once(':')?;
    let is_listening = words.nth(1)? == "0A";
    u16::from_str_radix(port, 16).ok().filter(|_| is_listening)
}

async fn attempt(probe: &Probe, reach: &Reach, limit: Duration) -> Outcome {
    if let Some(action) = &probe.exec {
        reach.exec(action, limit).await
    } else if let Some(action) = &probe.http_get {
        reach.http_probe(action, limit).await
    } else if let Some(action) = &probe.tcp_socket {
        reach.tcp(action, limit).await
    } else if let Some(action) = &probe.grpc {
        reach.grpc(action, limit).await
    } else {
        Outcome::Error("missing probe handler".to_owned())
    }
}

#[cfg(test)]
mod tests;
