use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

#[test]
fn who_signs_in_is_the_user_of_the_next_request() {
    for name in ["jason", "José", "a; b=c", "\"quoted\""] {
        let cookie = sign_in(name);
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        assert_eq!(user(&headers(&[("cookie", pair)])).as_deref(), Some(name));
        assert_eq!(
            user(&headers(&[("cookie", "x=1"), ("cookie", &format!("y=2; {pair}; z=3"))])).as_deref(),
            Some(name)
        );
    }
}

#[test]
fn a_name_that_cannot_be_one_signs_out() {
    for name in ["", "  ", "line\nbreak", &"x".repeat(65)] {
        assert_eq!(sign_in(name), sign_out(), "{name:?}");
    }
}

#[test]
fn cookies_of_the_original_are_read_and_broken_ones_are_nobody() {
    let session = |value: &str| user(&headers(&[("cookie", &format!("session={value}"))]));
    assert_eq!(session("eyJ1c2VyIjoiamFzb24ifQ.ZdXx1A.c2lnbmF0dXJl").as_deref(), Some("jason"));
    for broken in ["", "jason", "e30", ".eJyrVi", "eyJ1c2VyIjoxfQ", "%%%"] {
        assert_eq!(session(broken), None, "{broken}");
    }
    assert_eq!(user(&HeaderMap::new()), None);
}

#[test]
fn the_way_back_never_leads_to_another_host() {
    for (referrer, location) in [
        ("http://shop.example/productpage?u=normal", "/productpage?u=normal"),
        ("https://elsewhere.example/prefix/productpage", "/prefix/productpage"),
        ("http://shop.example//evil.example/", "productpage"),
        ("http://shop.example/logout", "productpage"),
        ("not an address", "productpage"),
    ] {
        assert_eq!(back(&headers(&[("referer", referrer)])), location, "{referrer}");
    }
    assert_eq!(back(&HeaderMap::new()), "productpage");
}
