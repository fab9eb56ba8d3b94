use super::*;

fn answer(status: u16, body: &'static str, hops: &[&'static str]) -> Answer {
    let mut headers = HeaderMap::new();
    for hop in hops {
        headers.append(SERVED_BY, hop.parse().unwrap());
    }
    Answer { status: StatusCode::from_u16(status).unwrap(), body: body.into(), headers, cause: String::new() }
}

fn page(details: &Answer, reviews: &Answer) -> BookPage {
    let pod = Some("productpage-v1-a".to_owned());
    let identity = Identity { service: "productpage", version: "v1".to_owned(), pod };
    BookPage::new(None, &identity, details, reviews)
}

fn html(reviews: &'static str) -> String {
    page(&answer(500, "{}", &[]), &answer(200, reviews, &[])).render().unwrap()
}

#[test]
fn shows_stars_in_their_colour() {
    let html = html(
        r#"{"reviews": [{"reviewer": "R", "text": "T", "rating": {"stars": 3, "color": "red"}},
            {"reviewer": "S", "text": "U", "rating": {"stars": 9, "color": "black"}}]}"#,
    );
    assert_eq!(html.matches("star full").count(), 8);
    assert_eq!(html.matches("star empty").count(), 2);
    assert!(html.contains(r#"aria-label="3 of 5 stars" data-color="red" style="color: red""#), "{html}");
    assert!(html.contains(r#"data-color="black" style="color: black""#), "{html}");
}

#[test]
fn shows_no_stars_where_there_are_none() {
    let html = html(
        r#"{"reviews": [{"reviewer": "R", "text": "T"},
            {"reviewer": "S", "text": "U", "rating": {"error": "Ratings service is currently unavailable"}},
            {"reviewer": "V", "text": "W", "rating": {}}]}"#,
    );
    assert_eq!(html.matches("star full").count(), 0);
    assert_eq!(html.matches(r#"class="no-rating""#).count(), 2);
    assert!(html.contains("Ratings service is currently unavailable"), "{html}");
}

#[test]
fn what_comes_from_others_stays_text() {
    let html = html(
        r#"{"reviews": [{"reviewer": "<script>", "text": "<b>", "rating": {"stars": 1, "color": "red;x:url(//e)"}}]}"#,
    );
    assert!(!html.contains("<script>") && !html.contains("<b>\n") && html.contains("&#60;script&#62;"), "{html}");
    assert!(html.contains(r#"style="color: black""#) && !html.contains("url("), "{html}");
}

#[test]
fn an_answer_that_is_not_understood_is_a_box() {
    for body in ["[]", "{}", r#"{"reviews": 1}"#] {
        let html = html(body);
        assert!(html.contains("Error fetching product reviews!") && html.contains("was not understood"), "{html}");
    }
}

#[test]
fn external_details_may_lack_facts() {
    let details = answer(200, r#"{"author": "W. S.", "year": "2002", "pages": 96, "publisher": null}"#, &[]);
    let Part::Shown(facts) = page(&details, &answer(500, "{}", &[])).details else { panic!("no facts") };
    let expected = [("Author", "W. S."), ("Year", "2002"), ("Pages", "96")];
    assert_eq!(facts, expected.map(|(label, value)| (label, value.to_owned())));
}

#[test]
fn lists_who_answered() {
    let details = answer(200, "{}", &["details v1 details-v1-b"]);
    let reviews =
        answer(200, r#"{"podname": "x", "reviews": []}"#, &["reviews v3 reviews-v3-c", "ratings v1 ratings-v1-d", "?"]);
    let hops = page(&details, &reviews).hops;
    let names: Vec<_> = hops.iter().map(|hop| format!("{}/{}/{}", hop.service, hop.version, hop.pod)).collect();
    let expected = [
        "productpage/v1/productpage-v1-a",
        "details/v1/details-v1-b",
        "reviews/v3/reviews-v3-c",
        "ratings/v1/ratings-v1-d",
    ];
    assert_eq!(names, expected);
}

#[test]
fn an_image_that_is_not_ours_tells_its_pod_in_the_json() {
    let reviews = answer(200, r#"{"podname": "reviews-v2-5c757d5846-x", "reviews": []}"#, &[]);
    let hop = page(&answer(500, "{}", &[]), &reviews).hops.pop().unwrap();
    assert_eq!((hop.version.as_str(), hop.pod.as_str()), ("v2", "reviews-v2-5c757d5846-x"));
    let unnamed = answer(200, r#"{"podname": "null", "reviews": []}"#, &[]);
    assert_eq!(page(&answer(500, "{}", &[]), &unnamed).hops.len(), 1);
}
