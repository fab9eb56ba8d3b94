//! The process itself: its arguments, its signals and its end.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::shop::get;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

struct Process {
    child: Child,
    log: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_productpage"))
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        Self { child, log }
    }

    /// The next line of the log.
    fn line(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.log.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The port that it says it listens on.
    fn port(&mut self) -> u16 {
        let line = self.line();
        assert_eq!(line["message"], "listening");
        line["address"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn serves_for_five_seconds_after_sigterm() {
    let mut process = Process::start(&["0"], &[]);
    let port = process.port();
    assert_eq!(get(port, "/health", &[]).await.status, 200);

    let started = Instant::now();
    process.signal(Signal::SIGTERM);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(get(port, "/health", &[]).await.status, 503);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(get(port, "/api/v1/products", &[]).await.status, 200);

    let end = process.child.wait().unwrap();
    assert!(end.success());
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(15), "{took:?}");
    assert_eq!(process.line()["message"], "stopping");
    assert_eq!(process.line()["message"], "stopped");
}

#[tokio::test]
async fn ends_at_once_on_sigint() {
    let mut process = Process::start(&[], &[("PORT", "0")]);
    process.port();
    let started = Instant::now();
    process.signal(Signal::SIGINT);
    assert!(process.child.wait().unwrap().success());
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn says_what_keeps_it_from_running() {
    let taken = kit::bind(0).await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let wrong = [("FLOOD_FACTOR", "256"), ("REVIEWS_SERVICE_PORT", "tcp://10.0.0.1:9080")];
    for (argument, variables, reasons) in [
        (port.as_str(), &[] as &[_], ["cannot listen on port", "as the first argument or in PORT"]),
        ("0", &wrong, ["FLOOD_FACTOR=\\\"256\\\"", "REVIEWS_SERVICE_PORT"]),
    ] {
        let mut process = Process::start(&[argument], variables);
        let error = process.line()["error"].to_string();
        assert!(reasons.iter().all(|reason| error.contains(reason)), "{error}");
        assert_eq!(process.child.wait().unwrap().code(), Some(1));
    }
}
