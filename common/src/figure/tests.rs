//! Every kind with every sort of data: a picture always, never a number that is none.

use super::*;
use crate::choice::Value;
use crate::table::Replicate;
use crate::table::fixture::{cell, cells, diverged, heading, succeeded};

fn axes() -> Vec<Heading> {
    let plain = |name: &str| heading(name, &[name]);
    vec![
        plain("regularizer"),
        plain("coefficient"),
        heading("shape", &["hidden", "batch_size"]),
        plain("activation"),
    ]
}

fn asked(kind: &str, keys: &[(&str, &[&str])]) -> Asked {
    let values = |values: &[&str]| values.iter().map(|text| Value::from(*text)).collect();
    let keys = keys.iter().map(|(key, texts)| ((*key).to_owned(), values(texts))).collect();
    Asked { kind: kind.to_owned(), keys, ..Asked::default() }
}

/// A request of every kind that has room for all axes.
fn requests() -> Vec<Asked> {
    vec![
        asked("curves", &[]),
        asked("confusion", &[]),
        asked("weights", &[]),
        asked("lines", &[("x", &["coefficient"]), ("y", &["test_accuracy", "sparsity"])]),
        asked("lines", &[("x", &["max_width_per_depth"]), ("y", &["epochs"]), ("panels", &["activation"])]),
        asked(
            "lines",
            &[("x", &["parameters"]), ("y", &["test_error"]), ("x_scale", &["log"]), ("y_scale", &["log"])],
        ),
        asked("bars", &[("x", &["activation"]), ("y", &["test_accuracy", "epochs", "sparsity"])]),
        asked("bars", &[("x", &["coefficient"]), ("y", &["test_error"]), ("panels", &["activation"])]),
        asked("network", &[]),
        asked("network", &[("cell", &["all"])]),
        asked("effects", &[("y", &["test_accuracy", "sparsity"])]),
    ]
}

fn epochs(count: u32, scale: f64) -> Vec<EpochMetrics> {
    let epoch = |epoch: u32| EpochMetrics {
        epoch,
        learning_rate: 0.001,
        training_objective: scale / f64::from(epoch + 1),
        training_loss: scale / f64::from(epoch + 2),
        training_accuracy: 0.9,
        validation_loss: scale / f64::from(epoch + 1),
        validation_accuracy: 0.9,
    };
    (0..count).map(epoch).collect()
}

/// Epochs for every replicate with a result, more for each next one.
fn details(cells: &[CellResults]) -> Details {
    let mut details = Details::default();
    for (place, cell) in cells.iter().enumerate() {
        let of = |(number, replicate): (u32, &Replicate)| match replicate {
            Replicate::Finished(outcome) => epochs(outcome.epochs + number, 2.0),
            Replicate::Pending | Replicate::Missing => Vec::new(),
        };
        details.epochs.insert(place, (0..).zip(&cell.replicates).map(of).collect());
    }
    details
}

fn draw(asked: &Asked, cells: &[CellResults], details: &Details) -> Result<Vec<Drawing>, FigureError> {
    let axes = axes();
    let spec = asked.check(&axes).unwrap();
    by_name(spec.kind).unwrap().draw(&spec, &Subject { title: "A study", axes: &axes, cells, details })
}

fn expect_sound(drawing: &Drawing) {
    let svg = &drawing.svg;
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    for wrong in ["NaN", "inf\"", "<script", "href=\"http", "url("] {
        assert!(!svg.contains(wrong), "{}: {wrong}\n{svg}", drawing.name);
    }
    for needed in ["role=\"img\"", "<title>", "<desc>", "prefers-color-scheme:dark"] {
        assert!(svg.contains(needed), "{}: no {needed}", drawing.name);
    }
}

#[test]
fn every_kind_draws_every_state_of_a_cell_and_the_same_bytes_again() {
    let cells = cells();
    let details = details(&cells);
    for asked in requests() {
        let drawings = draw(&asked, &cells, &details).unwrap();
        assert!(!drawings.is_empty());
        drawings.iter().for_each(expect_sound);
        assert_eq!(drawings, draw(&asked, &cells, &details).unwrap(), "{}", asked.kind);
    }
}

