//! Starting one container: back-off, image, configuration, process, postStart.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::core::v1::{Container as Spec, ContainerStateTerminated, LifecycleHandler, Pod},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};

use super::{Instance, Note, RETRY, Task, all, plan, slot::Slot};
use crate::{
    api::verbs::random_uid,
    net::outside::RESOLV_CONF,
    node::{
        backoff::go_seconds,
        env::{Env, container_env, expand},
        handler::{Outcome, Reach},
        images::{ImageError, Program},
        netfiles,
        probe::{self, Kind},
        runtime::{Container, ContainerSpec, Mount},
        security::{full_name, rights},
        status::{State, now},
    },
};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A postStart hook has no time limit of its own; this one only keeps a lost connection from hanging for ever.
const HOOK_LIMIT: Duration = Duration::from_secs(3600);

impl Task {
    /// Starts a container, or notes why not (yet).
    pub(super) async fn start(&mut self, name: &str) {
        let pod = self.pod();
        let Some(spec) = pod.spec.as_ref().and_then(|s| all(s).find(|c| c.name == name)) else { return };
        if let Some(slot) = self.slots.get_mut(name)
            && slot.image_changed(spec)
        {
            *slot = Slot::new(spec);
        }
        if self.backs_off(name, &pod).await {
            return;
        }
        let Some(program) = self.pull(spec).await else { return };
        let attempt = self.view().instances.get(name).map_or(0, |i| i.attempt + 1);
        let ready = match self.configure(&pod, spec, &program, attempt) {
            Ok(ready) => ready,
            Err((reason, message)) => {
                self.event("Warning", "Failed", &format!("Error: {message}")).await;
                self.wait(name, reason, &message);
                self.hold(name, RETRY);
                return;
            }
        };
        self.launch(spec, &ready, attempt, &program).await;
    }

    /// Whether the container still waits for an earlier failure to be long enough ago.
    async fn backs_off(&mut self, name: &str, pod: &Pod) -> bool {
        let now = Instant::now();
        let Some(slot) = self.slots.get_mut(name) else { return true };
        if let Some(left) = slot.not_before.and_then(|at| at.checked_duration_since(now)) {
            self.look_again(left);
            return true;
        }
        slot.not_before = None;
        let Some(ended) = slot.ended else { return false };
        let Some(left) = slot.restart.remaining(ended, now) else {
            slot.restart.attempt(now);
            return false;
        };
        let delay = go_seconds(slot.restart.delay());
        self.look_again(left);
        if !self.is_waiting(name, "CrashLoopBackOff") {
            let full = full_name(pod);
            self.wait(
                name,
                "CrashLoopBackOff",
                &format!("back-off {delay} restarting failed container={name} pod={full}"),
            );
            self.event("Warning", "BackOff", &format!("Back-off restarting failed container {name} in pod {full}"))
                .await;
        }
        true
    }

    fn hold(&mut self, name: &str, delay: Duration) {
        if let Some(slot) = self.slots.get_mut(name) {
            slot.not_before = Some(Instant::now() + delay);
        }
        self.look_again(delay);
    }

    /// Finds the image; None, with events and a waiting state, when there is none.
    async fn pull(&mut self, spec: &Spec) -> Option<Program> {
        let (name, image) = (spec.name.as_str(), spec.image.as_deref().unwrap_or_default());
        let policy = spec.image_pull_policy.as_deref().unwrap_or("IfNotPresent");
        let began = Instant::now();
        let error = match self.node.catalogue.resolve(image) {
            Ok(program) if policy == "Always" => {
                self.event("Normal", "Pulling", &format!("Pulling image \"{image}\"")).await;
                let took = format!("{:?}", began.elapsed());
                let text = format!("Successfully pulled image \"{image}\" in {took} ({took} including waiting)");
                self.event("Normal", "Pulled", &text).await;
                return Some(program);
            }
            Ok(program) => {
                let text = format!("Container image \"{image}\" already present on machine");
                self.event("Normal", "Pulled", &text).await;
                return Some(program);
            }
            Err(error) => error,
        };
        let text = error.to_string();
        match error {
            ImageError::Name(_) => {
                let text = format!("Failed to apply default image tag \"{image}\": {text}");
                self.refuse(name, "InspectFailed", "InvalidImageName", &text).await;
            }
            _ if policy == "Never" => {
                let text = format!("Container image \"{image}\" is not present with pull policy of Never");
                self.refuse(name, "ErrImageNeverPull", "ErrImageNeverPull", &text).await;
            }
            _ => self.fail_pull(name, image, &text).await,
        }
        None
    }

