//! The same message always has the same bytes.
//!
//! Maps of the generated messages are hash maps, whose entries are encoded in an order that differs from run to run.
//! Sorting the entries of a map moves bytes around but changes no length, so it is done on the encoded message, in place,
//! along a table of where maps are.

/// Which fields of a message hold maps or messages with maps in them.
pub(crate) struct Shape(&'static [(u32, Field)]);

enum Field {
    /// A message, or several.
    In(&'static Shape),
    /// A map whose values hold no maps.
    Flat,
    /// A map with messages as values.
    Map(&'static Shape),
}

use Field::{Flat, In, Map};

static STRUCT: Shape = Shape(&[(1, Map(&STRUCT_ENTRY))]);
static STRUCT_ENTRY: Shape = Shape(&[(2, In(&VALUE))]);
static VALUE: Shape = Shape(&[(5, In(&STRUCT)), (6, In(&LIST))]);
static LIST: Shape = Shape(&[(1, In(&VALUE))]);
static METADATA: Shape = Shape(&[(1, Map(&METADATA_ENTRY)), (2, Flat)]);
static METADATA_ENTRY: Shape = Shape(&[(2, In(&STRUCT))]);
static LB_ENDPOINT: Shape = Shape(&[(3, In(&METADATA))]);
static LOCALITY: Shape = Shape(&[(2, In(&LB_ENDPOINT)), (9, In(&METADATA))]);
static WEIGHTED: Shape = Shape(&[(1, In(&CLUSTER_WEIGHT))]);
static CLUSTER_WEIGHT: Shape = Shape(&[(3, In(&METADATA)), (10, Flat)]);
static ROUTE_ACTION: Shape = Shape(&[(3, In(&WEIGHTED))]);
static ROUTE: Shape = Shape(&[(2, In(&ROUTE_ACTION)), (4, In(&METADATA)), (13, Flat)]);
static VIRTUAL_HOST: Shape = Shape(&[(3, In(&ROUTE)), (15, Flat), (24, In(&METADATA))]);
static FILTER_CHAIN: Shape = Shape(&[(5, In(&METADATA))]);
static LOG_FORMAT: Shape = Shape(&[(2, In(&STRUCT))]);

/// A message without maps, or whose maps are sorted already.
pub(crate) static SORTED: Shape = Shape(&[]);
/// `envoy.config.cluster.v3.Cluster`
pub(crate) static CLUSTER: Shape = Shape(&[(25, In(&METADATA)), (33, In(&ASSIGNMENT)), (36, Flat)]);
/// `envoy.config.endpoint.v3.ClusterLoadAssignment`
pub(crate) static ASSIGNMENT: Shape = Shape(&[(2, In(&LOCALITY)), (5, Flat)]);
/// `envoy.config.route.v3.RouteConfiguration`
pub(crate) static ROUTES: Shape = Shape(&[(2, In(&VIRTUAL_HOST)), (16, Flat)]);
/// `envoy.config.listener.v3.Listener`, but for what its filters hold: see [`MANAGER`].
pub(crate) static LISTENER: Shape = Shape(&[(3, In(&FILTER_CHAIN)), (6, In(&METADATA)), (25, In(&FILTER_CHAIN))]);
/// The HTTP connection manager: its inline routes.
pub(crate) static MANAGER: Shape = Shape(&[(4, In(&ROUTES))]);
/// The file access log: its JSON format.
pub(crate) static FILE_LOG: Shape = Shape(&[(5, In(&LOG_FORMAT))]);

/// Sorts the entries of every map in an encoded message. Bytes that are no message are left as they are.
pub(crate) fn sort_maps(message: &mut [u8], shape: &Shape) {
    if shape.0.is_empty() {
        return;
    }
    let mut entries: Vec<(u32, usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some(field) = next_field(message, at) {
        if let Some((_, known)) = shape.0.iter().find(|(number, _)| *number == field.number && field.body.is_some()) {
            let body = field.body.unwrap_or(at);
            if let In(inner) | Map(inner) = known {
                sort_maps(&mut message[body..field.end], inner);
            }
            if let Flat | Map(_) = known {
                entries.push((field.number, at, field.end));
            }
        }
        at = field.end;
    }
    for run in entries.chunk_by(|a, b| a.0 == b.0 && a.2 == b.1) {
        let (start, end) = (run[0].1, run[run.len() - 1].2);
        let mut sorted: Vec<Vec<u8>> = run.iter().map(|(_, from, to)| message[*from..*to].to_vec()).collect();
        // Entries begin with tag and length; their keys come after both.
        sorted.sort_by(|a, b| key_of(a).cmp(key_of(b)));
        message[start..end].copy_from_slice(&sorted.concat());
    }
}

/// The content of an encoded field.
fn key_of(entry: &[u8]) -> &[u8] {
    next_field(entry, 0).and_then(|field| entry.get(field.body?..field.end)).unwrap_or(entry)
}

struct Found {
    number: u32,
    /// Where the content of a length-delimited field begins.
    body: Option<usize>,
    end: usize,
}

fn next_field(message: &[u8], at: usize) -> Option<Found> {
    let (tag, after) = varint(message, at)?;
    let number = u32::try_from(tag >> 3).ok()?;
    let (body, end) = match tag & 7 {
        0 => (None, varint(message, after)?.1),
        1 => (None, after + 8),
        2 => {
            let (length, body) = varint(message, after)?;
            (Some(body), body.checked_add(usize::try_from(length).ok()?)?)
        }
        5 => (None, after + 4),
        _ => return None,
    };
    (end <= message.len()).then_some(Found { number, body, end })
}

fn varint(message: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *message.get(at)?;
        at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
    }
    None
}

#[cfg(test)]
mod tests;
