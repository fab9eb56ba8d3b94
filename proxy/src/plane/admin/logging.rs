//! `POST /logging`: log levels under the names of Envoy's loggers, while the proxy runs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use mesh_bootstrap::LogHandle;

use super::Admin;

/// Envoy's loggers that have something of ours to say, and whose lines they are.
const LOGGERS: &[(&str, &[&str])] = &[
    ("admin", &["proxy::plane::admin"]),
    ("config", &["proxy::plane::feed", "mesh_xds"]),
    ("connection", &["proxy::plane::accept", "proxy::plane::worker"]),
    ("dns", &["proxy::plane::dns"]),
    ("filter", &["proxy::plane::tcp"]),
    ("http", &["proxy::plane::http"]),
    ("http1", &["hyper"]),
    ("http2", &["h2"]),
    ("main", &["proxy::agent", "proxy::plane::control"]),
    ("pool", &["proxy::plane::upstream"]),
    ("router", &["proxy::plane::http"]),
    ("secret", &["mesh_identity", "mesh_tls"]),
    ("upstream", &["proxy::plane::upstream"]),
];

/// Envoy's levels, and this program's.
const LEVELS: &[(&str, &str)] = &[
    ("trace", "trace"),
    ("debug", "debug"),
    ("info", "info"),
    ("warning", "warn"),
    ("warn", "warn"),
    ("error", "error"),
    ("critical", "error"),
    ("off", "off"),
];

/// The levels in force.
#[derive(Debug)]
pub(super) struct Levels {
    logs: Option<LogHandle>,
    chosen: Mutex<Chosen>,
}

#[derive(Clone, Debug)]
struct Chosen {
    /// Of all loggers that are not listed.
    all: String,
    single: BTreeMap<&'static str, &'static str>,
}

impl Levels {
    pub(super) fn new(logs: Option<LogHandle>) -> Self {
        let filter = logs.as_ref().and_then(|logs| logs.filter().ok());
        let all = filter.unwrap_or_else(|| "info".to_owned());
        Self { logs, chosen: Mutex::new(Chosen { all, single: BTreeMap::new() }) }
    }

    /// Changes levels as the pairs of a query say; gives the loggers with their levels.
    fn change(&self, wishes: &[(String, String)]) -> Result<String, String> {
        let logs = self.logs.as_ref().ok_or("logs cannot be changed in this process\n")?;
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = chosen.clone();
        next.change(wishes)?;
        if !wishes.is_empty() {
            logs.set(&next.filter()).map_err(|error| format!("error: {error}\n"))?;
            *chosen = next;
        }
        Ok(chosen.show())
    }
}

impl Chosen {
    fn change(&mut self, wishes: &[(String, String)]) -> Result<(), String> {
        for (name, value) in wishes {
            match name.as_str() {
                "level" => self.set_all(value)?,
                "paths" => value.split(',').try_for_each(|pair| match pair.split_once(':') {
                    Some((logger, level)) => self.set(logger, level),
                    None => Err(format!("error: `{pair}` is not LOGGER:LEVEL\n")),
                })?,
                logger => self.set(logger, value)?,
            }
        }
        Ok(())
    }

    fn set_all(&mut self, level: &str) -> Result<(), String> {
        known(level)?.clone_into(&mut self.all);
        self.single.clear();
        Ok(())
    }

    fn set(&mut self, logger: &str, level: &str) -> Result<(), String> {
        let found = LOGGERS.iter().find(|(name, _)| *name == logger);
        let (name, _) = found.ok_or_else(|| format!("error: unknown logger name `{logger}`\n"))?;
        self.single.insert(name, known(level)?);
        Ok(())
    }

    /// As this program's filter.
    fn filter(&self) -> String {
        let levels = LOGGERS.iter().filter_map(|(name, lines)| Some((lines, self.single.get(name)?)));
        let single = levels.flat_map(|(lines, level)| lines.iter().map(move |of| format!(",{of}={level}")));
        self.all.clone() + &single.collect::<String>()
    }

    fn show(&self) -> String {
        let level = |name: &&str| self.single.get(name).map_or(self.all.as_str(), |level| *level);
        let lines = LOGGERS.iter().map(|(name, _)| format!("  {name}: {}\n", level(name)));
        "active loggers:\n".to_owned() + &lines.collect::<String>()
    }
}

fn known(level: &str) -> Result<&'static str, String> {
    let found = LEVELS.iter().find(|(name, _)| *name == level);
    found.map(|(_, ours)| *ours).ok_or_else(|| format!("error: unknown level `{level}`\n"))
}

pub(super) async fn page(State(admin): State<Admin>, Query(wishes): Query<Vec<(String, String)>>) -> Response {
    match admin.levels.change(&wishes) {
        Ok(shown) => shown.into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, why).into_response(),
    }
}

#[cfg(test)]
mod tests;
