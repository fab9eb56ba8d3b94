use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use mesh_proto::{Any, json::Messages, type_url};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{material::Material, validation::ValidationSource, verify::Verifier, *};
use crate::{Kind, Snapshot, Store, cluster::HttpOptions, take};

fn pack(name: &str, mut message: Value) -> Any {
    message["@type"] = json!(format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{name}"));
    Messages::new().unwrap().pack(&message).unwrap()
}

struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("root {}", MADE.fetch_add(1, Relaxed)));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    /// A certificate and its key.
    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::new(vec!["a.test".to_owned(), "10.0.0.1".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://td/a".try_into().unwrap()));
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &*self.0).unwrap().pem(), key.serialize_pem())
    }

    fn revoke(&self, serial: u64) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&*self.0).unwrap().pem().unwrap()
    }
}

fn inline(text: &str) -> Value {
    json!({ "inline_string": text })
}

fn pair((cert, key): &(String, String)) -> Value {
    json!({ "certificate_chain": inline(cert), "private_key": inline(key) })
}

fn secret(name: &str) -> Value {
    json!({ "name": name, "sds_config": { "ads": {}, "resource_api_version": "V3" } })
}

fn server(context: Value) -> Result<ServerRules, Bad> {
    take::typed(&pack("DownstreamTlsContext", context)).and_then(ServerRules::parse)
}

fn client(context: Value) -> Result<ClientRules, Bad> {
    let http = HttpOptions::parse(&mut Default::default()).unwrap();
    take::typed(&pack("UpstreamTlsContext", context)).and_then(|context| ClientRules::parse(context, &http))
}

#[test]
fn what_cannot_be_done_is_refused_by_its_field() {
    let own = Ca::new().issue(|_| {});
    let other = Ca::new().issue(|_| {});
    let with = |field: &str, value: Value| {
        let mut common = json!({ "tls_certificates": [pair(&own)] });
        common[field] = value;
        json!({ "common_tls_context": common })
    };
    let parameters = |field: &str, value: Value| with("tls_params", json!({ field: value }));
    let demand = |field: &str, value: Value| with("validation_context", json!({ field: value }));
    let crossed = json!([{ "certificate_chain": inline(&own.0), "private_key": inline(&other.1) }]);
    let cases = [
        (json!({}), "common_tls_context.tls_certificates"),
        (with("tls_certificates", crossed), "common_tls_context.tls_certificates[0]"),
        (
            with("tls_certificate_sds_secret_configs", json!([{ "name": "x" }])),
            "common_tls_context.tls_certificate_sds_secret_configs[0].sds_config",
        ),
        (
            parameters("cipher_suites", json!(["ECDHE-RSA-AES128-GCM-SHA256", "ROT13"])),
            "common_tls_context.tls_params.cipher_suites",
        ),
        (parameters("cipher_suites", json!(["AES128-SHA"])), "common_tls_context.tls_params.cipher_suites"),
        (
            parameters("tls_maximum_protocol_version", json!("TLSv1_1")),
            "common_tls_context.tls_params.tls_maximum_protocol_version",
        ),
        (parameters("ecdh_curves", json!(["P-521"])), "common_tls_context.tls_params.ecdh_curves"),
        (parameters("signature_algorithms", json!(["ed25519"])), "common_tls_context.tls_params.signature_algorithms"),
        (demand("trusted_ca", inline("none")), "common_tls_context.validation_context"),
        (
            demand("verify_certificate_hash", json!(["12"])),
            "common_tls_context.validation_context.verify_certificate_hash",
        ),
        (
            demand("allow_expired_certificate", json!(true)),
            "common_tls_context.validation_context.allow_expired_certificate",
        ),
        (
            demand("match_typed_subject_alt_names", json!([{ "san_type": "DNS", "matcher": { "exact": "a" } }])),
            "common_tls_context.validation_context",
        ),
        (with("key_log", json!({ "path": "/x" })), "common_tls_context.key_log"),
    ];
    for (context, path) in cases {
        assert_eq!(server(context).unwrap_err().path(), path);
    }
    assert_eq!(client(json!({ "sni": "no name" })).unwrap_err().path(), "sni");
    assert_eq!(client(json!({ "allow_renegotiation": true })).unwrap_err().path(), "allow_renegotiation");
    let refused = Store::default().put(
        Kind::Secret,
        "s",
        &pack(
            "Secret",
            json!({ "name": "s", "tls_certificate": {
        "certificate_chain": inline(&own.0), "private_key": inline(&other.1),
    } }),
        ),
    );
    let line = refused.unwrap_err().line();
    assert!(line.starts_with("secret `s`: tls_certificate: certificate and private key cannot be used"), "{line}");
}

