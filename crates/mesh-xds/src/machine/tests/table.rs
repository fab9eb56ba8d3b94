use super::*;

const CDS: &str = type_url::CLUSTER;
const EDS: &str = type_url::ENDPOINT;
const LDS: &str = type_url::LISTENER;
const RDS: &str = type_url::ROUTE;

fn world() -> World {
    World::default().with(CDS, "a", "1").with(EDS, "a", "1").with(LDS, "l", "1").with(RDS, "r", "1")
}

/// A stream that took everything of the world in.
fn settled(world: &mut World) -> Conversation {
    let mut talk = Conversation::new();
    for request in [delta(CDS, &[], &[]), delta(EDS, &["a"], &[]), delta(LDS, &[], &[]), delta(RDS, &["r"], &[])] {
        assert_eq!(talk.hear(request), Heard::Asked);
    }
    let pushes = talk.pushes(world);
    assert_eq!(
        show(&pushes),
        ["Cluster: +a", "ClusterLoadAssignment: +a", "Listener: +l", "RouteConfiguration: +r"],
        "in the order of the protocol"
    );
    for push in &pushes {
        assert_eq!(talk.hear(ack(push)), Heard::Accepted);
    }
    assert_eq!(show(&talk.pushes(world)), NOTHING);
    talk
}

#[test]
fn only_what_differs_is_sent() {
    let mut talk = settled(&mut world());
    let cases: [(World, &[&str]); 5] = [
        (world(), &[]),
        (world().with(EDS, "a", "2"), &["ClusterLoadAssignment: +a"]),
        (world().with(EDS, "a", "2").with(EDS, "other", "1"), &[]),
        (world().with(EDS, "a", "2").with(LDS, "m", "1"), &["Listener: +m"]),
        (world().with(EDS, "a", "2"), &["Listener: -m"]),
    ];
    for (mut world, expected) in cases {
        talk.world_changed();
        let pushes = talk.pushes(&mut world);
        assert_eq!(show(&pushes), expected);
        pushes.iter().for_each(|push| drop(talk.hear(ack(push))));
    }
}

#[test]
fn endpoints_follow_each_change_of_their_cluster() {
    let mut talk = settled(&mut world());
    talk.world_changed();
    let pushes = talk.pushes(&mut world().with(CDS, "a", "2").with(CDS, "b", "1"));
    assert_eq!(show(&pushes), ["Cluster: +a +b", "ClusterLoadAssignment: +a"]);
}

#[test]
fn endpoints_follow_in_the_other_flavour_too() {
    let mut talk = Conversation::new();
    talk.hear(whole(CDS, &[], None));
    talk.hear(whole(EDS, &["a"], None));
    for push in talk.pushes(&mut world()) {
        let names: &[&str] = if push.type_url == EDS { &["a"] } else { &[] };
        assert_eq!(talk.hear(whole(&push.type_url, names, Some(&push.nonce))), Heard::Accepted);
    }
    talk.world_changed();
    let pushes = talk.pushes(&mut world().with(CDS, "a", "2"));
    assert_eq!(show(&pushes), ["Cluster: +a", "ClusterLoadAssignment: +a"]);
    // Envoy asks for the same names with the nonce from before: nothing new.
    assert_eq!(talk.hear(whole(EDS, &["a"], Some("2"))), Heard::Stale);
    assert_eq!(show(&talk.pushes(&mut world().with(CDS, "a", "2"))), NOTHING);
}

#[test]
fn a_refused_resource_is_sent_again_only_when_it_changes() {
    let mut talk = settled(&mut world());
    talk.world_changed();
    let bad = talk.pushes(&mut world().with(LDS, "l", "bad"));
    assert_eq!(show(&bad), ["Listener: +l"]);
    assert_eq!(talk.hear(nack(&bad[0])), Heard::Refused("no".to_owned()));
    let record = talk.record(LDS).unwrap();
    assert_eq!(record.rejection.as_ref().unwrap().nonce, bad[0].nonce);
    assert_ne!(record.accepted, record.sent);
    talk.world_changed();
    assert_eq!(show(&talk.pushes(&mut world().with(LDS, "l", "bad"))), NOTHING);
    talk.world_changed();
    let good = talk.pushes(&mut world());
    assert_eq!(show(&good), ["Listener: +l"], "what was accepted before is sent again after a refusal");
    assert_eq!(talk.hear(ack(&good[0])), Heard::Accepted);
    assert_eq!(talk.record(LDS).unwrap().rejection, None);
}

#[test]
fn a_type_has_one_response_in_flight() {
    let mut talk = settled(&mut world());
    talk.world_changed();
    let first = talk.pushes(&mut world().with(EDS, "a", "2"));
    assert_eq!(show(&first), ["ClusterLoadAssignment: +a"]);
    talk.world_changed();
    let mut newest = world().with(EDS, "a", "3").with(LDS, "l", "2");
    assert_eq!(show(&talk.pushes(&mut newest)), ["Listener: +l"], "other types do not wait");
    talk.hear(ack(&first[0]));
    assert_eq!(show(&talk.pushes(&mut newest)), ["ClusterLoadAssignment: +a"]);
}

#[test]
fn patience_ends() {
    let mut talk = settled(&mut world());
    talk.world_changed();
    let first = talk.pushes(&mut world().with(CDS, "a", "2"));
    talk.world_changed();
    let mut newest = world().with(CDS, "a", "3");
    talk.lose_patience();
    assert_eq!(show(&talk.pushes(&mut newest)), NOTHING);
    talk.lose_patience();
    let second = talk.pushes(&mut newest);
    assert_eq!(show(&second), ["Cluster: +a", "ClusterLoadAssignment: +a"]);
    assert_eq!(talk.hear(ack(&first[0])), Heard::Stale);
    talk.world_changed();
    assert_eq!(show(&talk.pushes(&mut world())), NOTHING, "patience begins anew with each response");
    assert_eq!(talk.hear(nack(&first[0])), Heard::Refused("no".to_owned()), "late, but worth knowing");
    assert_eq!(talk.hear(ack(&second[0])), Heard::Accepted);
    assert_eq!(talk.record(CDS).unwrap().rejection, None);
    assert_eq!(show(&talk.pushes(&mut world())), ["Cluster: +a"]);
}

