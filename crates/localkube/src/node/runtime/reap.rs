//! Orphans: processes whose parent has ended become children of process 1 of their PID namespace, which the daemon is.
//!
//! Its own children are waited for at once by those who started them. So a child that is dead and still there at two
//! looks, some seconds apart, is an orphan. (`waitpid` for any child would take the others' statuses away.)

use std::{collections::HashSet, fs, io, time::Duration};

use nix::{
    sys::wait::{WaitPidFlag, waitpid},
    unistd::Pid,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time,
};

const PAUSE: Duration = Duration::from_secs(5);

/// Takes away dead orphans for as long as it is polled; for the daemon that is process 1. Costs nothing while no child
/// ends.
///
/// # Errors
/// When SIGCHLD cannot be listened to.
pub async fn orphans() -> io::Result<()> {
    let mut ended = signal(SignalKind::child())?;
    let mut suspects = HashSet::new();
    loop {
        if suspects.is_empty() && ended.recv().await.is_none() {
            return Ok(());
        }
        time::sleep(PAUSE).await;
        let dead = dead_children();
        for pid in dead.intersection(&suspects) {
            // Should its parent have waited after all, there is nothing to take away.
            let _status = waitpid(Pid::from_raw(*pid), Some(WaitPidFlag::WNOHANG));
        }
        suspects = dead.difference(&suspects).copied().collect();
    }
}

fn dead_children() -> HashSet<i32> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let all: Vec<i32> =
        lists.flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect();
    all.into_iter().filter(|pid| is_dead(*pid)).collect()
}

/// The state comes after the name, which is in brackets and may hold anything.
fn is_dead(pid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}
