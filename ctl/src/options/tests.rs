use super::*;

fn parse(sets: &[&str]) -> Result<Options, BadOptions> {
    Options::parse(None, &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>())
}

#[test]
fn nothing_said_is_the_default_profile() {
    let options = parse(&[]).unwrap();
    assert_eq!((options.profile, options.hub.as_str(), options.replicas), (Profile::Default, "lateen", 1));
    assert_eq!(options.mesh.get("accessLogFile"), None);
    assert!(options.notes.is_empty());
}

#[test]
fn a_profile_can_be_chosen_and_its_settings_overruled() {
    let demo = parse(&["profile=demo", "meshConfig.accessLogFile="]).unwrap();
    assert_eq!(demo.mesh["accessLogFile"], "");
    assert_eq!(demo.mesh["defaultConfig"]["tracing"]["sampling"], 100);
    assert_eq!(demo.mesh["defaultConfig"]["discoveryAddress"], "istiod.istio-system.svc:15012");
    assert_eq!(demo.injection.resources.requests.unwrap()["cpu"].0, "10m");
}

#[test]
fn a_profile_that_was_printed_installs_the_same() {
    for (name, _) in PROFILES {
        let printed = Options::profile(name).unwrap();
        assert_eq!(
            Options::parse(Some(&printed), &[]).unwrap(),
            parse(&[&format!("profile={name}")]).unwrap(),
            "{name}"
        );
    }
    assert!(matches!(Options::profile("huge"), Err(BadOptions::Profile(_))));
}

#[test]
fn settings_reach_mesh_and_injector() {
    let options = parse(&[
        "hub=example.org/mesh",
        "values.global.tag=7",
        "meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY",
        "values.global.proxy.dataPlane=envoy",
        "values.global.proxy.excludeInboundPorts=9999",
        "values.pilot.env.ENABLE_NATIVE_SIDECARS=true",
        "values.pilot.replicaCount=2",
        r"meshConfig.defaultConfig.proxyMetadata.a\.b=text",
    ])
    .unwrap();
    assert_eq!(options.image("ca"), "example.org/mesh/ca:7");
    assert_eq!(options.mesh["outboundTrafficPolicy"]["mode"], "REGISTRY_ONLY");
    assert_eq!(options.mesh["defaultConfig"]["proxyMetadata"]["a.b"], "text");
    assert_eq!((options.injection.data_plane, options.injection.native_sidecars), (DataPlane::Envoy, true));
    assert_eq!((options.injection.exclude_inbound_ports.as_str(), options.replicas), ("9999", 2));
    assert!(options.notes.is_empty(), "{:?}", options.notes);
}

#[test]
fn a_files_profile_counts_unless_the_command_line_names_another() {
    let file =
        json!({ "apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator", "spec": { "profile": "demo" } });
    assert_eq!(Options::parse(Some(&file), &[]).unwrap().profile, Profile::Demo);
    assert_eq!(Options::parse(Some(&file), &["profile=minimal".to_owned()]).unwrap().profile, Profile::Minimal);
    let other = json!({ "kind": "Deployment", "spec": {} });
    assert!(matches!(Options::parse(Some(&other), &[]), Err(BadOptions::NotAnOperator)));
}

#[test]
fn what_means_nothing_is_said() {
    let notes = parse(&["values.cni.enabled=true", "meshConfig.acessLogFile=x"]).unwrap().notes;
    assert!(notes.iter().any(|note| note.starts_with("values.cni.enabled ")), "{notes:?}");
    assert!(notes.iter().any(|note| note.starts_with("meshConfig.acessLogFile ")), "{notes:?}");
}

#[test]
fn nonsense_is_refused() {
    for (set, word) in [
        ("profile=huge", "huge"),
        ("profile", "path=value"),
        ("profile.x=1", "profile"),
        ("values.pilot.replicaCount=many", "replicaCount"),
        ("meshConfig.outboundTrafficPolicy.mode=SOMETIMES", "meshConfig"),
        ("namespace=mesh", "istio-system"),
        ("values.global.proxy.dataPlane=nginx", "dataPlane"),
    ] {
        let error = parse(&[set]).unwrap_err().to_string();
        assert!(error.contains(word), "{set}: {error}");
    }
    assert!(parse(&["a=1", "a.b=2"]).unwrap_err().to_string().contains("is a value"));
}
