//! What a sweep file means, and what is said about mistakes.

use super::*;
use crate::choice::{Choices, Value};
use crate::id::TrialId;
use crate::sample::{SWEEP, catalogue};
use crate::search::Search;
use crate::table::Column;
use proptest::prelude::*;

fn read(text: &str) -> Sweep {
    parse(text, &catalogue()).unwrap_or_else(|problems| panic!("{}", rendered(&problems, text)))
}

fn rendered(problems: &[Problem], text: &str) -> String {
    problems.iter().map(|problem| problem.render("sweep.toml", text)).collect::<Vec<_>>().join("\n\n")
}

/// A small file with these lines in its only study.
fn study(lines: &str) -> String {
    file("hidden = [8]\nepochs = 3\n", &format!("[[study]]\nname = \"s\"\n{lines}"))
}

fn file(base: &str, studies: &str) -> String {
    format!(
        "schema = 1\nname = \"x\"\n[data]\ndataset = \"mnist\"\n[replicates]\ncount = 2\n[base]\n{base}\n{studies}"
    )
}

fn values(sweep: &Sweep, study: usize, setting: &str) -> Vec<String> {
    let grid = sweep.grid().study(study);
    let cells = grid.cells_in(0..grid.cells());
    cells.map(|cell| cell.get(setting).map_or("-".to_owned(), Value::to_string)).collect()
}

#[test]
fn the_documented_example_has_17_cells_and_51_trials() {
    let sweep = read(SWEEP);
    let grid = sweep.grid();
    assert_eq!((grid.cells(), grid.trials()), (17, 51));
    assert_eq!((grid.study(0).cells(), grid.study(0).new_cells()), (13, 13));
    assert_eq!((grid.study(1).cells(), grid.study(1).new_cells()), (5, 4));
    let excluded = grid.study(1).excluded();
    assert_eq!((excluded.len(), excluded[0].reason.as_str(), excluded[0].cells), (1, "not wanted", 1));
    assert_eq!((sweep.name.as_str(), sweep.replicates.count, sweep.replicates.seed), ("example", 3, 2016));
    assert_eq!(sweep.data.validation, Validation { fraction: 0.2, pick: Pick::Random });
    let shape = &sweep.studies[1].axes[1];
    assert_eq!((shape.name.as_str(), shape.settings.join(" ")), ("shape", "hidden batch_size".to_owned()));
    assert_eq!(sweep.studies[0].tables[0].cells[4], Column::Sparsity);
    assert_eq!(sweep.studies[0].figures[0].y.len(), 3);
}

#[test]
fn cells_stand_in_the_files_order_the_last_axis_fastest() {
    let sweep = read(SWEEP);
    assert_eq!(
        values(&sweep, 0, "regularizer").join(" "),
        "none l1 l1 l1 l1 l1 l2 l2 l2 l2 l2 dropout dropout"
    );
    assert_eq!(
        values(&sweep, 0, "coefficient").join(" "),
        "- 1 0.1 0.01 0.001 0.0001 1 0.1 0.01 0.001 0.0001 - -"
    );
    assert_eq!(values(&sweep, 0, "dropout_rate").join(" "), "- 0 0 0 0 0 0 0 0 0 0 0.2 0.5");
    assert_eq!(values(&sweep, 1, "activation").join(" "), "relu relu relu tanh tanh");
    assert_eq!(
        values(&sweep, 1, "hidden").join(" "),
        "512 256-256 128-128-64-64-64-64 256-256 128-128-64-64-64-64"
    );
    assert_eq!(values(&sweep, 1, "batch_size").join(" "), "64 128 128 128 128");
}

#[test]
fn replicates_are_fastest_and_every_trial_is_found_by_its_choices() {
    let sweep = read(SWEEP);
    let grid = sweep.grid();
    for index in 0..51 {
        let point = grid.trial(index).unwrap();
        assert_eq!(u64::from(point.replicate), index % 3);
        assert_eq!(grid.index_of(&point.choices, point.replicate), Some(index));
        assert_eq!(grid.index_of(&point.choices, 3), None);
    }
    assert_eq!(grid.trial(51), None);
    assert_eq!(grid.trial(u64::MAX), None);
    let shared = grid.cell(5).unwrap();
    assert_eq!(grid.studies_of(&shared), [0, 1]);
    assert_eq!(grid.study(1).position_of(&shared), Some(2));
    for change in [("coefficient", Value::from(0.5)), ("unknown", Value::from(1.0))] {
        let mut other = shared.clone();
        other.insert(change.0, change.1);
        assert_eq!(grid.index_of(&other, 0), None);
    }
    let mut fewer = shared.clone();
    fewer.remove("epochs");
    assert_eq!(grid.index_of(&fewer, 0), None);
    assert_eq!(grid.index_of(&Choices::default(), 0), None);
}

