//! Virtual hosts of gateways: for each host that a server and a VirtualService share.
//!
//! Unlike in the mesh, routes of several VirtualServices for one host are all tried.

use std::collections::{BTreeMap, HashSet};

use mesh_model::{
    config::{GatewayRef, Object, ObjectRef, VirtualService},
    push_context::GatewayServer,
};
use mesh_types::Hostname;

use super::http;
use crate::{
    context::Context,
    names,
    pb::route::{Route, RouteMatch, VirtualHost, route_match::PathSpecifier, virtual_host::TlsRequirementType},
    provenance::Provenance,
};

/// The virtual hosts of a table.
pub(super) fn build(context: &Context<'_>, table: &str) -> Vec<VirtualHost> {
    let ports = context.gateway_ports();
    let all = ports.iter().flat_map(|port| port.servers.iter().map(|server| (server, port.number)));
    let servers: Vec<&GatewayServer> = all
        .filter(|(server, number)| names::gateway_table(server, *number).as_deref() == Some(table))
        .map(|(server, _)| server)
        .collect();
    let Some(first) = servers.first() else { return Vec::new() };
    let mut hosts = Hosts::default();
    servers.iter().for_each(|server| hosts.serve(context, server));
    let hosts = hosts.finish();
    if hosts.is_empty() { vec![nobody(first.server().port.number)] } else { hosts }
}

#[derive(Default)]
struct Hosts {
    hosts: BTreeMap<Hostname, VirtualHost>,
    /// Who brought routes to which host.
    brought: HashSet<(Hostname, ObjectRef)>,
}

impl Hosts {
    fn serve(&mut self, context: &Context<'_>, server: &GatewayServer) {
        let (spec, place) = (server.server(), server.place());
        for object in context.push.routes_of(&place, &context.view.namespace) {
            self.route(context, server, &place, object);
        }
        // Also where nobody answers, plaintext is sent to https.
        if spec.tls.as_ref().is_some_and(|tls| tls.https_redirect) {
            for host in &spec.hosts {
                let path = format!("{}.tls.httpsRedirect", server.path());
                let from = || Provenance::object(&server.gateway.meta, &path);
                self.host(&host.host, spec.port.number, from).require_tls = TlsRequirementType::All as i32;
            }
        }
    }

    fn route(
        &mut self,
        context: &Context<'_>,
        server: &GatewayServer,
        place: &GatewayRef,
        object: &Object<VirtualService>,
    ) {
        let spec = server.server();
        let shared = spec.hosts_for(&object.meta.namespace, &object.spec.hosts);
        let redirects = spec.tls.as_ref().is_some_and(|tls| tls.https_redirect);
        let routes =
            if shared.is_empty() { Vec::new() } else { http::routes(context, object, place, spec.port.number) };
        if routes.is_empty() {
            return;
        }
        for host in shared {
            let is_new = self.brought.insert((host.clone(), object.meta.object()));
            let into = self.host(&host, spec.port.number, || Provenance::object(&object.meta, "spec.hosts"));
            // An object that binds several Gateways of a port brings its routes once.
            let fresh = routes.iter().filter(|route| is_new || !into.routes.contains(route)).cloned();
            let fresh: Vec<Route> = fresh.collect();
            into.routes.extend(fresh);
            if redirects {
                into.require_tls = TlsRequirementType::All as i32;
            }
        }
    }

    fn host(&mut self, host: &Hostname, port: u16, from: impl FnOnce() -> Provenance) -> &mut VirtualHost {
        self.hosts.entry(host.clone()).or_insert_with(|| VirtualHost {
            name: format!("{host}:{port}"),
            domains: vec![host.to_string()],
            include_request_attempt_count: true,
            metadata: Some(from().metadata()),
            ..Default::default()
        })
    }

    /// V3: what takes every request comes last, whoever wrote it.
    fn finish(self) -> Vec<VirtualHost> {
        let mut hosts: Vec<VirtualHost> = self.hosts.into_values().collect();
        hosts.iter_mut().for_each(|host| host.routes.sort_by_key(takes_every_request));
        hosts
    }
}

/// Where nobody answers: every request gets 404.
fn nobody(port: u16) -> VirtualHost {
    VirtualHost { name: format!("blackhole:{port}"), domains: vec!["*".to_owned()], ..Default::default() }
}

fn takes_every_request(route: &Route) -> bool {
    let Some(RouteMatch { path_specifier: Some(path), headers, query_parameters, .. }) = &route.r#match else {
        return false;
    };
    let any_path = match path {
        PathSpecifier::Prefix(prefix) | PathSpecifier::PathSeparatedPrefix(prefix) => prefix == "/",
        PathSpecifier::SafeRegex(regex) => matches!(regex.regex.as_str(), "*" | ".*"),
        _ => false,
    };
    any_path && headers.is_empty() && query_parameters.is_empty()
}
