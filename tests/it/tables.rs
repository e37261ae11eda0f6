//! Tables and exports of results that are made up: every state of a cell, in every format, as golden files.
//!
//! `GRIDSWEEP_GOLDEN=write cargo test --test it tables` writes the files anew; look at every line that changes.

use crate::support::{Place, fails, gridsweep, stdout};
use crate::synthetic::{self, Fate};
use gridsweep_common::choice::Value;
use gridsweep_common::trial::TrialSpec;
use std::path::PathBuf;

const SWEEP: &str = include_str!("../golden/states.toml");

/// What became of the replicates of a cell, by its coefficient.
const FATES: [(f64, [Fate; 3]); 7] = [
    (100.0, [Fate::Cancelled, Fate::Pending, Fate::Running]),
    (10.0, [Fate::Diverged; 3]),
    (1.0, [Fate::Succeeded, Fate::Diverged, Fate::Succeeded]),
    (0.1, [Fate::Failed, Fate::Quarantined, Fate::Failed]),
    (0.01, [Fate::Succeeded, Fate::Running, Fate::Pending]),
    (0.001, [Fate::Failed, Fate::Succeeded, Fate::Succeeded]),
    (0.0001, [Fate::Succeeded; 3]),
];

fn fate(_: u64, spec: &TrialSpec) -> Fate {
    let coefficient = spec.choices.get("coefficient").and_then(Value::as_number);
    let fates = FATES.iter().find(|(of, _)| Some(*of) == coefficient);
    fates.map_or(Fate::Succeeded, |(_, fates)| fates[spec.seed.replicate as usize])
}

/// Returns a place with a state folder that has the sweep.
fn place() -> Place {
    let place = Place::new();
    synthetic::write(&place.path("state"), SWEEP, 40, fate);
    place
}

/// Compares a text with a golden file, or writes the file where that is asked for.
fn golden(name: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect();
    if std::env::var_os("GRIDSWEEP_GOLDEN").is_some_and(|what| what == "write") {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{} is not what is printed:\n{text}", path.display());
}

#[test]
fn tables_show_every_state_in_every_format() {
    let place = place();
    let state = place.path("state");
    for (format, file) in [
        ("table", "states.txt"),
        ("md", "states.md"),
        ("csv", "states.csv"),
        ("json", "states.json"),
        ("latex", "states.tex"),
        ("html", "states.html"),
    ] {
        let table = || stdout(gridsweep(&state).args(["table", "states", "--format", format]));
        let text = table();
        golden(file, &text);
        assert_eq!(text, table(), "the same bytes again");
        for word in ["diverged", "failed", "baseline"] {
            assert!(format == "csv" || text.contains(word), "{format} does not say {word}");
        }
    }
}

#[test]
fn tables_are_turned_and_compared_as_the_command_line_asks() {
    let place = place();
    let asked = ["--rows", "activation", "--columns", "hidden", "--cells", "min_validation_loss,sparsity"];
    let mut command = gridsweep(&place.path("state"));
    let text = stdout(command.args(["table", "states", "grid"]).args(asked).args(["--baseline", "hidden=8"]));
    golden("asked.txt", &text);
}

#[test]
fn what_a_table_cannot_show_is_a_wrong_command_line() {
    let place = place();
    let cases: [(&[&str], &[&str]); 7] = [
        (&["states", "--rows", "regulariser"], &["study \"states\"", "did you mean `regularizer`?"]),
        (&["--rows", "coefficient"], &["study \"grid\"", "name one study: gridsweep table states STUDY"]),
        (&["states", "--cells", "test_acuracy"], &["unknown metric", "did you mean `test_accuracy`?"]),
        (&["states", "--baseline", "regularizer=l3"], &["never l3", "did you mean `l1`?"]),
        (&["states", "--baseline", "activation=relu"], &["not varied", "`regularizer`"]),
        (&["grid", "--rows", "hidden", "--columns", "hidden"], &["`hidden` is asked for twice"]),
        (&["nothing"], &["has no study \"nothing\"", "it has: grid, states"]),
    ];
    for (arguments, says) in cases {
        fails(&place, &[&["table", "states"], arguments].concat(), 2, says);
    }
}

#[test]
fn exports_of_every_kind_have_a_row_each_in_every_form() {
    let place = place();
    let state = place.path("state");
    let export = |what: &str, format: &str| {
        let file = place.path(&format!("{what}.{format}"));
        let mut command = gridsweep(&state);
        command.args(["export", "states", "--what", what, "--format", format, "--out"]).arg(&file);
        assert_eq!(stdout(&mut command), "", "a file is written and nothing printed");
        std::fs::read(file).unwrap()
    };
    let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    for what in ["trials", "epochs", "cells", "attempts"] {
        let jsonl = export(what, "jsonl");
        let printed = stdout(gridsweep(&state).args(["export", "states", "--what", what]));
        assert!(printed.as_bytes() == jsonl && lines(&jsonl) > 5, "{what}");
        assert_eq!(lines(&export(what, "csv")), lines(&jsonl) + 1, "{what}");
        let parquet = export(what, "parquet");
        assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"), "{what}");
        assert!(!place.path(&format!("{what}.parquet.partial")).exists());
    }
    let cells = stdout(gridsweep(&state).args(["export", "states", "--what", "cells", "--format", "csv"]));
    golden("cells.csv", &cells);
    fails(
        &place,
        &["export", "states", "--what", "cells", "--out", "no/such/folder/x"],
        2,
        &["cannot write"],
    );
}
