//! Figures of results that are made up: every kind, with every state of a cell, as golden files. `src/picture.rs` looks for
//! texts in them that are cut off or stand on one another.
//!
//! `GRIDSWEEP_GOLDEN=write cargo test --test it figures` writes the files anew; look at every picture that changes.

use crate::support::{Place, fails, gridsweep, stdout};
use crate::tables::{golden, place};

/// Study, kind and further options of each golden file.
const FIGURES: [(&str, &[&str]); 11] = [
    ("curves.svg", &["states", "--kind", "curves"]),
    ("confusion.svg", &["grid", "--kind", "confusion", "--where", "activation=relu"]),
    ("weights.svg", &["grid", "--kind", "weights", "--cell", "best"]),
    (
        "lines.svg",
        &["states", "--kind", "lines", "--x", "coefficient", "--y", "test_accuracy,validation_loss,sparsity"],
    ),
    ("shapes.svg", &["grid", "--kind", "lines", "--x", "max_width_per_depth", "--y", "test_accuracy"]),
    ("bars.svg", &["states", "--kind", "bars", "--x", "coefficient", "--y", "test_accuracy"]),
    (
        "dots.svg",
        &["grid", "--kind", "bars", "--x", "activation", "--y", "test_accuracy,epochs", "--panels", "hidden"],
    ),
    (
        "heatmap.svg",
        &[
            "states",
            "--kind",
            "heatmap",
            "--x",
            "coefficient",
            "--y",
            "regularizer",
            "--cells",
            "test_accuracy",
        ],
    ),
    ("network.svg", &["grid", "--kind", "network", "--cell", "all"]),
    ("effects.svg", &["grid", "--kind", "effects", "--y", "test_accuracy"]),
    ("no-effects.svg", &["states", "--kind", "effects", "--y", "test_accuracy"]),
];

fn drawn(place: &Place, options: &[&str]) -> String {
    stdout(gridsweep(&place.path("state")).args(["figure", "states"]).args(options))
}

#[test]
fn figures_show_every_state_and_have_the_same_bytes_again() {
    let place = place();
    for (file, options) in FIGURES {
        let svg = drawn(&place, options);
        golden(file, &svg);
        assert_eq!(svg, drawn(&place, options), "the same bytes again");
    }
}

#[test]
fn a_file_gets_what_its_ending_says() {
    let place = place();
    let write = |file: &str| {
        let out = place.path(file);
        let mut command = gridsweep(&place.path("state"));
        stdout(command.args(["figure", "states", "grid", "--kind", "network", "--out"]).arg(&out));
        std::fs::read(out).unwrap()
    };
    let png = write("network.png");
    assert!(png.starts_with(&[0x89, b'P', b'N', b'G']));
    assert_eq!(png, write("again.png"));
    assert!(write("network.svg").starts_with(b"<svg "));
}

#[test]
fn what_cannot_be_drawn_is_a_wrong_command_line() {
    let place = place();
    let cases: [(&[&str], &str); 6] = [
        (&["--kind", "lines", "--x", "coefficient", "--y", "epochs"], "name one of them: grid, states"),
        (&["grid", "--kind", "lines", "--x", "activaton", "--y", "epochs"], "did you mean `activation`?"),
        (&["grid", "--kind", "bars", "--x", "activation", "--y", "accuracy"], "unknown metric `accuracy`"),
        (&["states", "--kind", "curves", "--where", "regularizer=l7"], "regularizer is one of none, l1"),
        (&["grid", "--kind", "network", "--out", "network.pdf"], ".svg or in .png"),
        (&["states", "--kind", "weights"], "one file each"),
    ];
    for (options, told) in cases {
        fails(&place, &[&["figure", "states"], options].concat(), 2, &[told]);
    }
}
