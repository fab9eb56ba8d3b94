//! The manifests fit together, and each Deployment's environment makes the version that its name says.

use kit::Env;
use serde_json::{Value, json};

fn objects() -> Vec<Value> {
    serde_saphyr::from_multiple(include_str!("../../manifests/bookinfo.yaml")).unwrap()
}

fn named(kind: &str) -> Vec<(String, Value)> {
    let of_kind = objects().into_iter().filter(|object| object["kind"] == kind);
    of_kind.map(|object| (object["metadata"]["name"].as_str().unwrap().to_owned(), object)).collect()
}

fn names(kind: &str) -> Vec<String> {
    named(kind).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn the_names_are_those_that_routes_and_policies_expect() {
    assert_eq!(names("Service"), ["details", "ratings", "reviews", "productpage"]);
    let accounts = ["bookinfo-details", "bookinfo-ratings", "bookinfo-reviews", "bookinfo-productpage"];
    assert_eq!(names("ServiceAccount"), accounts);
    let deployments = ["details-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3", "productpage-v1"];
    assert_eq!(names("Deployment"), deployments);
    assert_eq!(objects().len(), 4 + 4 + 6);
}

#[test]
fn services_deployments_and_accounts_fit_together() {
    let accounts = names("ServiceAccount");
    for (name, deployment) in named("Deployment") {
        let (app, version) = name.split_once('-').unwrap();
        let labels = json!({ "app": app, "version": version });
        let template = &deployment["spec"]["template"];
        for found in [
            &deployment["metadata"]["labels"],
            &deployment["spec"]["selector"]["matchLabels"],
            &template["metadata"]["labels"],
        ] {
            assert_eq!(found, &labels, "{name}");
        }
        let (_, service) = named("Service").into_iter().find(|(name, _)| name == app).unwrap();
        assert_eq!(service["spec"]["selector"], json!({ "app": app }));
        assert_eq!(service["spec"]["ports"], json!([{ "name": "http", "port": 9080 }]));
        let container = &template["spec"]["containers"][0];
        assert_eq!(container["ports"][0]["containerPort"], 9080, "{name}");
        assert_eq!(container["image"], format!("lateen/bookinfo-{app}:latest"));
        assert_eq!(container["readinessProbe"]["httpGet"], json!({ "path": "/health", "port": 9080 }));
        assert_eq!(template["spec"]["securityContext"]["runAsNonRoot"], true, "{name}");
        assert!(accounts.contains(&template["spec"]["serviceAccountName"].as_str().unwrap().to_owned()), "{name}");
    }
}

#[test]
fn the_environment_makes_the_version() {
    for (name, deployment) in named("Deployment") {
        let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap().clone();
        let read = |key: &str| {
            let entry = env.iter().find(|entry| entry["name"] == key)?;
            Some(entry["value"].as_str().unwrap().to_owned())
        };
        let (app, version) = name.split_once('-').unwrap();
        assert_eq!(read("SERVICE_VERSION").as_deref(), Some(version));
        if app == "reviews" {
            let config = reviews::Config::read(&mut Env::new(&read));
            assert_eq!(config.ratings.is_some(), version != "v1", "{name}");
            assert_eq!(config.star_color, if version == "v3" { "red" } else { "black" }, "{name}");
        }
    }
}
