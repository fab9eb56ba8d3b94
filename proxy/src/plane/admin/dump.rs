//! `/config_dump`: what the proxy was told, in Envoy's shape.
//!
//! Bytes are taken apart on a thread of its own, so that the system gets its memory back; the answer leaves in pieces, so
//! that a large mesh is never in memory as JSON.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/config_dump.proto>

mod heap;
mod mask;
mod sections;

use std::{
    convert::Infallible,
    io::{self, Write},
    thread,
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use mesh_proto::json::Messages;
use regex::Regex;
use serde_json::Value;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;

use self::{
    mask::Mask,
    sections::{SECTIONS, Section},
};
use super::Admin;

/// Bytes of the answer that are gathered before they are sent.
const PIECE: usize = 32 << 10;

/// Pieces that wait for a slow reader.
const WAITING: usize = 2;

/// How long a reader may take for a piece; others wait for their turn.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Wish {
    resource: Option<String>,
    mask: Option<String>,
    name_regex: Option<String>,
    include_eds: Option<String>,
}

/// What an answer consists of.
struct Plan {
    sections: Vec<&'static Section>,
    /// Only the items of this list, each as a configuration of its own.
    list: Option<String>,
    names: Option<Regex>,
    mask: Mask,
}

impl Plan {
    fn new(wish: Wish) -> Result<Self, (StatusCode, String)> {
        let bad = |error: regex::Error| (StatusCode::BAD_REQUEST, format!("Invalid regex: \"{error}\"\n"));
        let names = wish.name_regex.as_deref().map(Regex::new).transpose().map_err(bad)?;
        let sections: Vec<&Section> = SECTIONS
            .iter()
            .filter(|section| match &wish.resource {
                Some(list) => section.lists.iter().any(|(name, _)| name == list),
                None => !section.is_optional || wish.include_eds.is_some(),
            })
            .collect();
        match wish.resource {
            Some(list) if sections.is_empty() => {
                Err((StatusCode::NOT_FOUND, format!("{list} not found in config dump\n")))
            }
            list => Ok(Self { sections, list, names, mask: Mask::parse(wish.mask.as_deref().unwrap_or_default()) }),
        }
    }
}

pub(super) async fn page(State(admin): State<Admin>, Query(wish): Query<Wish>) -> Response {
    let plan = match Plan::new(wish) {
        Ok(plan) => plan,
        Err(refusal) => return refusal.into_response(),
    };
    // One at a time: each holds the descriptors of all messages.
    let Ok(turn) = admin.dumps.clone().acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let (pieces, answer) = mpsc::channel(WAITING);
    let end_of_answer = pieces.clone();
    let (working, worked) = oneshot::channel::<Infallible>();
    let out = Pieces { runtime: Handle::current(), gathered: Vec::with_capacity(PIECE), pieces };
    let write = move || {
        write(&admin, &plan, out);
        drop(working);
    };
    let writer = match thread::Builder::new().name("config_dump".to_owned()).spawn(write) {
        Ok(writer) => writer,
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("no thread for it: {error}\n")).into_response();
        }
    };
    tokio::spawn(async move {
        // Nothing is ever sent: it ends with the work.
        drop(worked.await);
        drop(writer.join());
        heap::trim();
        drop((turn, end_of_answer));
    });
    ([(CONTENT_TYPE, "application/json")], Body::from_stream(ReceiverStream::new(answer))).into_response()
}

/// Writes the answer; on the thread of its own.
fn write(admin: &Admin, plan: &Plan, mut out: Pieces) {
    if let Err(error) = write_all(admin, plan, &mut out).and_then(|()| out.flush()) {
        tracing::debug!(%error, "a configuration dump was not read to its end");
        // The reader sees that there is no end, instead of an end that is none; unless it has gone.
        drop(out.pieces.try_send(Err(error)));
    }
}

fn write_all(admin: &Admin, plan: &Plan, out: &mut Pieces) -> io::Result<()> {
    let mut messages = Messages::new().map_err(io::Error::other)?;
    let mut configs = List::default();
    out.write_all(b"{\n \"configs\": [")?;
    for section in &plan.sections {
        if plan.list.is_none() {
            configs.next(out)?;
            write_section(admin, plan, section, &mut messages, out)?;
            continue;
        }
        for (name, items) in section.lists.iter().filter(|(name, _)| plan.list.as_deref() == Some(*name)) {
            let kind = section.item_type(name);
            items(admin, &mut messages, &mut |item_name, mut item| {
                if !plan.wants(item_name) {
                    return Ok(());
                }
                item["@type"] = Value::String(kind.clone());
                configs.next(out)?;
                json(out, &plan.mask.apply(item))
            })?;
        }
    }
    out.write_all(b"\n ]\n}\n")
}

impl Plan {
    fn wants(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.is_match(name))
    }
}

/// A section, item by item.
fn write_section(
    admin: &Admin,
    plan: &Plan,
    section: &Section,
    messages: &mut Messages,
    out: &mut Pieces,
) -> io::Result<()> {
    write!(out, "{{\"@type\": \"{}\"", section.type_url())?;
    for (field, value) in (section.own)(admin) {
        if plan.mask.keeps(field) {
            write!(out, ",\n  \"{field}\": ")?;
            json(out, &plan.mask.inside(field).apply(value))?;
        }
    }
    for (field, items) in section.lists.iter().filter(|(field, _)| plan.mask.keeps(field)) {
        let mut list = List::default();
        let mask = plan.mask.inside(field);
        items(admin, messages, &mut |name, item| {
            if !plan.wants(name) {
                return Ok(());
            }
            // A list without items is left out, as Envoy does.
            if list.is_empty() {
                write!(out, ",\n  \"{field}\": [")?;
            }
            list.next(out)?;
            json(out, &mask.apply(item))
        })?;
        if !list.is_empty() {
            out.write_all(b"\n  ]")?;
        }
    }
    out.write_all(b"}")
}

fn json(out: &mut Pieces, value: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(out, value).map_err(io::Error::from)
}

/// Commas between items.
#[derive(Default)]
struct List {
    items: usize,
}

impl List {
    fn is_empty(&self) -> bool {
        self.items == 0
    }

    fn next(&mut self, out: &mut Pieces) -> io::Result<()> {
        self.items += 1;
        out.write_all(if self.items == 1 { b"\n" } else { b",\n" })
    }
}

/// The way of the answer, in pieces. Waits while the reader is slow; fails when it has gone.
struct Pieces {
    runtime: Handle,
    gathered: Vec<u8>,
    pieces: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::copy_from_slice(&self.gathered);
        self.gathered.clear();
        if piece.is_empty() {
            return Ok(());
        }
        // Clocks want to be started within a runtime.
        let sending = async { timeout(PATIENCE, self.pieces.send(Ok(piece))).await };
        match self.runtime.block_on(sending) {
            Ok(sent) => sent.map_err(|_| io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
