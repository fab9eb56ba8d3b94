//! The head of a request: its path gets one form, and what decisions read of it is there.

use std::borrow::Cow;

use mesh_snapshot::{EscapedSlashes, PathForm};

use crate::{
    request::{REQUESTS, Request},
    see,
};

/// Nothing panics; and a path in its form has no other spelling left, or a second proxy would see another path.
pub(crate) fn run(bytes: &[u8]) {
    let Some(request) = Request::read(bytes) else { return };
    let head = request.head();
    see((head.is_grpc(), head.cookie("c")));
    assert!(head.authority.starts_with(head.host()), "a host is a part of its authority");
    for name in ["k", "", "a=b"] {
        if let (Some(value), Some(query)) = (head.query_parameter(name), head.query) {
            assert!(query.contains(value), "a parameter is a part of its query");
        }
    }
    for bits in 0..4_u8 {
        for escaped_slashes in [EscapedSlashes::Keep, EscapedSlashes::Reject, EscapedSlashes::Undo] {
            let form = PathForm { normalize: bits & 1 != 0, merge_slashes: bits & 2 != 0, escaped_slashes };
            one_form(form, &request.path);
        }
    }
}

fn one_form(form: PathForm, path: &str) {
    let Some(once) = form.apply(path) else { return };
    let twice = form.apply(&once).map(Cow::into_owned);
    assert_eq!(twice.as_deref(), Some(once.as_ref()), "{path:?} has two forms under {form:?}");
    let has = |part: &str| once.contains(part);
    assert!(!(form.merge_slashes && has("//")), "{once:?} under {form:?}");
    if form.normalize && once.starts_with('/') {
        let up = once.split('/').any(|segment| segment == "." || segment == "..");
        assert!(!up && !has("\\"), "{once:?} under {form:?}");
    }
    if form.escaped_slashes == EscapedSlashes::Undo {
        let lower = once.to_ascii_lowercase();
        assert!(!lower.contains("%2f") && !lower.contains("%5c"), "{once:?} under {form:?}");
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    REQUESTS.iter().map(|request| request.as_bytes().to_vec()).collect()
}
