//! The changes that services hang on: those of Services and of EndpointSlices, gathered.

use std::time::Duration;

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use tokio::time::sleep;

use crate::{client, client::Client, status::Status};

/// How long changes are gathered: a rollout changes several objects at once.
const GATHER: Duration = Duration::from_millis(25);

/// Tells that Services or EndpointSlices changed; who listens lists what it needs.
pub(super) struct Changes {
    services: client::Changes<Service>,
    slices: client::Changes<EndpointSlice>,
}

impl Changes {
    /// Begins with a first change, if there is any object.
    pub(super) fn new(client: &Client) -> Result<Self, Status> {
        Ok(Self { services: client.changes()?, slices: client.changes()? })
    }

    /// Returns a moment after the next change, however many there were; None when the cluster goes down.
    pub(super) async fn next(&mut self) -> Option<()> {
        tokio::select! {
            change = self.services.next() => drop(change?),
            change = self.slices.next() => drop(change?),
        }
        let gathered = sleep(GATHER);
        tokio::pin!(gathered);
        loop {
            tokio::select! {
                () = &mut gathered => return Some(()),
                Some(_) = self.services.next() => {}
                Some(_) = self.slices.next() => {}
            }
        }
    }
}