    async fn refuse(&mut self, name: &str, event: &str, reason: &str, message: &str) {
        self.event("Warning", event, message).await;
        self.event("Warning", "Failed", &format!("Error: {reason}")).await;
        self.wait(name, reason, message);
        self.hold(name, RETRY);
    }

    /// An image that is not there: an attempt, then back-off, then the next attempt.
    async fn fail_pull(&mut self, name: &str, image: &str, text: &str) {
        let now = Instant::now();
        let Some(slot) = self.slots.get_mut(name) else { return };
        let left = slot.pull_failed.as_ref().and_then(|(at, _)| slot.pull.remaining(*at, now));
        if let (Some(left), Some((_, before))) = (left, &slot.pull_failed) {
            let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {before}");
            if !self.is_waiting(name, "ImagePullBackOff") {
                self.event("Normal", "BackOff", &format!("Back-off pulling image \"{image}\"")).await;
                self.event("Warning", "Failed", "Error: ImagePullBackOff").await;
            }
            self.wait(name, "ImagePullBackOff", &message);
            self.hold(name, left);
            return;
        }
        slot.pull.attempt(now);
        slot.pull_failed = Some((now, text.to_owned()));
        self.event("Normal", "Pulling", &format!("Pulling image \"{image}\"")).await;
        let failed = format!("Failed to pull image \"{image}\": {text}");
        self.event("Warning", "Failed", &failed).await;
        self.event("Warning", "Failed", "Error: ErrImagePull").await;
        self.wait(name, "ErrImagePull", text);
        self.hold(name, Duration::from_secs(2));
    }

    /// All that the process needs. The error is a waiting reason and its message.
    fn configure(
        &mut self,
        pod: &Pod,
        spec: &Spec,
        program: &Program,
        attempt: u32,
    ) -> Result<ContainerSpec, (&'static str, String)> {
        let config = |message: String| ("CreateContainerConfigError", message);
        let create = |error: io::Error| ("CreateContainerError", error.to_string());
        let net = self.net.clone().ok_or(("CreateContainerError", "the pod has no network".to_owned()))?;
        let rights = rights(pod, spec, program).map_err(config)?;
        let own = container_env(&self.node.client, pod, spec, &self.facts()).map_err(config)?;
        let hostname = netfiles::hostname(pod, &self.node.name);
        let mut mounts = self.volumes.mounts(spec, &own).map_err(config)?;
        let command = command(spec, program, &own);
        if command.is_empty() {
            return Err(("CreateContainerError", "no command specified".to_owned()));
        }
        let message = self.message_file(&spec.name, attempt).map_err(create)?;
        let target = spec.termination_message_path.as_deref().unwrap_or("/dev/termination-log");
        let mut more = self.name_files(pod, &hostname).map_err(create)?;
        more.push(Mount { source: message.clone(), target: target.into(), read_only: false });
        more.extend(program.mounts.iter().cloned());
        for mount in more {
            if !mounts.iter().any(|known| known.target == mount.target) {
                mounts.push(mount);
            }
        }
        // A mount inside another one comes after it.
        mounts.sort_by_key(|mount| mount.target.components().count());
        if let Some(slot) = self.slots.get_mut(&spec.name) {
            slot.message = message;
        }
        let cwd = spec.working_dir.clone().filter(|dir| !dir.is_empty()).map(PathBuf::from);
        Ok(ContainerSpec {
            env: environment(&own, program, &hostname, rights.uid, spec.tty == Some(true)).0,
            hostname,
            netns: net.netns,
            command,
            cwd: cwd.unwrap_or_else(|| program.workdir.clone()),
            rights,
            mounts,
            tty: spec.tty == Some(true),
            stdin: spec.stdin == Some(true),
            stdin_once: spec.stdin_once == Some(true),
            log: self.log_file(&spec.name, attempt),
        })
    }

