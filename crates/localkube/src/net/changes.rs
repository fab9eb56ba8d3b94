//! The changes that services hang on: those of Services and of EndpointSlices, gathered.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    client::Client,
    store::{Follow, Resource},
};

/// How long changes are gathered: a rollout changes several objects at once.
const GATHER: Duration = Duration::from_millis(25);

/// Tells that Services or EndpointSlices changed; who listens lists what it needs.
pub(super) struct Changes(Follow);

impl Changes {
    /// Begins with a first change, if there is any object.
    pub(super) fn new(client: &Client) -> Self {
        let resources = [("", "services"), ("discovery.k8s.io", "endpointslices")];
        Self(client.api().store().follow(resources.map(|(group, plural)| Resource::new(group, plural)).into()))
    }

    /// Returns a moment after the next change, however many there were.
    pub(super) async fn next(&mut self) {
        self.0.next().await;
        sleep(GATHER).await;
        self.0.skip();
    }
}
