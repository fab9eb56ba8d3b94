use super::*;

#[test]
fn the_colour_of_stars_is_read_from_the_first_review() {
    let rated = |rating: &str| format!(r#"{{"reviews": [{{"reviewer": "Reviewer1", "text": "..."{rating}}}]}}"#);
    assert_eq!(stars(&rated("")).unwrap(), "none");
    assert_eq!(stars(&rated(r#", "rating": {"stars": 5, "color": "red"}"#)).unwrap(), "red");
}

#[test]
fn an_error_in_place_of_reviews_is_told() {
    assert!(stars("nothing").unwrap_err().to_string().contains("no JSON"));
    assert!(stars(r#"{"error": "unavailable"}"#).unwrap_err().to_string().contains("no reviews"));
    let broken = r#"{"reviews": [{"rating": {"error": "Ratings service is currently unavailable"}}]}"#;
    assert!(stars(broken).unwrap_err().to_string().contains("without colour"));
}