    fn log_file(&self, name: &str, attempt: u32) -> PathBuf {
        self.folder.join("logs").join(name).join(format!("{attempt}.log"))
    }

    /// An empty file that everyone may write, for the container's last words.
    fn message_file(&self, name: &str, attempt: u32) -> io::Result<PathBuf> {
        let path = self.make_folder(&format!("containers/{name}"))?.join(format!("{attempt}.message"));
        fs::write(&path, "")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).map(|()| path)
    }

    /// hosts, resolv.conf and hostname, the same for all containers of the pod.
    fn name_files(&self, pod: &Pod, hostname: &str) -> io::Result<Vec<Mount>> {
        let folder = self.make_folder("etc")?;
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let ip = self.facts().pod_ip;
        let resolv = pod.spec.as_ref().map(|s| netfiles::resolv_conf(s, namespace, RESOLV_CONF));
        let files = [
            ("hosts", netfiles::hosts(pod, &ip, hostname)),
            ("resolv.conf", resolv.unwrap_or_default()),
            ("hostname", format!("{hostname}\n")),
        ];
        files
            .into_iter()
            .map(|(name, text)| {
                let source = folder.join(name);
                if !source.exists() {
                    fs::write(&source, text)?;
                    fs::set_permissions(&source, fs::Permissions::from_mode(0o644))?;
                }
                Ok(Mount { source, target: Path::new("/etc").join(name), read_only: false })
            })
            .collect()
    }

    async fn launch(&mut self, spec: &Spec, ready: &ContainerSpec, attempt: u32, program: &Program) {
        let name = spec.name.as_str();
        let id = format!("localkube://{}{}", random_uid(), random_uid()).replace('-', "");
        let started = self.start_process(ready).await;
        self.event("Normal", "Created", &format!("Created container: {name}")).await;
        let previous = self.view().instances.get(name).map(|i| i.log.clone());
        let container = started.as_ref().ok().cloned();
        let instance = Instance { container, attempt, log: ready.log.clone(), previous };
        self.view().instances.insert(name.to_owned(), instance);
        if let Some(old) = attempt.checked_sub(2) {
            // Only the last two logs are ever asked for; an older one, or its rotated part, may be missing.
            let old = self.log_file(name, old);
            fs::remove_file(old.with_extension("log.1")).unwrap_or_default();
            fs::remove_file(old).unwrap_or_default();
        }
        self.see(name, |seen| {
            seen.id = id;
            seen.image_id = program.id.clone();
            seen.restarts = i32::try_from(attempt).unwrap_or(i32::MAX);
        });
        let container = match started {
            Ok(container) => container,
            Err(error) => return self.fail_start(spec, &error).await,
        };
        self.event("Normal", "Started", &format!("Started container {name}")).await;
        let (tell, watched, owner) = (self.tell.clone(), container, name.to_owned());
        tokio::spawn(async move {
            let exit = watched.wait().await;
            // The task may have ended before; then nobody wants to know.
            tell.send(Note::Exited { name: owner, attempt, exit }).unwrap_or_default();
        });
        self.greet(spec, attempt).await;
    }

    async fn start_process(&mut self, ready: &ContainerSpec) -> io::Result<Container> {
        let (program, ready) = (self.node.program.clone(), ready.clone());
        let task = tokio::spawn(async move { Container::start_with(&program, &ready).await });
        let started = self.starting.insert(task).await.map_err(io::Error::other);
        self.starting = None;
        started?
    }

    /// After the process has started: postStart, and only when it has ended the container counts as running.
    async fn greet(&mut self, spec: &Spec, attempt: u32) {
        let name = spec.name.as_str();
        let since = now();
        if let Some(slot) = self.slots.get_mut(name) {
            slot.started = Some(Instant::now());
        }
        let hook = spec.lifecycle.as_ref().and_then(|l| l.post_start.as_ref());
        if let (Some(hook), Some(reach)) = (hook, self.reach(spec)) {
            match run_hook(hook, &reach, HOOK_LIMIT).await {
                Outcome::Success => {}
                Outcome::Failure(text) | Outcome::Error(text) => {
                    self.event("Warning", "FailedPostStartHook", "PostStartHook failed").await;
                    self.kill(name, "FailedPostStartHook").await;
                    self.wait(name, "PostStartHookError", &text);
                    return;
                }
            }
        }
        self.see(name, |seen| {
            if let State::Terminated(end) = std::mem::replace(&mut seen.state, State::Running { since }) {
                seen.last = Some(end);
            }
            seen.started = spec.startup_probe.is_none();
            seen.ready = spec.readiness_probe.is_none() && probe::ports(spec).is_empty();
        });
        let kinds: &[Kind] =
            if spec.startup_probe.is_some() { &[Kind::Startup] } else { &[Kind::Liveness, Kind::Readiness] };
        self.start_probes(name, attempt, kinds);
        self.publish().await;
    }

    /// The process could not be started: an end with code 128, and the next attempt by restart policy.
    async fn fail_start(&mut self, spec: &Spec, error: &io::Error) {
        let name = spec.name.as_str();
        self.event("Warning", "Failed", &format!("Error: {error}")).await;
        if let Some(slot) = self.slots.get_mut(name) {
            slot.ended = Some(Instant::now());
        }
        self.see(name, |seen| {
            seen.state = State::Terminated(ContainerStateTerminated {
                container_id: Some(seen.id.clone()),
                exit_code: 128,
                finished_at: Some(now()),
                message: Some(error.to_string()),
                reason: Some("StartError".to_owned()),
                signal: None,
                started_at: Some(Time(Timestamp::UNIX_EPOCH)),
            });
        });
        let pod = self.pod();
        let policy = pod.spec.as_ref().and_then(|s| s.restart_policy.as_deref()).unwrap_or("Always");
        if plan::restarts(policy, spec, 128) {
            self.wait(name, "RunContainerError", &error.to_string());
        }
        self.publish().await;
        self.look_again(Duration::ZERO);
    }
}