#[test]
fn versions_and_suites_are_as_narrow_as_they_are_asked_for() {
    let own = Ca::new().issue(|_| {});
    let rules = |parameters: Value| {
        server(json!({ "common_tls_context": { "tls_certificates": [pair(&own)], "tls_params": parameters } })).unwrap()
    };
    let versions = |parameters: Value| {
        let versions = rules(parameters).common.parameters.versions;
        versions.iter().map(|v| format!("{:?}", v.version)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(versions(json!({})), "TLSv1_3 TLSv1_2");
    assert_eq!(versions(json!({ "tls_minimum_protocol_version": "TLSv1_0" })), "TLSv1_3 TLSv1_2");
    assert_eq!(versions(json!({ "tls_minimum_protocol_version": "TLSv1_3" })), "TLSv1_3");
    assert_eq!(versions(json!({ "tls_maximum_protocol_version": "TLSv1_2" })), "TLSv1_2");
    let listed =
        json!({ "cipher_suites": ["[ECDHE-RSA-AES256-GCM-SHA384|ECDHE-ECDSA-CHACHA20-POLY1305]", "AES256-SHA"] });
    let provider = rules(listed).common.parameters.provider;
    let old = provider.cipher_suites.iter().filter(|suite| suite.tls13().is_none());
    let old: Vec<String> = old.map(|suite| format!("{:?}", suite.suite())).collect();
    assert_eq!(old, ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"]);
}

/// What becomes of a server's certificate, under demands of the resource and of a secret.
fn judge(here: Value, more: Option<Value>, pem: &str, name: Option<&str>) -> Result<(), String> {
    let mut vault = Vault::default();
    let named = more.as_ref().map(|_| secret("s"));
    if let Some(more) = more {
        let any = pack("Secret", json!({ "name": "s", "validation_context": more }));
        let (own, material) = parse_secret(take::typed(&any).unwrap()).unwrap();
        assert!(matches!(material, Material::Validation(_)));
        vault.put(Origin::Secret(own), material);
    }
    let here = take::typed(&pack("CertificateValidationContext", here)).unwrap();
    let named = named.map(|named| take::typed(&pack("SdsSecretConfig", named)).unwrap());
    let source = ValidationSource::parse(Some(here), named).map_err(|bad| bad.to_string())?;
    let trust = verify::Trust { by_name: name.is_some(), ..source.trust(&vault).map_err(|why| why.to_string())? };
    let verifier = Verifier { trust, provider: parameters::provider(), required: false };
    let leaf = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let name = ServerName::try_from(name.unwrap_or("unasked.test")).unwrap();
    // 2026-01-01.
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_767_225_600));
    verifier.verify_server_cert(&leaf, &[], &name, &[], now).map(drop).map_err(|error| format!("{error:?}"))
}

#[test]
fn certificates_are_judged_by_chain_time_name_pin_and_revocation() {
    let (ca, stranger) = (Ca::new(), Ca::new());
    let good = ca.issue(|params| params.serial_number = Some(SerialNumber::from(7))).0;
    let foreign = stranger.issue(|_| {}).0;
    let old = ca.issue(|params| params.not_after = rcgen::date_time_ymd(2025, 12, 31)).0;
    let client_only = ca.issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]).0;
    let roots = || json!({ "trusted_ca": inline(&ca.pem()) });
    let and = |field: &str, value: Value| {
        let mut demands = roots();
        demands[field] = value;
        demands
    };
    let san = |kind: &str, matcher: Value| {
        and("match_typed_subject_alt_names", json!([{ "san_type": kind, "matcher": matcher }]))
    };
    let der = CertificateDer::from_pem_slice(good.as_bytes()).unwrap();
    let hash: String = Sha256::digest(&der).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    let cases: &[(Value, &str, Option<&str>, &str)] = &[
        (json!({}), &foreign, None, ""),
        (roots(), &good, None, ""),
        (roots(), &foreign, None, "UnknownIssuer"),
        (roots(), &foreign, Some("a.test"), "UnknownIssuer"),
        (roots(), &old, None, "Expired"),
        (roots(), &client_only, None, "InvalidPurpose"),
        (roots(), &good, Some("a.test"), ""),
        (roots(), &good, Some("10.0.0.1"), ""),
        (roots(), &good, Some("b.test"), "NotValidForName"),
        (san("DNS", json!({ "exact": "A.test" })), &good, None, ""),
        (san("DNS", json!({ "prefix": "a." })), &good, None, ""),
        (san("DNS", json!({ "exact": "spiffe://td/a" })), &good, None, "Name("),
        (san("URI", json!({ "exact": "spiffe://td/a" })), &good, None, ""),
        (san("IP_ADDRESS", json!({ "exact": "10.0.0.1" })), &good, None, ""),
        (san("URI", json!({ "exact": "spiffe://td/b" })), &good, None, "Name("),
        (and("verify_certificate_hash", json!([hash])), &good, None, ""),
        (and("verify_certificate_hash", json!([hash])), &ca.issue(|_| {}).0, None, "Pin"),
        (and("crl", inline(&ca.revoke(8))), &good, None, ""),
        (and("crl", inline(&ca.revoke(7))), &good, None, "Revoked"),
        (and("crl", inline(&stranger.revoke(8))), &good, None, "UnknownRevocationStatus"),
        (and("trust_chain_verification", json!("ACCEPT_UNTRUSTED")), &foreign, Some("b.test"), ""),
        // One that is its own root, and might be others', too.
        (roots(), &ca.pem(), None, ""),
        (roots(), &stranger.pem(), None, "CaUsedAsEndEntity"),
    ];
    for (demands, pem, name, wanted) in cases {
        let judged = judge(demands.clone(), None, pem, *name).err().unwrap_or_default();
        assert!(judged.contains(wanted) && judged.is_empty() == wanted.is_empty(), "{wanted:?}, not {judged:?}");
    }
    // What a secret says is added to what stands in the resource.
    let named = json!({ "match_typed_subject_alt_names": [{ "san_type": "DNS", "matcher": { "exact": "b.test" } }] });
    let judged = judge(named, Some(roots()), &good, None).unwrap_err();
    assert!(judged.contains("Name("), "{judged}");
    judge(json!({}), Some(roots()), &good, None).unwrap();
    judge(json!({}), Some(roots()), &foreign, None).unwrap_err();
}

