use super::*;

#[test]
fn paths_get_one_form() {
    let base = PathForm { normalize: true, ..PathForm::default() };
    let merge = PathForm { merge_slashes: true, ..base };
    let decode = PathForm { escaped_slashes: EscapedSlashes::Undo, ..merge };
    let cases = [
        (PathForm::default(), "/a/../b", Some("/a/../b")),
        (base, "/a/b", Some("/a/b")),
        (base, "/a/../b", Some("/b")),
        (base, "/a/./b/.", Some("/a/b/")),
        (base, "/a/b/..", Some("/a/")),
        (base, "/../a", None),
        (base, "/%61dmin", Some("/admin")),
        (base, "/a%2fb", Some("/a%2Fb")),
        (base, "/a\\b", Some("/a/b")),
        (base, "/%2e%2e/a", None),
        (base, "/a//b", Some("/a//b")),
        (base, "/100%", Some("/100%")),
        (merge, "/a///b", Some("/a/b")),
        (decode, "/a%2Fb%5c..", Some("/a/")),
        (base, "/%%34%31", Some("/A")),
        (base, "/%2541", Some("/%2541")),
        (base, "/a/%2%65%2%65/b", Some("/b")),
        (decode, "/a%%32%46b", Some("/a/b")),
    ];
    for (form, path, wanted) in cases {
        assert_eq!(form.apply(path).as_deref(), wanted, "{path} in {form:?}");
    }
}