/// Runs a lifecycle hook.
pub(super) async fn run_hook(hook: &LifecycleHandler, reach: &Reach, limit: Duration) -> Outcome {
    if let Some(action) = &hook.exec {
        reach.exec(action, limit).await
    } else if let Some(action) = &hook.http_get {
        reach.http_hook(action, limit).await
    } else if let Some(action) = &hook.tcp_socket {
        reach.tcp(action, limit).await
    } else if let Some(action) = &hook.sleep {
        tokio::time::sleep(Duration::from_secs(u64::try_from(action.seconds).unwrap_or(0)).min(limit)).await;
        Outcome::Success
    } else {
        Outcome::Error("invalid handler: no action given".to_owned())
    }
}

/// Own command and arguments over the image's, with `$(VAR)` replaced.
fn command(spec: &Spec, program: &Program, env: &Env) -> Vec<String> {
    let expanded = |list: &[String]| -> Vec<String> {
        list.iter().map(|text| expand(text, |name| env.get(name).map(str::to_owned))).collect()
    };
    let given = |list: &Option<Vec<String>>| list.as_deref().filter(|l| !l.is_empty()).map(expanded);
    match (given(&spec.command), given(&spec.args)) {
        (Some(command), args) => [command, args.unwrap_or_default()].concat(),
        (None, Some(args)) => [program.entrypoint.clone(), args].concat(),
        (None, None) => [program.entrypoint.clone(), program.args.clone()].concat(),
    }
}

/// The complete environment: the machine's defaults, the image's, the pod's.
fn environment(own: &Env, program: &Program, hostname: &str, uid: u32, tty: bool) -> Env {
    let mut env = Env::default();
    env.set("PATH", PATH);
    env.set("HOSTNAME", hostname);
    env.set("HOME", if uid == 0 { "/root" } else { "/" });
    if tty {
        env.set("TERM", "xterm");
    }
    for (name, value) in program.env.iter().chain(own.0.iter().map(|(name, value)| (name, value))) {
        env.set(name, value.clone());
    }
    env
}
