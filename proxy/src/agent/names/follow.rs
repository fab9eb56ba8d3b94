//! Follows the name table.

use std::sync::Arc;

use mesh_proto::{nds::NameTable, type_url, unpack};
use mesh_snapshot::names::{Asker, Names};
use mesh_xds::{
    client::{self, Backoff, Dial, Event, Events, Settings},
    machine::Refused,
};
use serde_json::{Value, json};

use super::Tables;
use crate::plane::node_message;

/// Node metadata of this stream: it stands beside the data plane's, and is no proxy of its own.
const BESIDE: &str = "LATEEN_BESIDE";

/// Follows it for as long as the process lives.
pub(super) fn start(dial: impl Dial, node: &Value, asker: Asker, tables: Tables) {
    let mut node = node.clone();
    node["metadata"][BESIDE] = json!("true");
    let backoff = Backoff::new(rand::random);
    let (subscriber, events) = client::start(dial, Settings { node: node_message(&node), backoff });
    subscriber.everything(type_url::NAME_TABLE);
    tokio::spawn(async move {
        follow(events, &asker, &tables).await;
        // The wish ends with its subscriber.
        drop(subscriber);
    });
}

async fn follow(mut events: Events, asker: &Asker, tables: &Tables) {
    while let Some(event) = events.next().await {
        let update = match event {
            Event::Connected => continue,
            Event::Lost { reason } => {
                tracing::warn!(reason, "no connection for the name table; what is known stays in force");
                continue;
            }
            Event::Update(update) => update,
        };
        let mut refused = Vec::new();
        for resource in &update.changed {
            match unpack::<NameTable>(&resource.body) {
                Ok(table) => {
                    tracing::debug!(names = table.table.len(), "a name table came");
                    tables.store(Some(Arc::new(Names::new(&table, asker))));
                }
                Err(error) => refused.push(Refused { name: resource.name.to_string(), reason: error.to_string() }),
            }
        }
        update.done(if refused.is_empty() { Ok(()) } else { Err(refused) });
    }
}
