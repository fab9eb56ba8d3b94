use std::path::Path;

use super::{Catalogue, ImageError, split};

fn catalogue(file: Option<&Path>) -> Catalogue {
    Catalogue::load(file, Path::new("/opt/localkube/bin")).unwrap()
}

#[test]
fn references() {
    let parts = |reference: &str| split(reference);
    let named = |name: &str, tag: &str| Some((name.to_owned(), tag.to_owned()));
    assert_eq!(
        parts("docker.io/istio/examples-bookinfo-details-v1:1.20.2"),
        named("istio/examples-bookinfo-details-v1", "1.20.2")
    );
    assert_eq!(parts("curlimages/curl"), named("curlimages/curl", "latest"));
    assert_eq!(parts("docker.io/library/busybox:1"), named("busybox", "1"));
    assert_eq!(parts("localhost:5000/a/b"), named("a/b", "latest"));
    assert_eq!(parts("x@sha256:00ff"), named("x", "sha256:00ff"));
    for wrong in ["", "UPPER", "a//b", "a:", "a b", "docker.io/", ":x"] {
        assert_eq!(parts(wrong), None, "{wrong}");
    }
}

#[test]
fn upstream_bookinfo_is_known() {
    let catalogue = catalogue(None);
    let reviews = catalogue.resolve("docker.io/istio/examples-bookinfo-reviews-v3:1.20.2").unwrap();
    assert_eq!(reviews.entrypoint, ["/app/reviews"]);
    assert_eq!(reviews.mounts[0].source, Path::new("/opt/localkube/bin/reviews"));
    assert_eq!(reviews.env["STAR_COLOR"], "red");
    assert_eq!((reviews.uid, reviews.gid), (1000, 0));
    assert!(reviews.id.starts_with("istio/examples-bookinfo-reviews-v3@sha256:"));
    for (image, name, value) in [
        ("ratings-v-faulty", "SERVICE_VERSION", "v-faulty"),
        ("ratings-v2", "SERVICE_VERSION", "v2"),
        ("details-v2", "ENABLE_EXTERNAL_BOOK_SERVICE", "true"),
        ("productpage-v-flooding", "FLOOD_FACTOR", "100"),
    ] {
        let image = catalogue.resolve(&format!("docker.io/istio/examples-bookinfo-{image}:1.20.2")).unwrap();
        assert_eq!(image.env[name], value);
    }
    let shell = catalogue.resolve("busybox:1.36").unwrap();
    assert_eq!((shell.args.as_slice(), shell.mounts.len()), (["/bin/sh".to_owned()].as_slice(), 0));
}

#[test]
fn an_unknown_image_says_how_to_add_it() {
    let error = catalogue(None).resolve("ghcr.io/acme/shop:v2").unwrap_err();
    assert!(matches!(error, ImageError::Unknown { .. }));
    let text = error.to_string();
    assert!(text.contains("- name: acme/shop") && text.contains("--images FILE"), "{text}");
}

#[test]
fn own_entries_come_first_and_wrong_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("images.yaml");
    std::fs::write(&file, "images:\n- name: busybox\n  tag: 'v*'\n  entrypoint: [/srv/box, run]\n").unwrap();
    let own = catalogue(Some(&file));
    assert_eq!(own.resolve("busybox:v7").unwrap().entrypoint, ["/app/box", "run"]);
    assert_eq!(own.resolve("busybox:1").unwrap().entrypoint, Vec::<String>::new());
    std::fs::write(&file, "images:\n- name: x\n  user: bob\n").unwrap();
    let error = Catalogue::load(Some(&file), Path::new("/")).unwrap_err().to_string();
    assert!(error.contains("image x: user \"bob\""), "{error}");
    std::fs::write(&file, "images:\n- name: x\n  programm: y\n").unwrap();
    assert!(Catalogue::load(Some(&file), Path::new("/")).unwrap_err().to_string().contains("programm"));
}
