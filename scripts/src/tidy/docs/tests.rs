use super::*;

fn whats(pages: &[(&str, &str)]) -> Vec<String> {
    let texts: Vec<Text> =
        pages.iter().map(|(path, text)| Text { path: (*path).to_owned(), text: (*text).to_owned() }).collect();
    check(&texts).into_iter().map(|f| format!("{}:{}: {}", f.file, f.line, f.what)).collect()
}

#[test]
fn links_to_files_folders_and_headings_resolve() {
    let a = "[b](docs/b.md) [folder](docs) [up](docs/b.md#the-way-to-go) [here](#a-page) [web](https://x.example/#q)\n# A `page`\n";
    assert_eq!(whats(&[("a.md", a), ("docs/b.md", "# The way, to go\n[a](../a.md)\n")]), [""; 0]);
}

#[test]
fn a_link_to_nothing_is_found() {
    assert_eq!(whats(&[("docs/a.md", "text\n[b](b.md)\n")]), ["docs/a.md:2: the link `b.md` leads nowhere"]);
}

#[test]
fn an_anchor_without_heading_is_found() {
    assert_eq!(whats(&[("a.md", "# One\n[b](#two)\n")]), ["a.md:2: the link `#two` names no heading"]);
}

#[test]
fn code_is_no_link() {
    assert_eq!(whats(&[("a.md", "`[x](y)` and\n```\n[x](y)\n# not a heading\n```\n")]), [""; 0]);
}
