//! What the task remembers of one container between turns, and what it learns from it.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::core::v1::{Container as Spec, ContainerStateTerminated},
    apimachinery::pkg::apis::meta::v1::Time,
};
use tokio::task::AbortHandle;

use super::{Note, Task, all};
use crate::node::{
    access::Exit,
    backoff::Backoff,
    handler::Reach,
    probe::{self, Kind, Report},
    status::{State, now},
};

const MESSAGE_MAX: usize = 4096;
const LOG_MESSAGE_MAX: usize = 2048;
const LOG_MESSAGE_LINES: usize = 80;

/// One container's memory.
#[derive(Default)]
pub(super) struct Slot {
    /// The image of the present or next instance.
    pub(super) image: String,
    /// Between restarts.
    pub(super) restart: Backoff,
    /// Between attempts to find the image.
    pub(super) pull: Backoff,
    /// The last such failure, and its message.
    pub(super) pull_failed: Option<(Instant, String)>,
    /// A failure before the start; not to be tried again before its time.
    pub(super) not_before: Option<Instant>,
    /// When the newest instance was started.
    pub(super) started: Option<Instant>,
    /// When it ended.
    pub(super) ended: Option<Instant>,
    /// Where it may leave its last words.
    pub(super) message: PathBuf,
    probes: Vec<AbortHandle>,
}

impl Slot {
    pub(super) fn new(container: &Spec) -> Self {
        Self { image: container.image.clone().unwrap_or_default(), ..Self::default() }
    }

    pub(super) fn image_changed(&self, container: &Spec) -> bool {
        container.image.as_deref().unwrap_or_default() != self.image
    }

    /// No probe of the present instance goes on.
    pub(super) fn stop_probes(&mut self) {
        self.probes.drain(..).for_each(|probe| probe.abort());
    }
}

impl Task {
    /// Learns from a container.
    pub(super) async fn take(&mut self, note: Note) {
        match note {
            Note::Exited { name, attempt, exit } if self.is_current(&name, attempt) => self.ended(&name, exit),
            Note::Probed { name, attempt, kind, report } if self.is_current(&name, attempt) => match report {
                Report::Unhealthy(text) => self.event("Warning", "Unhealthy", &text).await,
                Report::Verdict(healthy) => self.judge(&name, attempt, kind, healthy),
            },
            _ => {}
        }
    }

    fn is_current(&self, name: &str, attempt: u32) -> bool {
        self.view().instances.get(name).is_some_and(|i| i.attempt == attempt && i.container.is_some())
    }

    fn judge(&mut self, name: &str, attempt: u32, kind: Kind, healthy: bool) {
        match (kind, healthy) {
            (Kind::Readiness, ready) => self.see(name, |seen| seen.ready = ready),
            (Kind::Startup, true) => {
                self.see(name, |seen| seen.started = true);
                self.start_probes(name, attempt, &[Kind::Liveness, Kind::Readiness]);
            }
            (Kind::Liveness, true) => {}
            (_, false) => {
                self.sick.insert(name.to_owned(), kind);
            }
        }
    }

    /// The newest instance of a container has ended.
    pub(super) fn ended(&mut self, name: &str, exit: Exit) {
        let code = exit.code();
        let Some(slot) = self.slots.get_mut(name) else { return };
        slot.stop_probes();
        slot.ended = Some(Instant::now());
        let began = slot.started;
        let file = slot.message.clone();
        self.sick.remove(name);
        let mut view = self.view();
        let Some(instance) = view.instances.get_mut(name) else { return };
        instance.container = None;
        let log = instance.log.clone();
        drop(view);
        let message = self.last_words(name, code, &file, &log);
        self.see(name, |seen| {
            let started_at = match &seen.state {
                State::Running { since } => Some(since.clone()),
                // It ended before its postStart hook did.
                _ => {
                    began.and_then(|at| now().0.checked_sub(Duration::from_secs(at.elapsed().as_secs())).ok()).map(Time)
                }
            };
            seen.state = State::Terminated(ContainerStateTerminated {
                container_id: Some(seen.id.clone()),
                exit_code: code,
                finished_at: Some(now()),
                message,
                reason: Some(if code == 0 { "Completed" } else { "Error" }.to_owned()),
                signal: None,
                started_at,
            });
            seen.ready = false;
            seen.started = false;
        });
    }