#[test]
fn files_and_secrets_make_a_chain_ready_and_nothing_else_makes_it_anew() {
    let ca = Ca::new();
    let own = ca.issue(|_| {});
    let context = json!({ "common_tls_context": {
        "tls_certificate_sds_secret_configs": [secret("kubernetes://x")],
        "validation_context": { "trusted_ca": { "filename": "/roots" } },
    } });
    let mut typed = context.clone();
    typed["@type"] = json!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext");
    let listener = |port: u16| {
        let message = json!({ "@type": type_url::LISTENER, "name": "l",
            "address": { "socket_address": { "address": "0.0.0.0", "port_value": port } },
            "filter_chains": [{ "transport_socket": { "name": "tls", "typed_config": typed }, "filters": [{ "name": "t",
                "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "stat_prefix": "c", "cluster": "c" } }] }],
        });
        Messages::new().unwrap().pack(&message).unwrap()
    };
    let mut store = Store::default();
    store.put(Kind::Listener, "l", &listener(443)).unwrap();
    let wanted = store.wanted();
    assert_eq!((&*wanted.secrets[0], &wanted.files[0]), ("kubernetes://x", &Origin::File("/roots".into())));
    let state = |snapshot: &Snapshot| {
        let chain = snapshot.listener("l").unwrap().chains().next().unwrap().clone();
        chain.tls.as_ref().unwrap().config().cloned().map_err(ToString::to_string)
    };
    let first = store.build(&Snapshot::default());
    assert_eq!(state(&first).unwrap_err(), "secret `kubernetes://x` has not come");
    let any = pack("Secret", json!({ "name": "kubernetes://x", "tls_certificate": pair(&own) }));
    store.put(Kind::Secret, "kubernetes://x", &any).unwrap();
    let second = store.build(&first);
    assert_eq!(state(&second).unwrap_err(), "file `/roots` cannot be read");
    assert!(store.read(&wanted.files[0], Some(ca.pem().into_bytes())));
    assert!(!store.read(&wanted.files[0], Some(ca.pem().into_bytes())));
    let third = store.build(&second);
    let fourth = store.build(&third);
    assert!(Arc::ptr_eq(&state(&third).unwrap(), &state(&fourth).unwrap()), "nothing has changed");
    store.put(Kind::Secret, "kubernetes://x", &any).unwrap();
    let fifth = store.build(&fourth);
    assert!(!Arc::ptr_eq(&state(&fourth).unwrap(), &state(&fifth).unwrap()));
    assert!(store.read(&wanted.files[0], None));
    state(&store.build(&fifth)).unwrap_err();
}