#[test]
fn every_kind_draws_what_is_hard_to_scale() {
    let nothing = vec![Replicate::Pending, Replicate::Pending];
    let sets: [Vec<CellResults>; 6] = [
        vec![
            cell("l1", Some(0.0), "relu", &[8.0], nothing.clone()),
            cell("l1", Some(0.1), "tanh", &[8.0], nothing),
        ],
        vec![cell("l1", Some(0.1), "relu", &[8.0], vec![succeeded(0.9, 3, &[0.5, 0.5])])],
        vec![
            cell("l1", Some(0.0), "relu", &[8.0], vec![succeeded(0.5, 1, &[]), succeeded(0.5, 1, &[])]),
            cell("l1", Some(1.0), "tanh", &[8.0], vec![succeeded(0.5, 1, &[]), succeeded(0.5, 1, &[])]),
        ],
        vec![cell("l1", Some(1.0), "relu", &[8.0], vec![diverged(0), diverged(2)])],
        vec![cell("l1", Some(1.0), "relu", &[8.0], vec![succeeded(f64::NAN, 2, &[f64::NAN])])],
        vec![
            cell("l1", Some(1e-300), "relu", &[65_536.0; 64], vec![succeeded(0.0, 1, &[0.0])]),
            cell(
                "none",
                None,
                "a_name_that_is_very_long_and_has_no_end",
                &[1.0],
                vec![succeeded(1.0, 9, &[1.0])],
            ),
            cell("l2", Some(1e300), "tanh", &[2.0], vec![succeeded(0.3, 2, &[0.0]), Replicate::Missing]),
        ],
    ];
    for cells in &sets {
        let mut details = details(cells);
        if let Some(epoch) = details.epochs.get_mut(&0).and_then(|of| of.first_mut()?.first_mut()) {
            epoch.training_loss = f64::INFINITY;
            epoch.validation_loss = f64::NAN;
        }
        for asked in requests() {
            draw(&asked, cells, &details).unwrap().iter().for_each(expect_sound);
        }
    }
}

#[test]
fn a_request_that_fits_no_cell_is_an_error() {
    for mut asked in requests() {
        asked.only = vec![("regularizer".to_owned(), vec![Value::from("l7")])];
        assert_eq!(draw(&asked, &cells(), &Details::default()), Err(FigureError::NoCells), "{}", asked.kind);
    }
}

#[test]
fn a_heat_map_has_one_cell_a_square_or_says_what_is_too_much() {
    let asked =
        asked("heatmap", &[("x", &["coefficient"]), ("y", &["shape"]), ("cells", &["test_accuracy"])]);
    assert!(matches!(draw(&asked, &cells(), &Details::default()), Err(FigureError::Crowded { .. })));
    let mut with_panels = asked.clone();
    with_panels.keys.push(("panels".to_owned(), vec![Value::from("activation")]));
    let drawings = draw(&with_panels, &cells(), &Details::default()).unwrap();
    expect_sound(&drawings[0]);
    assert!(drawings[0].svg.contains("diverged") && drawings[0].svg.contains(">failed<"));
}

#[test]
fn what_has_no_value_is_hatched_or_crossed_and_named() {
    let cells = cells();
    let lines = asked("lines", &[("x", &["coefficient"]), ("y", &["test_accuracy"])]);
    let svg = draw(&lines, &cells, &Details::default()).unwrap().remove(0).svg;
    assert!(svg.contains("without a value"), "{svg}");
    assert!(svg.contains("3 failed") && svg.contains("3 not finished") && svg.contains("1 diverged"));
    let complete: Vec<CellResults> = cells.into_iter().take(1).collect();
    let svg = draw(&lines, &complete, &Details::default()).unwrap().remove(0).svg;
    assert!(!svg.contains("without a value"));
}

#[test]
fn means_of_curves_end_where_the_first_replicate_stops() {
    let replicates = vec![succeeded(0.9, 3, &[]), succeeded(0.9, 5, &[])];
    let cells = [cell("l1", Some(0.1), "relu", &[8.0], replicates)];
    let mut details = Details::default();
    details.epochs.insert(0, vec![epochs(3, 1.0), epochs(5, 1.5)]);
    let svg = draw(&asked("curves", &[]), &cells, &details).unwrap().remove(0).svg;
    let means = (1..=5).filter(|epoch| svg.contains(&format!("training loss, epoch {epoch}:"))).count();
    assert_eq!(means, 3);
    assert!(svg.contains("stops after 3 epochs") && svg.contains("stops after 5 epochs"));
}