    /// The termination message: the file's, else by policy the end of the log of a failed container.
    fn last_words(&self, name: &str, code: i32, file: &std::path::Path, log: &std::path::Path) -> Option<String> {
        let pod = self.pod();
        let spec = pod.spec.as_ref().and_then(|s| all(s).find(|c| c.name == name))?;
        let text = String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
        if !text.is_empty() {
            return Some(text.chars().take(MESSAGE_MAX).collect());
        }
        if code == 0 || spec.termination_message_policy.as_deref() != Some("FallbackToLogsOnError") {
            return None;
        }
        let text = fs::read_to_string(log).ok()?;
        // A record of the log is TIME STREAM F|P TEXT.
        let lines: Vec<&str> = text.lines().filter_map(|line| line.splitn(4, ' ').nth(3)).collect();
        let tail = lines[lines.len().saturating_sub(LOG_MESSAGE_LINES)..].join("\n");
        let from = tail.len().saturating_sub(LOG_MESSAGE_MAX);
        let from = (from..=tail.len()).find(|at| tail.is_char_boundary(*at))?;
        Some(tail[from..].to_owned())
    }

    /// Starts the probes that the container has of these kinds.
    pub(super) fn start_probes(&mut self, name: &str, attempt: u32, kinds: &[Kind]) {
        let pod = self.pod();
        let Some(spec) = pod.spec.as_ref().and_then(|s| all(s).find(|c| c.name == name)) else { return };
        let Some(reach) = self.reach(spec) else { return };
        let Some(slot) = self.slots.get_mut(name) else { return };
        let began = slot.started.unwrap_or_else(Instant::now);
        for kind in kinds.iter().copied() {
            let wish = match kind {
                Kind::Startup => &spec.startup_probe,
                Kind::Liveness => &spec.liveness_probe,
                Kind::Readiness => &spec.readiness_probe,
            };
            let (tell, name) = (self.tell.clone(), name.to_owned());
            let report = move |report| {
                // The task may have ended; then nobody wants to know.
                tell.send(Note::Probed { name: name.clone(), attempt, kind, report }).unwrap_or_default();
            };
            let task = match wish.clone() {
                Some(wish) => tokio::spawn(probe::run(wish, kind, reach.clone(), began, report)),
                None if kind == Kind::Readiness && !probe::ports(spec).is_empty() => {
                    tokio::spawn(probe::settle(probe::ports(spec), reach.container.pid(), report))
                }
                None => continue,
            };
            slot.probes.push(task.abort_handle());
        }
    }

    /// A running container as probes and hooks reach it.
    pub(super) fn reach(&self, spec: &Spec) -> Option<Reach> {
        let container = self.view().instances.get(&spec.name)?.container.clone()?;
        let ip = self.net.as_ref()?.ip;
        Some(Reach { container, spec: spec.clone(), ip, netns: self.node.net.netns.clone() })
    }

    /// Moves a container into a waiting state; what it was before becomes its last state when it had ended.
    pub(super) fn wait(&self, name: &str, reason: &str, message: &str) {
        self.see(name, |seen| {
            let state = State::Waiting { reason: reason.to_owned(), message: message.to_owned() };
            if let State::Terminated(end) = std::mem::replace(&mut seen.state, state) {
                seen.last = Some(end);
            }
        });
    }

    /// Whether a container waits for this reason.
    pub(super) fn is_waiting(&self, name: &str, why: &str) -> bool {
        let view = self.view();
        let seen = view.observed.containers.get(name);
        seen.is_some_and(|seen| matches!(&seen.state, State::Waiting { reason, .. } if reason == why))
    }
}
