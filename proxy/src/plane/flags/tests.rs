use super::*;

fn of(flags: &[Flags]) -> Flags {
    let mut set = Flags::default();
    flags.iter().for_each(|flag| set.set(*flag));
    set
}

#[test]
fn each_flag_has_one_name() {
    let names: Vec<String> = (0..17).map(|bit| Flags(1 << bit).to_string()).collect();
    assert_eq!(
        names,
        ["NR", "NC", "UH", "UF", "UC", "UO", "UT", "URX", "UR", "DC", "DI", "FI", "DPE", "UPE", "SI", "DT", "DF"]
    );
    assert_eq!(Flags::NAMES.len(), 17);
}

#[test]
fn none_is_a_dash() {
    assert_eq!(Flags::default().to_string(), "-");
}

#[test]
fn several_stand_in_envoys_order() {
    let set = of(&[Flags::RETRY_LIMIT, Flags::NO_CLUSTER, Flags::UPSTREAM_FAILURE, Flags::DELAY_INJECTED]);
    assert_eq!(set.to_string(), "UF,DI,URX,NC");
    assert_eq!(Flags(u32::MAX).to_string(), "UH,UT,UR,UF,UC,UO,NR,DI,FI,DC,URX,SI,DPE,DT,UPE,NC,DF");
}

#[test]
fn has_wants_all_of_them() {
    let set = of(&[Flags::UPSTREAM_FAILURE, Flags::RETRY_LIMIT]);
    assert!(set.has(Flags::UPSTREAM_FAILURE));
    assert!(set.has(of(&[Flags::RETRY_LIMIT, Flags::UPSTREAM_FAILURE])));
    assert!(!set.has(of(&[Flags::RETRY_LIMIT, Flags::NO_ROUTE])));
    assert!(!Flags::default().has(Flags::NO_ROUTE));
}

#[test]
fn the_same_flag_twice_is_once() {
    assert_eq!(of(&[Flags::NO_ROUTE, Flags::NO_ROUTE]), Flags::NO_ROUTE);
}