#[test]
fn a_replicate_that_still_trains_is_drawn_and_is_no_part_of_the_mean() {
    let replicates = vec![succeeded(0.9, 3, &[]), succeeded(0.9, 3, &[]), Replicate::Pending];
    let cells = [cell("l1", Some(0.1), "relu", &[8.0], replicates)];
    let with = |running: Vec<EpochMetrics>| {
        let mut details = Details::default();
        details.epochs.insert(0, vec![epochs(3, 1.0), epochs(3, 1.0), running]);
        draw(&asked("curves", &[]), &cells, &details).unwrap().remove(0).svg
    };
    let (known, unknown) = (with(epochs(2, 9.0)), with(Vec::new()));
    assert!(known.contains("not finished: 2 epochs so far") && known.contains("rings: not finished"));
    assert!(!unknown.contains("rings") && unknown.contains("(1 not finished of 3)"));
    let mean = "training loss, epoch 1: 0.5 ±0<";
    assert!(known.contains(mean) && unknown.contains(mean), "{known}");
}

/// Returns the sizes in points that the letters of a picture have where it is printed 16 cm wide.
fn printed_sizes(svg: &str) -> Vec<f64> {
    let number = |text: &str| text.split('"').next().and_then(|number| number.parse::<f64>().ok()).unwrap();
    let width = number(svg.split("width=\"").nth(1).unwrap());
    let sizes = svg.split("font-size=\"").skip(1);
    sizes.map(|size| number(size) * (16.0 / 2.54 * 72.0) / width).collect()
}

#[test]
fn letters_are_read_where_a_figure_is_printed_16_cm_wide() {
    let hundred = |number: usize| {
        let (coefficient, sparsities) = ((number + 1) as f64 * 1e-5, [0.1; 7]);
        let replicates = vec![succeeded(0.9, 3, &sparsities), succeeded(0.91, 3, &sparsities)];
        let activation = ["relu", "tanh", "sigmoid", "softplus", "elu"][number % 5];
        cell(["l1", "l2"][number / 50], Some(coefficient), activation, &[64.0; 6], replicates)
    };
    let many: Vec<CellResults> = (0..100).map(hundred).collect();
    let mut asked_for = requests();
    for (panels, y) in [("activation", "regularizer"), ("regularizer", "activation")] {
        let keys = [("x", &["coefficient"][..]), ("y", &[y]), ("cells", &["epochs"]), ("panels", &[panels])];
        asked_for.push(asked("heatmap", &keys));
    }
    for asked in asked_for {
        for cells in [&many[..], &many[..3], &many[..1], &cells()] {
            for drawing in draw(&asked, cells, &details(cells)).into_iter().flatten() {
                let sizes = printed_sizes(&drawing.svg);
                let least = sizes.iter().copied().fold(f64::INFINITY, f64::min);
                assert!(!sizes.is_empty() && least >= 6.0, "{} of {}: {least} pt", drawing.name, cells.len());
            }
        }
    }
    assert!(printed_sizes("<svg width=\"1000\"><text font-size=\"11\">")[0] < 6.0);
}

#[test]
fn weights_are_images_and_a_matrix_of_the_wrong_size_is_left_out() {
    let cells = [cell("l1", Some(0.1), "relu", &[8.0], vec![succeeded(0.9, 3, &[0.5, 0.25])])];
    let matrix = |inputs: usize, units: usize, count: usize| {
        let value = |n: usize| if n == 3 { f32::NAN } else { (n as f32 / 7.0).fract() - 0.5 };
        Matrix { inputs, units, values: (0..count).map(value).collect() }
    };
    let images = |matrices: Vec<Matrix>| {
        let mut details = Details::default();
        details.weights.insert((0, 0), matrices);
        let drawing = draw(&asked("weights", &[]), &cells, &details).unwrap().remove(0);
        expect_sound(&drawing);
        drawing.svg.matches("data:image/png;base64,").count()
    };
    // Two maps, and the units of the first, whose 16 inputs are a square.
    assert_eq!(images(vec![matrix(16, 8, 128), matrix(8, 10, 80)]), 3);
    assert_eq!(images(vec![matrix(15, 8, 120), matrix(8, 10, 80)]), 2);
    assert_eq!(images(vec![matrix(16, 8, 127), matrix(8, 10, 80)]), 1);
    assert_eq!(images(vec![]), 0);
}

