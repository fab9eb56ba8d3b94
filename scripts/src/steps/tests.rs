use super::*;

#[test]
fn an_error_names_its_step_and_the_table_still_has_it() {
    let mut steps = Steps::default();
    steps.run("good", || Ok(())).unwrap();
    let error = steps.run("bad", || -> Result<()> { anyhow::bail!("why") }).unwrap_err();
    assert_eq!(format!("{error:#}"), "step `bad` failed: why");
    assert!(steps.table().contains("\nbad  "), "{}", steps.table());
}

#[test]
fn the_table_ends_with_the_sum() {
    let done = [("tidy", Duration::from_millis(500)), ("clippy", Duration::from_secs(90))];
    assert_eq!(table(&done), "tidy             0.5 s\nclippy          90.0 s\nin all          90.5 s\n");
}
