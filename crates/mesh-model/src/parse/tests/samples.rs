//! Upstream's samples, unmodified, from the folder that `LATEEN_UPSTREAM` names.

use std::path::{Path, PathBuf};

use super::{ParseContext, lines, parse};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn upstreams_samples_are_accepted() {
    let Some(upstream) = std::env::var_os("LATEEN_UPSTREAM") else {
        println!("not run: LATEEN_UPSTREAM does not name the folder of upstream's files");
        return;
    };
    let mut paths = Vec::new();
    files(&Path::new(&upstream).join("istio-1.25.1/samples"), &mut paths);
    let mut read = 0;
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let documents: Vec<serde_json::Value> =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for document in documents.iter().filter(|d| istio_api::kind_of(d).is_some()) {
            let result = parse(document, &ParseContext::default());
            let parsed = result.unwrap_or_else(|issues| panic!("{}\n{}", path.display(), lines(&issues)));
            let unknown: Vec<_> = parsed.warnings.iter().filter(|w| w.reason == "unknown field").collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
            read += 1;
        }
    }
    assert!(read > 40, "only {read} objects of Istio were found");
}
