use super::*;

#[test]
fn bounds_rise_and_are_written_as_they_are() {
    assert!(BOUNDS.is_sorted_by(|(a, _), (b, _)| a < b));
    for (bound, text) in BOUNDS {
        let written: f64 = text.parse().unwrap();
        assert!((written * 1000.0 - f64::from(u32::try_from(bound).unwrap())).abs() < f64::EPSILON, "{text}");
    }
}

#[test]
fn a_value_at_a_bound_is_within_it() {
    let histogram = Histogram::default();
    for value in [0, 500, 501, 1_000, 1_001, 3_600_000_000, 3_600_000_001] {
        histogram.count(value);
    }
    let below = histogram.cumulated();
    assert_eq!(below[..4], [2, 4, 5, 5]);
    assert_eq!(below[17..], [5, 6, 7]);
    assert_eq!(histogram.sum(), 7_200_003_003);
}

#[test]
fn an_empty_histogram_is_all_zeros() {
    assert_eq!(Histogram::default().cumulated(), [0; 20]);
}
