//! Whatever happens on a stream: once all is answered, the client holds the world.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Set {
        kind: usize,
        name: usize,
        content: u8,
    },
    Remove {
        kind: usize,
        name: usize,
    },
    Names {
        kind: usize,
        names: BTreeSet<usize>,
    },
    /// Answer the oldest response, well or badly.
    Answer {
        is_good: bool,
    },
    Reconnect,
}

const KINDS: [&str; 3] = [type_url::CLUSTER, type_url::ENDPOINT, "a.custom/Type"];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize, 0..4usize, 0..3u8).prop_map(|(kind, name, content)| Step::Set { kind, name, content }),
        (0..3usize, 0..4usize).prop_map(|(kind, name)| Step::Remove { kind, name }),
        (0..3usize, proptest::collection::btree_set(0..4usize, 0..4))
            .prop_map(|(kind, names)| Step::Names { kind, names }),
        any::<bool>().prop_map(|is_good| Step::Answer { is_good }),
        Just(Step::Reconnect),
    ]
}

/// A client that keeps what it was sent: contents by type and name.
struct Client {
    sink: Sink,
    wanted: BTreeMap<&'static str, Wanted>,
    store: BTreeMap<(String, String), Vec<u8>>,
    waiting: std::collections::VecDeque<(Vec<Resource>, Receipt)>,
    talk: Conversation,
}

impl Client {
    fn new() -> Self {
        let mut client = Self {
            sink: Sink::new(),
            wanted: BTreeMap::new(),
            store: BTreeMap::new(),
            waiting: std::collections::VecDeque::new(),
            talk: Conversation::new(),
        };
        for kind in KINDS {
            let wanted = if kind == type_url::ENDPOINT { Wanted::names(["a"]) } else { Wanted::everything() };
            client.want(kind, wanted);
        }
        client
    }

    fn want(&mut self, kind: &'static str, wanted: Wanted) {
        if let Some(request) = self.sink.want(kind, wanted.clone()) {
            self.talk.hear(request.into());
        }
        self.store.retain(|(k, name), _| k != kind || wanted.admits(name));
        self.wanted.insert(kind, wanted);
    }

    fn pump(&mut self, world: &mut World) {
        for push in self.talk.pushes(world) {
            self.waiting.push_back(self.sink.read(push.into_delta("test")));
        }
    }

    fn answer(&mut self, is_good: bool) {
        let Some((changed, receipt)) = self.waiting.pop_front() else { return };
        let request = self.sink.settle(&receipt, &[], (!is_good).then_some("no"));
        if is_good {
            for name in &receipt.removed {
                self.store.remove(&(receipt.type_url.clone(), name.clone()));
            }
            for resource in changed.into_iter().filter(|r| self.wanted[&*receipt.type_url].admits(&r.name)) {
                self.store.insert((receipt.type_url.clone(), resource.name.to_string()), resource.body.value);
            }
        }
        self.talk.hear(request.into());
    }

    fn reconnect(&mut self) {
        self.talk = Conversation::new();
        self.waiting.clear();
        for request in self.sink.opening() {
            self.talk.hear(request.into());
        }
    }
}

fn expected(world: &World, wanted: &BTreeMap<&'static str, Wanted>) -> BTreeMap<(String, String), Vec<u8>> {
    let all = world.0.iter().flat_map(|(kind, names)| names.iter().map(move |(name, content)| (*kind, name, content)));
    let seen = all.filter(|(kind, name, _)| wanted[kind].admits(name));
    seen.map(|(kind, name, content)| ((kind.to_owned(), name.clone()), content.clone().into_bytes())).collect()
}

proptest! {
    #[test]
    fn the_client_ends_up_with_the_world(steps in proptest::collection::vec(step(), 0..40)) {
        let mut world = KINDS.iter().fold(World::default(), |w, kind| w.with(kind, "a", "0"));
        let mut client = Client::new();
        for step in steps {
            match step {
                Step::Set { kind, name, content } => {
                    world = world.with(KINDS[kind], NAMES[name], &content.to_string());
                    client.talk.world_changed();
                }
                Step::Remove { kind, name } => {
                    world = world.without(KINDS[kind], NAMES[name]);
                    client.talk.world_changed();
                }
                Step::Names { kind, names } if KINDS[kind] == type_url::ENDPOINT => {
                    client.want(KINDS[kind], Wanted::names(names.into_iter().map(|n| NAMES[n])));
                }
                Step::Names { .. } => {}
                Step::Answer { is_good } => client.answer(is_good),
                Step::Reconnect => client.reconnect(),
            }
            client.pump(&mut world);
            let mut in_flight: Vec<&str> = client.waiting.iter().map(|(_, receipt)| receipt.type_url.as_str()).collect();
            let count = in_flight.len();
            in_flight.sort_unstable();
            in_flight.dedup();
            prop_assert_eq!(count, in_flight.len(), "one response of a type at a time");
        }
        // A refused resource is not sent again on its stream; a new stream brings it.
        client.reconnect();
        client.pump(&mut world);
        while !client.waiting.is_empty() {
            client.answer(true);
            client.pump(&mut world);
        }
        prop_assert_eq!(client.store, expected(&world, &client.wanted));
    }
}