#[test]
fn a_matrix_of_zeros_has_no_range() {
    let cells = [cell("l2", Some(1.0), "relu", &[8.0], vec![succeeded(0.9, 3, &[0.5, 0.25])])];
    let drawn = |value: f32| {
        let mut details = Details::default();
        let matrix =
            |inputs: usize, units: usize| Matrix { inputs, units, values: vec![value; inputs * units] };
        details.weights.insert((0, 0), vec![matrix(16, 8), matrix(8, 10)]);
        let drawing = draw(&asked("weights", &[]), &cells, &details).unwrap().remove(0);
        expect_sound(&drawing);
        drawing.svg
    };
    let (zero, small) = (drawn(0.0), drawn(-0.25));
    assert_eq!(zero.matches(">0 throughout<").count(), 2);
    assert!(zero.contains("all of them 0") && !zero.contains(">−1 … 1<"), "nothing is as large as 1");
    assert!(small.contains("−0.25 … 0.25") && !small.contains("throughout"));
}

#[test]
fn what_is_asked_for_wrongly_is_told_with_what_would_be_right() {
    let cases: [(Asked, &str, &str); 13] = [
        (asked("lins", &[]), "kind", "did you mean `lines`?"),
        (asked("", &[]), "kind", "write `curves`"),
        (asked("lines", &[("y", &["epochs"])]), "x", "`regularizer`"),
        (asked("lines", &[("x", &["coeficient"]), ("y", &["epochs"])]), "x", "did you mean `coefficient`?"),
        (asked("lines", &[("x", &["hidden"]), ("y", &["epochs"])]), "x", "the axis `shape`"),
        (asked("lines", &[("x", &["dept"]), ("y", &["epochs"])]), "x", "did you mean `depth`?"),
        (
            asked("lines", &[("x", &["shape"]), ("y", &["test_acuracy"])]),
            "y",
            "did you mean `test_accuracy`?",
        ),
        (asked("curves", &[("y", &["test_accuracy"])]), "y", "`training_loss`"),
        (asked("curves", &[("x", &["shape"])]), "x", "it has `kind`"),
        (asked("heatmap", &[("x", &["depth"]), ("y", &["shape"]), ("cells", &["epochs"])]), "x", "there are"),
        (
            asked("heatmap", &[("x", &["shape"]), ("y", &["shape"]), ("cells", &["epochs"])]),
            "y",
            "name each axis once",
        ),
        (
            asked("lines", &[("x", &["shape"]), ("y", &["epochs"]), ("x_scale", &["logg"])]),
            "x_scale",
            "did you mean `log`?",
        ),
        (asked("network", &[("by", &["epochs"])]), "by", "validation_loss"),
    ];
    for (asked, key, help) in cases {
        let faults = asked.check(&axes()).unwrap_err();
        assert!(
            faults.iter().any(|fault| fault.key == key && fault.help.contains(help)),
            "{asked:?}: {faults:?}"
        );
    }
    let only = vec![("regularizr".to_owned(), vec![Value::from("l1")])];
    let faults = Asked { only, ..asked("curves", &[]) }.check(&axes()).unwrap_err();
    assert_eq!(
        (faults[0].key.as_str(), faults[0].help.as_str()),
        ("where.regularizr", "did you mean `regularizer`?")
    );
}

#[test]
fn every_kind_is_found_by_its_own_name_and_says_what_it_shows() {
    for kind in ALL {
        assert_eq!(by_name(kind.name()).map(|found| found.name()), Some(kind.name()));
        assert!(!kind.about().is_empty());
    }
    assert!(by_name("pie").is_none());
}
