//! Secrets: certificates and roots that listeners and clusters name.
//!
//! ```text
//!   kubernetes://NAME                  certificate and key of a Secret in the proxy's namespace
//!   kubernetes://NAME-cacert           the roots in Secret NAME-cacert, else those in Secret NAME
//!   kubernetes-gateway://NS/NAME       the same for references of the Gateway API
//! ```
//!
//! Who may have which is decided here ([`may_read`]); that the asker is who it says is the caller's business.
//!
//! <https://istio.io/latest/docs/tasks/traffic-management/ingress/secure-ingress/#key-formats>

use mesh_model::{push_context::PushContext, registry::Secret};
use mesh_types::NodeKind;

use crate::{
    built::Built,
    names::{ROOTS, SecretName},
    pb::{
        core::{DataSource, data_source::Specifier},
        tls::{self, CertificateValidationContext, TlsCertificate, secret},
    },
    view::ProxyView,
};

/// The secrets of these names, in this order; one that is not there, has not what is asked of it, or is not the
/// proxy's to read, is left out.
pub fn secrets<S: AsRef<str>>(view: &ProxyView, push: &PushContext, names: &[S]) -> Vec<Built> {
    names.iter().filter_map(|name| Some(Built::secret(&message(view, push, name.as_ref())?))).collect()
}

fn message(view: &ProxyView, push: &PushContext, name: &str) -> Option<tls::Secret> {
    let parts = SecretName::parse(name, &view.namespace)?;
    if !may_read(view, push, name, &parts) {
        return None;
    }
    let find = |name: &str| push.store().secrets().get(format!("{}/{name}", parts.namespace).as_str());
    let content = match parts.name.strip_suffix(ROOTS) {
        Some(plain) => roots(find(&parts.name).or_else(|| find(plain))?)?,
        None => pair(find(&parts.name)?)?,
    };
    Some(tls::Secret { name: name.to_owned(), r#type: Some(content) })
}

/// Whether a proxy may have a secret: gateways those of their own namespace, and of others what a Gateway of the Gateway
/// API was granted; sidecars those of their own namespace that a DestinationRule names which selects them.
fn may_read(view: &ProxyView, push: &PushContext, written: &str, secret: &SecretName) -> bool {
    if secret.namespace != view.namespace {
        let plain = written.strip_suffix(ROOTS).unwrap_or(written);
        let mut granted = push.granted_credentials(&view.namespace, &view.labels);
        return view.kind == NodeKind::Router && granted.any(|name| [plain, written].contains(&name));
    }
    let plain = secret.name.strip_suffix(ROOTS).unwrap_or(&secret.name);
    let named = |name: &str| [plain, &secret.name].contains(&name);
    view.kind == NodeKind::Router || push.selected_credentials(&view.namespace, &view.labels).any(named)
}

/// The keys under which each sort of Secret has something: `kubernetes.io/tls` and Istio's generic one.
const PAIRS: [(&str, &str); 2] = [("cert", "key"), ("tls.crt", "tls.key")];
const TRUSTED: [(&str, &str); 2] = [("cacert", "crl"), ("ca.crt", "ca.crl")];
const STAPLE: &str = "tls.ocsp-staple";

fn pair(secret: &Secret) -> Option<secret::Type> {
    let both = |(chain, key): &(&str, &str)| Some((secret.value(chain)?, secret.value(key)?));
    let (chain, key) = PAIRS.iter().find_map(both)?;
    Some(secret::Type::TlsCertificate(TlsCertificate {
        certificate_chain: Some(bytes(chain)),
        private_key: Some(bytes(key)),
        ocsp_staple: secret.value(STAPLE).map(bytes),
        ..Default::default()
    }))
}

fn roots(secret: &Secret) -> Option<secret::Type> {
    let (roots, revoked) = TRUSTED.iter().find_map(|(roots, revoked)| Some((secret.value(roots)?, *revoked)))?;
    Some(secret::Type::ValidationContext(CertificateValidationContext {
        trusted_ca: Some(bytes(roots)),
        crl: secret.value(revoked).map(bytes),
        ..Default::default()
    }))
}

fn bytes(value: &[u8]) -> DataSource {
    DataSource { specifier: Some(Specifier::InlineBytes(value.to_vec())), ..Default::default() }
}