#[test]
fn an_edited_file_shares_what_it_kept() {
    let before = read(SWEEP);
    let after = read(&SWEEP.replace("[0.2, 0.5]", "[0.2, 0.3, 0.4]").replace("to = -4", "to = -3"));
    assert_eq!(before.grid().shared_cells(before.grid()), Some(17));
    // (l1, 0.0001, relu, the base shape) is kept by the second study; (l2, 0.0001) and a rate are gone.
    assert_eq!(after.grid().cells(), 17);
    assert_eq!(before.grid().shared_cells(after.grid()), Some(15));
    assert_eq!(after.grid().shared_cells(before.grid()), Some(15));
    let other_base = read(&SWEEP.replace("epochs      = 200", "epochs = 201"));
    assert_eq!(before.grid().shared_cells(other_base.grid()), Some(0));
}

#[test]
fn a_newer_catalogue_with_another_setting_shares_no_cells() {
    let before = read(SWEEP);
    let mut newer = catalogue();
    newer.settings.push(crate::sample::setting("clip", crate::catalogue::Kind::Bool).default(false));
    let after = parse(SWEEP, &newer).unwrap();
    assert_eq!(before.grid().shared_cells(after.grid()), Some(0));
    assert_eq!(after.grid().shared_cells(before.grid()), Some(0));
    newer.settings.rotate_left(7);
    let moved = parse(SWEEP, &newer).unwrap();
    assert_eq!(after.grid().shared_cells(moved.grid()), Some(17));
}

#[test]
fn explicit_and_implied_values_are_the_same_trial() {
    let implicit = read(&study("[study.axes]\n\"optimizer.kind\" = [\"adam\", \"sgd\"]\n"));
    let explicit = read(&study(
        "set = { batch_size = 32, activation = \"relu\", early_stop = false, restore_best = false }\n[study.axes]\n\
         optimizer = [{ kind = \"adam\", beta1 = 0.9, learning_rate = 1e-3 }, { kind = \"sgd\", momentum = 0 }]\n",
    ));
    assert_eq!(implicit.grid().shared_cells(explicit.grid()), Some(2));
    let ids = |sweep: &Sweep| -> Vec<TrialId> {
        let seed = crate::seed::SeedKey { root: 0, replicate: 0 };
        let id = |cell: Choices| TrialId::of(&cell, seed, crate::id::Digest([0; 32]), 1);
        (0..2).map(|position| id(sweep.grid().cell(position).unwrap())).collect()
    };
    assert_eq!(ids(&implicit), ids(&explicit));
    assert_eq!(values(&implicit, 0, "optimizer.beta1").join(" "), "0.9 -");
    assert_eq!(values(&implicit, 0, "optimizer.momentum").join(" "), "- 0");
    let other =
        read(&study("[study.axes]\noptimizer = [{ kind = \"adam\", beta1 = 0.8 }, { kind = \"sgd\" }]\n"));
    assert_eq!(implicit.grid().shared_cells(other.grid()), Some(1));
}

#[test]
fn whole_tables_and_their_parts_are_varied_and_switched_off() {
    let sweep = read(&study(
        "[study.axes]\nearly_stop = [false, { patience = 1 }, { patience = 2, min_delta = 0.5 }]\n\
         \"early_stop.monitor\" = [\"validation_loss\", \"training_objective\"]\n\
         [study.when]\n\"early_stop.monitor\" = { early_stop = [true] }\n",
    ));
    assert_eq!(values(&sweep, 0, "early_stop.patience").join(" "), "- 1 1 2 2");
    assert_eq!(values(&sweep, 0, "early_stop.min_delta").join(" "), "- 0 0 0.5 0.5");
    assert_eq!(
        values(&sweep, 0, "early_stop.monitor").join(" "),
        "- validation_loss training_objective validation_loss training_objective"
    );
    assert_eq!(sweep.studies[0].axes[0].settings.join(" "), "early_stop.patience early_stop.min_delta");
}

#[test]
fn a_table_replaces_the_whole_table_and_a_quoted_key_a_part() {
    let base =
        "hidden = [8]\nepochs = 3\noptimizer = { kind = \"sgd\", learning_rate = 0.5, momentum = 0.1 }\n";
    let of = |set: &str| {
        let sweep = read(&file(base, &format!("[[study]]\nname = \"s\"\nset = {set}\n")));
        ["kind", "learning_rate", "momentum"]
            .map(|part| values(&sweep, 0, &format!("optimizer.{part}")).join(" "))
    };
    assert_eq!(of("{ optimizer = { kind = \"sgd\" } }"), ["sgd", "0.001", "0"]);
    assert_eq!(of("{ \"optimizer.learning_rate\" = 0.25 }"), ["sgd", "0.25", "0.1"]);
}

