//! Readiness: a program is ready when all of its gates are open.

use std::sync::{Arc, Mutex, PoisonError};

/// All gates of a program. Clones are the same gates. Without a gate it is ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    gates: Arc<Mutex<Vec<State>>>,
}

/// One condition of readiness, held by the task that knows about it. It begins closed.
#[derive(Clone, Debug)]
pub struct Gate {
    gates: Arc<Mutex<Vec<State>>>,
    index: usize,
}

#[derive(Debug)]
struct State {
    name: String,
    open: bool,
}

impl Readiness {
    /// Adds a condition. `name` finishes the sentence "not ready: ..", as in `waiting for the first configuration`.
    pub fn gate(&self, name: impl Into<String>) -> Gate {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.push(State { name: name.into(), open: false });
        Gate { gates: Arc::clone(&self.gates), index: gates.len() - 1 }
    }

    /// What is still awaited; empty: ready.
    pub fn waiting(&self) -> Vec<String> {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.iter().filter(|gate| !gate.open).map(|gate| gate.name.clone()).collect()
    }

    /// Whether every gate is open.
    pub fn is_ready(&self) -> bool {
        self.waiting().is_empty()
    }
}

impl Gate {
    /// The condition holds.
    pub fn open(&self) {
        self.set(true);
    }

    /// The condition does not hold any more.
    pub fn close(&self) {
        self.set(false);
    }

    fn set(&self, open: bool) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = gates.get_mut(self.index) {
            state.open = open;
        }
    }
}

#[cfg(test)]
mod tests;
