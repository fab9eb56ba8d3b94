use super::*;

fn endpoints(numbers: impl Iterator<Item = usize>) -> Vec<Endpoint> {
    numbers.map(|n| Endpoint { addresses: vec![format!("10.0.0.{n}")], ..Endpoint::default() }).collect()
}

fn addresses(slice: &[Endpoint]) -> Vec<&str> {
    slice.iter().map(|endpoint| endpoint.addresses[0].as_str()).collect()
}

#[test]
fn an_endpoint_stays_where_it_is_and_gaps_are_filled() {
    let before = vec![endpoints(0..3), endpoints(3..5)];
    let wanted = endpoints([1, 3, 4, 7].into_iter());
    let after = pack(before, wanted);
    assert_eq!(addresses(&after[0]), ["10.0.0.1", "10.0.0.7"]);
    assert_eq!(addresses(&after[1]), ["10.0.0.3", "10.0.0.4"]);
}

#[test]
fn a_slice_holds_a_hundred_and_no_more() {
    let sizes: Vec<usize> = pack(Vec::new(), endpoints(0..230)).iter().map(Vec::len).collect();
    assert_eq!(sizes, [100, 100, 30]);
    assert_eq!(pack(Vec::new(), Vec::new()), [Vec::new()]);
}