#[test]
fn a_table_may_have_a_baseline_and_effects() {
    let text = SWEEP.replace(
        "columns = [\"activation\"]",
        "columns = [\"activation\"]\nbaseline = { hidden = [512] }\neffects = true",
    );
    let sweep = parse(&text, &catalogue()).unwrap();
    let table = &sweep.studies[1].tables[0];
    assert_eq!(table.baseline, [("hidden".to_owned(), vec![512.0].into())]);
    assert!(table.effects);
    let other = &sweep.studies[0].tables[0];
    assert!(other.baseline.is_empty() && !other.effects);
}

#[test]
fn a_study_without_axes_is_one_cell_with_a_table() {
    let sweep = read(&study(""));
    assert_eq!((sweep.grid().cells(), sweep.grid().trials()), (1, 2));
    let table = &sweep.studies[0].tables[0];
    assert_eq!((table.rows.len(), table.columns.len(), table.cells.len()), (0, 0, 6));
    let two = read(&(study("") + "[[study]]\nname = \"t\"\n[[study]]\nname = \"u\"\nset = { epochs = 4 }\n"));
    assert_eq!(two.grid().cells(), 2);
    assert_eq!(two.grid().study(1).new_cells(), 0);
}

#[test]
fn the_values_of_a_logspace_are_the_literals() {
    let literals: Vec<String> = (-300..=300).map(|exponent| format!("1e{exponent}")).collect();
    let of = |axis: &str| {
        read(&study(&format!("set = {{ regularizer = \"l1\" }}\n[study.axes]\ncoefficient = {axis}\n")))
    };
    let listed = of(&format!("[{}]", literals.join(", ")));
    let spaced = of("{ logspace = { base = 10, from = -300, to = 300 } }");
    assert_eq!(listed.grid().cells(), 601);
    assert_eq!(listed.grid().shared_cells(spaced.grid()), Some(601));
    assert_eq!(listed.grid().cell(17), spaced.grid().cell(17));
    let down = of("{ logspace = { base = 2, from = 1, to = -2 } }");
    assert_eq!(values(&down, 0, "coefficient").join(" "), "2 1 0.5 0.25");
}

#[test]
fn a_grid_of_ten_to_the_nine_trials_is_three_products() {
    let numbers = |count: u32| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let text = study(&format!(
        "[study.axes]\nregularizer = [\"none\", \"l1\"]\ncoefficient = [{}]\nbatch_size = [{}]\nepochs = [{}]\n\
         [study.when]\ncoefficient = {{ regularizer = [\"l1\"] }}\n\
         [[study.exclude]]\nwhere = {{ batch_size = [7, 8], epochs = [9] }}\nreason = \"slow\"\n",
        numbers(999),
        numbers(1000),
        numbers(500),
    ));
    let sweep = read(&text);
    let grid = sweep.grid();
    let cells = 1_000 * (1_000 * 500 - 2);
    assert_eq!((grid.cells(), grid.trials()), (cells, 2 * cells));
    assert_eq!(grid.study(0).excluded()[0].cells, 2 * 1_000);
    for index in [0, 1, 2, 12_345, 999_995_998, 2 * cells - 2, 2 * cells - 1] {
        let point = grid.trial(index).unwrap();
        assert_eq!(grid.index_of(&point.choices, point.replicate), Some(index));
    }
    assert_eq!(grid.trial(2 * cells), None);
    let last = grid.cell(cells - 1).unwrap();
    assert_eq!(last.get("coefficient"), Some(&Value::from(999.0)));
    assert_eq!(last.get("epochs"), Some(&Value::from(500.0)));
    let tally = grid.tally(&["hidden", "regularizer"]);
    assert_eq!(tally.values().copied().collect::<Vec<_>>(), [999 * (500_000 - 2), 500_000 - 2]);
    assert_eq!(grid.shared_cells(grid), Some(cells));
    assert!(format!("{grid:?}").len() < 1_000_000, "the grid is kept as products");
}

#[test]
fn catalogues_that_contradict_themselves_are_refused() {
    let mut circular = catalogue();
    circular.settings[1] = circular.settings[1].clone().applies("regularizer", &["l1"]);
    circular.settings[2] = circular.settings[2].clone().applies("activation", &["relu"]);
    assert!(parse(SWEEP, &circular).is_err());
    let mut twice = catalogue();
    twice.settings.push(twice.settings[0].clone());
    assert!(parse(SWEEP, &twice).is_err());
    assert!(parse(SWEEP, &Catalogue::default()).is_err());
}

/// What `parse` must survive: it may refuse, but the problems it reports must lie in the text and be rendered.
fn survives(text: &str) {
    if let Err(problems) = parse(text, &catalogue()) {
        assert!(!problems.is_empty());
        for problem in &problems {
            assert!(problem.span.start <= text.len());
            assert!(problem.render("f", text).contains('^'));
        }
        assert!(problems.is_sorted_by_key(|problem| problem.span.start));
    }
}

