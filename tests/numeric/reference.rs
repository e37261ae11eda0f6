//! What Keras measured: `keras.json`, which `keras.py` writes.

use gridsweep_common::choice::Choices;
use serde_json::Value as Json;

/// What is compared, beside the sparsity of every weight matrix, in the order of the table.
pub(crate) const METRICS: [&str; 6] = [
    "min_training_objective",
    "min_training_loss",
    "min_validation_loss",
    "validation_loss",
    "test_accuracy",
    "epochs",
];

/// A cell with all of its runs.
pub(crate) struct Cell {
    pub(crate) name: String,
    /// What the reference chose; the settings that all cells share are in its protocol.
    pub(crate) choices: Choices,
    /// The values of all runs for each of [`METRICS`] and each weight matrix from the input on.
    pub(crate) measured: Vec<(String, Vec<f64>)>,
}

/// Returns the name under which the sparsity of a weight matrix is measured; they count from 0, names from 1.
pub(crate) fn sparsity(matrix: usize) -> String {
    format!("sparsity_{}", matrix + 1)
}

/// Returns the cells of `keras.json`.
pub(crate) fn read_reference() -> Vec<Cell> {
    parse(include_str!("keras.json")).unwrap_or_else(|problem| panic!("tests/numeric/keras.json: {problem}"))
}

fn parse(text: &str) -> Result<Vec<Cell>, String> {
    let document: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let cells = document["cells"].as_array().ok_or("it has no list of cells")?;
    cells
        .iter()
        .map(|cell| parse_cell(cell).map_err(|problem| format!("{}: {problem}", cell["name"])))
        .collect()
}

fn parse_cell(cell: &Json) -> Result<Cell, String> {
    let name = cell["name"].as_str().ok_or("the cell has no name")?.to_owned();
    let choices = Choices::from_json(&cell["choices"]).ok_or("it has no choices")?;
    let mut measured = Vec::new();
    for metric in METRICS {
        let values = numbers(&cell[metric]).ok_or_else(|| format!("{metric} is no list of numbers"))?;
        measured.push((metric.to_owned(), values));
    }
    let runs = cell["sparsity"].as_array().ok_or("sparsity is no list")?;
    let runs: Vec<Vec<f64>> =
        runs.iter().map(numbers).collect::<Option<_>>().ok_or("sparsity has no lists")?;
    let matrices = runs.first().ok_or("it has no runs")?.len();
    if runs.iter().any(|run| run.len() != matrices) {
        return Err("runs have unlike numbers of weight matrices".to_owned());
    }
    for matrix in 0..matrices {
        measured.push((sparsity(matrix), runs.iter().map(|run| run[matrix]).collect()));
    }
    match measured.iter().find(|(_, values)| values.len() != runs.len()) {
        Some((metric, values)) => Err(format!("{} runs, {} values of {metric}", runs.len(), values.len())),
        None => Ok(Cell { name, choices, measured }),
    }
}

fn numbers(list: &Json) -> Option<Vec<f64>> {
    list.as_array()?.iter().map(Json::as_f64).collect()
}

#[test]
fn the_reference_has_all_runs_of_all_cells() {
    let reference = read_reference();
    let runs: Vec<(&str, usize, usize)> = reference
        .iter()
        .map(|cell| (&*cell.name, cell.measured[0].1.len(), cell.measured.len() - METRICS.len()))
        .collect();
    let expected = [
        ("bench", 4, 7),
        ("l1e-4", 4, 7),
        ("l2e-2", 4, 7),
        ("l1e-3", 4, 7),
        ("l2e-3", 4, 7),
        ("tanh", 4, 7),
        ("s512", 4, 2),
        ("8x64", 4, 9),
        ("l2e-4", 4, 7),
        ("drop-2", 4, 7),
        ("sig", 2, 7),
        ("l1-1", 2, 7),
        ("l2-1", 2, 7),
    ];
    assert_eq!(runs, expected);
    let (metric, values) = &reference[1].measured[METRICS.len() + 1];
    assert_eq!((&**metric, &values[..]), ("sparsity_2", &[0.6714, 0.6867, 0.71, 0.6046][..]));
}

#[test]
fn a_reference_with_something_missing_is_rejected() {
    let text = |epochs: &str, sparsity: &str| {
        let metrics: Vec<String> =
            METRICS[..5].iter().map(|metric| format!("\"{metric}\": [1, 2]")).collect();
        let metrics = metrics.join(", ");
        format!(
            "{{\"cells\": [{{\"name\": \"a\", \"choices\": {{}}, {metrics}, \"epochs\": {epochs}, \"sparsity\": {sparsity}}}]}}"
        )
    };
    assert!(parse(&text("[3, 4]", "[[0.5, 1], [0, 0]]")).is_ok_and(|cells| cells[0].measured.len() == 8));
    for (epochs, sparsity) in [
        ("[3]", "[[0.5, 1], [0, 0]]"),
        ("[3, null]", "[[0.5, 1], [0, 0]]"),
        ("[3, 4]", "[[0.5, 1], [0]]"),
        ("[3, 4]", "[[0.5, 1]]"),
        ("[]", "[]"),
    ] {
        assert!(parse(&text(epochs, sparsity)).is_err(), "{epochs} {sparsity}");
    }
}
