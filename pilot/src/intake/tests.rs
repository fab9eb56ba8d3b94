use mesh_proto::{Any, pack, registry, type_url};

use super::*;

fn service(host: &str) -> Resource {
    let record = registry::Service {
        host: host.to_owned(),
        name: host.split('.').next().unwrap_or_default().to_owned(),
        namespace: "default".to_owned(),
        vips: vec!["10.1.0.1".to_owned()],
        ports: vec![registry::ServicePort {
            name: "http".to_owned(),
            number: 80,
            transport: "TCP".to_owned(),
            ..registry::ServicePort::default()
        }],
        ..registry::Service::default()
    };
    envelope(host, pack(&record))
}

fn envelope(name: &str, body: Any) -> Resource {
    let resource = mcp::Resource { metadata: None, body: Some(body) };
    Resource::new(name, pack(&resource))
}

const HOST: &str = "reviews.default.svc.cluster.local";

#[test]
fn nothing_is_published_before_all_types_were_told() {
    let mut intake = Intake::new([type_url::SERVICE, type_url::NAMESPACE].map(ToOwned::to_owned));
    assert_eq!(intake.awaited().len(), 2);
    assert_eq!(intake.take(type_url::SERVICE, &[service(HOST)], &[]), []);
    assert_eq!(intake.awaited().len(), 1);
    intake.take(type_url::NAMESPACE, &[], &[]);
    assert!(intake.awaited().is_empty());
    let world = intake.publish(None, Instant::now());
    assert_eq!(world.mesh.services().len(), 1);
    assert!(!intake.has_changes());
}

#[test]
fn a_bad_resource_is_refused_by_name_and_keeps_nothing_back() {
    let mut intake = Intake::new([]);
    let naked = Resource::new("naked", pack(&registry::Namespace::default()));
    let other = envelope("other", pack(&registry::Namespace::default()));
    let refused = intake.take(type_url::SERVICE, &[naked, service(HOST), other], &[]);
    let names: Vec<&str> = refused.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["naked", "other"]);
    assert!(refused[0].reason.contains("envelope"), "{}", refused[0]);
    assert!(refused[1].reason.contains("lateen.registry.v1.Namespace"), "with its cause: {}", refused[1]);
    assert_eq!(intake.publish(None, Instant::now()).mesh.services().len(), 1);
}

#[test]
fn worlds_know_how_old_their_parts_are() {
    let mut intake = Intake::new([]);
    let mut with_selector = registry::Service { selector: [("app".into(), "reviews".into())].into(), ..plain(HOST) };
    intake.take(type_url::SERVICE, &[envelope(HOST, pack(&with_selector))], &[]);
    let first = intake.publish(None, Instant::now());
    assert_eq!((first.version, first.ages.shape, first.ages.endpoints(HOST)), (1, 1, 1));

    let endpoints = registry::Endpoints { host: HOST.to_owned(), namespace: "default".to_owned(), endpoints: vec![] };
    intake.take(type_url::ENDPOINTS, &[envelope(HOST, pack(&endpoints))], &[]);
    let second = intake.publish(Some(&first), Instant::now());
    assert_eq!((second.version, second.ages.shape, second.ages.endpoints(HOST)), (2, 1, 2));
    assert_eq!(second.ages.endpoints("other"), 1);

    with_selector.resolution = registry::Resolution::Headless.into();
    with_selector.vips.clear();
    intake.take(type_url::SERVICE, &[envelope(HOST, pack(&with_selector))], &[]);
    let third = intake.publish(Some(&second), Instant::now());
    assert_eq!(third.ages.shape, 3);
    intake.take(type_url::ENDPOINTS, &[], &[HOST.to_owned()]);
    let fourth = intake.publish(Some(&third), Instant::now());
    assert_eq!(fourth.ages.shape, 4, "listeners are made of the endpoints of headless services");
}

fn plain(host: &str) -> registry::Service {
    let resource: mcp::Resource = unpack(&service(host).body).unwrap();
    unpack(&resource.body.unwrap()).unwrap()
}