/// The pieces of the example: words, numbers, quotes, brackets, line ends.
fn tokens() -> Vec<&'static str> {
    let mut tokens = Vec::new();
    let mut rest = SWEEP;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (token, after) = rest.split_at(word.max(first.len_utf8()));
        tokens.push(token);
        rest = after;
    }
    tokens
}

/// What edits put in besides pieces of the example.
const ODD: [&str; 13] =
    ["[[", "]]", "=", "\"", "1e400", "-1", "nan", "{}", "[]", "\u{0}", "é", "'''", "false"];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_text_is_survived(text in ".*", bytes: Vec<u8>) {
        survives(&text);
        survives(&String::from_utf8_lossy(&bytes));
        survives(&format!("{SWEEP}{text}"));
    }

    #[test]
    fn any_edit_of_a_valid_file_is_survived(
        edits in proptest::collection::vec((0usize..10_000, 0usize..10_000, 0usize..4), 1..6),
    ) {
        let mut edited = tokens();
        let pool = [tokens(), ODD.to_vec()].concat();
        for (at, other, edit) in edits {
            let at = at % edited.len();
            let token = pool[(other * 7919) % pool.len()];
            match edit {
                0 => {
                    edited.remove(at);
                }
                1 => edited.insert(at, edited[at]),
                2 => edited[at] = token,
                _ => edited.insert(at, token),
            }
        }
        survives(&edited.concat());
    }
}

#[test]
fn deep_and_long_texts_are_survived() {
    let wrapped =
        |open: &str, close: &str, count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
    let deep = ["a.".repeat(100_000) + "b = 1", "[".to_owned() + &"a.".repeat(100_000) + "b]"];
    deep.iter().for_each(|text| survives(text));
    for count in [10, 79, 81, 10_000] {
        survives(&format!("schema = {}", wrapped("[", "]", count)));
        survives(&format!("schema = {}", wrapped("{ a = ", " }", count)));
        let dotted = format!("{{ {}a = ", "a.".repeat(70));
        survives(&format!("schema = {}", wrapped(&dotted, " }", count)));
        survives(&study(&format!("set = {{ hidden = {} }}", wrapped("[", "]", count))));
        survives(&study(&format!("[[study.exclude]]\nwhere = {}", wrapped("{ optimizer = ", "}", count))));
    }
    survives(&"[[study]]\n".repeat(3_000));
    survives(&format!("name = \"{}\"", "x".repeat(1_000_000)));
    survives(&study(&format!("[study.axes]\nepochs = [{}]", "1, ".repeat(3_000))));
}

/// A zip of one study against the product of another: neither has the other's factors.
#[test]
fn a_zip_and_a_product_share_what_both_have() {
    let product =
        "[study.axes]\nbatch_size = [1, 2, 3, 4]\nepochs = [5, 6, 7]\nactivation = [\"relu\", \"tanh\"]\n";
    let zip = "[study.axes]\nactivation = [\"tanh\", \"sigmoid\"]\n[[study.zip]]\nname = \"z\"\n\
               columns = [\"batch_size\", \"epochs\"]\nrows = [[1, 5], [9, 5], [2, 6], [2, 7], [4, 5]]\n";
    let shared = 4;
    let both = |first: &str, second: &str| read(&(study(first) + "[[study]]\nname = \"t\"\n" + second));
    for (sweep, own) in [(both(product, zip), 10), (both(zip, product), 24)] {
        assert_eq!(sweep.grid().study(1).cells(), own);
        assert_eq!(sweep.grid().study(1).new_cells(), own - shared);
        for index in 0..sweep.grid().trials() {
            let point = sweep.grid().trial(index).unwrap();
            assert_eq!(sweep.grid().index_of(&point.choices, point.replicate), Some(index));
        }
    }
}

#[test]
fn a_grid_in_too_many_parts_is_refused_and_one_in_many_is_not() {
    let text = |count: usize| {
        let sizes: Vec<String> = (1..=2 * count).map(|size| size.to_string()).collect();
        let mut text =
            study(&format!("[study.axes]\nbatch_size = [{0}]\nepochs = [{0}]\n", sizes.join(", ")));
        for size in (1..=2 * count).step_by(2) {
            text += &format!(
                "[[study.exclude]]\nreason = \"odd\"\nwhere = {{ batch_size = [{size}], epochs = [{size}] }}\n"
            );
        }
        text
    };
    assert_eq!(read(&text(200)).grid().cells(), 400 * 400 - 200);
    let problems = parse(&text(1_100), &catalogue()).unwrap_err();
    assert!(problems[0].message.contains("too many parts"), "{problems:?}");
}
