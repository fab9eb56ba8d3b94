use super::*;
use crate::measure::Memory;

fn figures(kind: Kind, cpu: f64, idle: f64) -> Figures {
    let rounds = [cpu * 3.0, cpu, cpu / 3.0].map(|cpu| Round { cpu, rate: 1000.0 });
    let memory = Memory { idle, dumped: Some(idle + 1.0), connected: idle + 11.0 };
    Figures { kind, memory, http1: rounds.to_vec(), http2: rounds.to_vec() }
}

#[test]
fn medians_are_judged() {
    let holds = |cpu, idle| {
        let all = [figures(Kind::Envoy, 40.0, 64.0), figures(Kind::Lateen, cpu, idle)];
        verdicts(&all).iter().map(Verdict::holds).collect::<Vec<_>>()
    };
    assert_eq!(holds(20.0, 10.0), [true, true, true, true]);
    assert_eq!(holds(20.1, 11.5), [false, false, true, false]);
    assert!(verdicts(&[figures(Kind::Hyper, 1.0, 1.0)]).is_empty());
}

#[test]
fn the_table_names_each_and_compares_with_envoy() {
    let text = table(&[figures(Kind::Envoy, 40.0, 64.0), figures(Kind::Hyper, 10.0, 4.0)]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 9);
    let cells: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(cells, ["hyper", "10.0", "3.3", "30.0", "0.25", "100000", "1000"]);
    assert_eq!(lines[8].split_whitespace().collect::<Vec<_>>(), ["hyper", "4.0", "5.0", "15.0", "10.2"]);
}

#[test]
fn pairs_are_compared_with_pairs_and_not_judged() {
    let all = [(Kind::Envoy, 40.0), (Kind::EnvoyPair, 80.0), (Kind::LateenPair, 20.0)];
    let text = table(&all.map(|(kind, cpu)| figures(kind, cpu, 11.0)));
    let pair = text.lines().nth(3).unwrap_or_default();
    assert!(pair.starts_with("lateen pair ") && pair.contains(" 0.25 "), "{text}");
    assert!(verdicts(&all.map(|(kind, cpu)| figures(kind, cpu, 11.0))).is_empty());
}
