//! Whether gridsweep learns what Keras learns: every cell of `tests/numeric/keras.json` is trained by the real binary and
//! compared by Welch's interval of the difference. `tests/numeric/README.md` has the rule, the commands and the outcome.
//!
//! The two trainings take minutes and are run only when they are asked for.

mod numeric {
    pub(crate) mod compare;
    pub(crate) mod reference;
    pub(crate) mod sweep;
    pub(crate) mod trials;
}

use numeric::compare::{compare, disagreement, table};
use numeric::reference::{Cell, read_reference};
use numeric::{sweep, trials};
use std::io::Write;
use std::path::PathBuf;

/// The cells that train for the fewest epochs. Among them are L1, L2 and dropout, relu and sigmoid.
const QUICKEST: [&str; 3] = ["l2-1", "sig", "drop-2"];

#[test]
#[ignore = "trains for two minutes"]
fn quickest_cells_agree_with_keras() {
    agree(
        "keras-quickest",
        read_reference().into_iter().filter(|cell| QUICKEST.contains(&&*cell.name)).collect(),
    );
}

#[test]
#[ignore = "trains for ten to fifteen minutes"]
fn all_cells_agree_with_keras() {
    agree("keras", read_reference());
}

/// Trains the cells of the reference and compares.
fn agree(name: &str, reference: Vec<Cell>) {
    let names: Vec<&str> = reference.iter().map(|cell| &*cell.name).collect();
    let temporary = tempfile::tempdir().expect("a folder for the trials");
    let kept = std::env::var_os("GRIDSWEEP_NUMERIC_STATE").map(PathBuf::from);
    let ours = trials::train(
        &sweep::only(&sweep::text(), name, &names),
        name,
        temporary.path(),
        &kept.unwrap_or_else(|| temporary.path().join("state")),
    );
    let comparisons = compare(&ours, &reference);
    // Not by a macro of the test harness's: it would keep the table to itself unless the test fails.
    let mut terminal = std::io::stderr();
    terminal.write_all(format!("\n{}\n", table(&comparisons)).as_bytes()).expect("the table is printed");
    assert_eq!(disagreement(&comparisons), None);
}

#[test]
fn every_cell_of_the_reference_has_a_study_with_its_choices_and_no_other_study_is_there() {
    let reference = read_reference();
    let studies = sweep::cells(&sweep::text());
    let names = |cells: &[(&str, _)]| {
        let mut names: Vec<String> = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.sort();
        names
    };
    let expected: Vec<_> = reference.iter().map(|cell| (&*cell.name, &cell.choices)).collect();
    let found: Vec<_> = studies.iter().map(|(name, choices)| (&**name, choices)).collect();
    assert_eq!(names(&found), names(&expected));
    for (name, wanted) in expected {
        let (_, has) = found.iter().find(|(study, _)| *study == name).expect("the names are the same");
        for (setting, value) in wanted.iter() {
            assert_eq!(has.get(setting), Some(value), "{setting} of {name}");
        }
    }
}

#[test]
fn the_quickest_cells_are_those_with_the_fewest_epochs() {
    let mut reference = read_reference();
    let epochs = |cell: &Cell| -> f64 {
        let values = &cell.measured.iter().find(|(metric, _)| metric == "epochs").expect("it is measured").1;
        values.iter().sum::<f64>() / values.len() as f64
    };
    reference.sort_by(|a, b| epochs(a).total_cmp(&epochs(b)));
    let names: Vec<&str> = reference.iter().map(|cell| &*cell.name).take(3).collect();
    assert_eq!(names, QUICKEST);
}
