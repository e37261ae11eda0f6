//! The sweep that trains the cells of the reference: `keras.toml`, or some of its studies.

use gridsweep_common::choice::Choices;
use gridsweep_common::spec::{self, Sweep};
use gridsweep_engine::catalogue;
use toml_edit::{DocumentMut, Table, value};

/// Returns `keras.toml`.
pub(crate) fn text() -> String {
    include_str!("keras.toml").to_owned()
}

/// Returns the sweep under another name, with these of its studies alone.
pub(crate) fn only(text: &str, name: &str, studies: &[&str]) -> String {
    let mut document: DocumentMut = text.parse().unwrap_or_else(|error| panic!("{error}"));
    document["name"] = value(name);
    let all = document["study"].as_array_of_tables_mut().expect("a sweep has studies");
    let is_wanted = |study: &Table| {
        study.get("name").and_then(|name| name.as_str()).is_some_and(|name| studies.contains(&name))
    };
    all.retain(is_wanted);
    assert_eq!(all.len(), studies.len(), "there is a study for each of {studies:?}");
    document.to_string()
}

/// Returns every study's name with the choices of its only cell.
pub(crate) fn cells(text: &str) -> Vec<(String, Choices)> {
    let sweep = parse(text);
    let cell = |index: usize| {
        let grid = sweep.grid().study(index);
        let name = sweep.studies[index].name.clone();
        assert_eq!(grid.cells(), 1, "{name} is one cell");
        (name, grid.cell(0).expect("it has a cell"))
    };
    (0..sweep.studies.len()).map(cell).collect()
}

/// Returns how many trials each cell has.
pub(crate) fn replicates(text: &str) -> usize {
    parse(text).replicates.count as usize
}

fn parse(text: &str) -> Sweep {
    let problems = |problems: Vec<spec::Problem>| -> String {
        problems.iter().map(|problem| problem.render("keras.toml", text)).collect()
    };
    spec::parse(text, &catalogue()).map_err(problems).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn some_studies_are_the_same_cells_under_another_name() {
    let some = only(&text(), "some", &["sig", "l2-1"]);
    assert_eq!(parse(&some).name, "some");
    assert_eq!(replicates(&some), replicates(&text()));
    let wanted: Vec<_> =
        cells(&text()).into_iter().filter(|(name, _)| ["sig", "l2-1"].contains(&&**name)).collect();
    assert_eq!(cells(&some), wanted);
    assert_eq!(wanted.len(), 2);
}

#[test]
#[should_panic(expected = "there is a study for each of")]
fn a_study_that_is_not_there_is_not_left_out_silently() {
    only(&text(), "some", &["sig", "l3-1"]);
}
