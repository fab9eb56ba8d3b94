//! A folder of YAML: the same objects, read from files, looked at every second.
//!
//! Each document stands for itself: one that cannot be read is reported, and what it said before stays until it can be
//! read again or goes.

mod scan;

use std::{path::PathBuf, time::Duration};

use mesh_bootstrap::Drain;
use tokio::{sync::mpsc, task, time};

pub use scan::{Scan, Scanner};

use crate::input::{Collection, Input};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// Follows the folder until the drain begins.
pub async fn follow(folder: PathBuf, root_namespace: String, inputs: mpsc::Sender<Input>, drain: Drain) {
    let mut scanner = Some(Scanner::new(folder, root_namespace));
    let mut known = Scan::default();
    let mut is_first = true;
    while let Some(mut at_work) = scanner.take() {
        // Reading files blocks.
        let looked = task::spawn_blocking(move || {
            let scan = at_work.look();
            (at_work, scan)
        });
        let Ok((back, scan)) = looked.await else { return tracing::error!("the folder cannot be read any more") };
        scanner = Some(back);
        if let Some(scan) = scan {
            let mut changes = difference(&known, &scan);
            if is_first {
                changes.extend(Collection::all().map(Input::Complete));
                is_first = false;
            }
            for change in changes {
                if inputs.send(change).await.is_err() {
                    return;
                }
            }
            known = scan;
        }
        tokio::select! {
            () = time::sleep(PERIOD) => {}
            () = drain.requested() => return,
        }
    }
}

/// What leads from one look to the next.
pub fn difference(before: &Scan, now: &Scan) -> Vec<Input> {
    let gone = before.objects.keys().filter(|found| !now.objects.contains_key(found));
    let gone = gone.map(|(collection, key)| Input::Deleted(*collection, key.clone()));
    let changed = now.objects.iter().filter(|(found, object)| before.objects.get(found) != Some(object));
    let changed = changed.map(|(_, object)| Input::Applied(object.clone()));
    let healed = before.faults.keys().filter(|file| !now.faults.contains_key(*file));
    let healed = healed.map(|file| Input::Noted(file.clone(), Vec::new()));
    let faulty = now.faults.iter().filter(|(file, faults)| before.faults.get(*file) != Some(faults));
    let faulty = faulty.map(|(file, faults)| Input::Noted(file.clone(), faults.clone()));
    gone.chain(changed).chain(healed).chain(faulty).collect()
}

#[cfg(test)]
mod tests;