#[test]
fn names_without_resources_are_answered() {
    let mut talk = Conversation::new();
    talk.hear(delta(EDS, &["a", "nobody"], &[]));
    let pushes = talk.pushes(&mut world());
    assert_eq!(show(&pushes), ["ClusterLoadAssignment: +a -nobody"]);
    talk.hear(ack(&pushes[0]));
    talk.world_changed();
    assert_eq!(show(&talk.pushes(&mut world())), NOTHING, "once is enough");
    let mut later = world().with(EDS, "nobody", "1");
    talk.world_changed();
    let pushes = talk.pushes(&mut later);
    assert_eq!(show(&pushes), ["ClusterLoadAssignment: +nobody"]);
    talk.hear(ack(&pushes[0]));
    talk.world_changed();
    assert_eq!(show(&talk.pushes(&mut later.without(EDS, "nobody"))), ["ClusterLoadAssignment: -nobody"]);
}

#[test]
fn who_comes_back_gets_what_it_missed() {
    let mut first = Conversation::new();
    first.hear(delta(CDS, &[], &[]));
    let version = first.pushes(&mut world())[0].resources[0].version.to_string();
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("a", &version)], "Cluster:"),
        (&[("a", "old")], "Cluster: +a"),
        (&[("a", &version), ("gone", "7")], "Cluster: -gone"),
        (&[], "Cluster: +a"),
    ];
    for (held, expected) in cases {
        let mut talk = Conversation::new();
        talk.hear(resumed(CDS, &[], held));
        assert_eq!(show(&talk.pushes(&mut world())), [expected]);
    }
    let mut talk = Conversation::new();
    talk.hear(resumed(RDS, &["r", "s"], &[("r", "old"), ("s", "7")]));
    assert_eq!(show(&talk.pushes(&mut world())), ["RouteConfiguration: +r -s"]);
}

#[test]
fn an_empty_type_is_answered_where_all_is_wanted() {
    for (type_url, expected) in [(CDS, &["Cluster:"] as &[&str]), (EDS, &[])] {
        let mut empty = World::default().with(CDS, "x", "1").without(CDS, "x").with(EDS, "a", "1");
        let mut talk = Conversation::new();
        talk.hear(delta(type_url, &[], &[]));
        assert_eq!(show(&talk.pushes(&mut empty)), expected);
        let mut talk = Conversation::new();
        talk.hear(whole(type_url, &[], None));
        assert_eq!(show(&talk.pushes(&mut empty)), expected);
    }
}

#[test]
fn subscriptions_change_with_any_nonce() {
    let mut talk = settled(&mut world());
    let mut world = world().with(EDS, "b", "1");
    let request = Request { nonce: Some("of another stream".to_owned()), ..delta(EDS, &["b"], &["a"]) };
    assert_eq!(talk.hear(request), Heard::Stale);
    let pushes = talk.pushes(&mut world);
    assert_eq!(show(&pushes), ["ClusterLoadAssignment: +b"]);
    talk.hear(ack(&pushes[0]));
    talk.world_changed();
    assert_eq!(show(&talk.pushes(&mut world.with(EDS, "a", "9"))), NOTHING);
    talk.hear(delta(EDS, &["b"], &[]));
    assert_eq!(
        show(&talk.pushes(&mut self::world().with(EDS, "b", "1"))),
        ["ClusterLoadAssignment: +b"],
        "asked again"
    );
}

#[test]
fn lists_of_names_grow_and_shrink() {
    let mut talk = Conversation::new();
    let mut world = world().with(EDS, "b", "1");
    talk.hear(whole(EDS, &["a"], None));
    let first = talk.pushes(&mut world);
    talk.hear(whole(EDS, &["a", "b"], Some(&first[0].nonce)));
    let second = talk.pushes(&mut world);
    assert_eq!(show(&second), ["ClusterLoadAssignment: +b"]);
    talk.hear(whole(EDS, &["b"], Some(&second[0].nonce)));
    assert_eq!(show(&talk.pushes(&mut world)), NOTHING);
    talk.world_changed();
    assert_eq!(show(&talk.pushes(&mut world.with(EDS, "a", "2"))), NOTHING);
}

#[test]
fn whole_types_are_sent_whole() {
    let mut talk = Conversation::new();
    talk.hear(whole(LDS, &[], Some("from the server before")));
    let mut world = world().with(LDS, "m", "1");
    let pushes = talk.pushes(&mut world);
    assert_eq!(show(&pushes), ["Listener: +l +m"]);
    assert_eq!(talk.hear(whole(LDS, &[], Some(&pushes[0].nonce))), Heard::Accepted);
    talk.world_changed();
    let changed = talk.pushes(&mut world.without(LDS, "l").with(LDS, "m", "2"));
    assert_eq!(show(&changed), ["Listener: +m -l"]);
    assert_ne!(changed[0].version, pushes[0].version);
}

#[test]
fn a_type_that_is_not_served_is_let_be() {
    let mut talk = Conversation::new();
    talk.hear(delta("of.nobody", &[], &[]));
    assert_eq!(show(&talk.pushes(&mut world())), NOTHING);
    talk.world_changed();
    assert_eq!(show(&talk.pushes(&mut world())), NOTHING);
}
