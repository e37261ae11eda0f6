//! What gridsweep measures: the real binary runs a sweep and exports its trials.

use super::reference::{METRICS, sparsity};
use super::sweep;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The values of all replicates, for each study and each metric, under the names of the reference.
pub(crate) type Measured = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

/// Runs a sweep of this name, or goes on with it, and returns what its trials measured. The file is written to `folder`.
pub(crate) fn train(text: &str, name: &str, folder: &Path, state: &Path) -> Measured {
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, text).expect("the sweep file is written");
    let (file, state) = (file.to_string_lossy(), state.to_string_lossy());
    gridsweep(&["run", &file, "--state", &state, "--quiet"]);
    let lines = gridsweep(&["export", name, "--what", "trials", "--state", &state]);
    let measured = read(&lines).unwrap_or_else(|problem| panic!("gridsweep export: {problem}"));
    let replicates = sweep::replicates(text);
    for (study, metrics) in &measured {
        for (metric, values) in metrics {
            assert_eq!(values.len(), replicates, "every replicate of {study} has {metric}");
        }
    }
    measured
}

/// Runs the binary in the root of the repository, where it finds MNIST, and returns what it prints.
fn gridsweep(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gridsweep"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("gridsweep starts");
    assert!(output.status.success(), "gridsweep {arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("gridsweep prints UTF-8")
}

/// Reads exported trials, one JSON object a line.
fn read(lines: &str) -> Result<Measured, String> {
    let mut measured = Measured::new();
    for line in lines.lines() {
        let trial: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let values = values(&trial).ok_or_else(|| format!("something is missing in {line}"))?;
        for study in trial["studies"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            let of_study = measured.entry(study.to_owned()).or_default();
            for (metric, value) in &values {
                of_study.entry(metric.clone()).or_default().push(*value);
            }
        }
    }
    Ok(measured)
}

/// Returns what a trial measured, or `None` where it has not ended well.
fn values(trial: &Json) -> Option<Vec<(String, f64)>> {
    let metric = |name: &str| {
        let value = if name == "epochs" { &trial[name] } else { &trial["metrics"][name] };
        Some((name.to_owned(), value.as_f64()?))
    };
    let mut values: Vec<_> = METRICS.into_iter().map(metric).collect::<Option<_>>()?;
    for (matrix, share) in trial["sparsity"].as_array()?.iter().enumerate() {
        values.push((sparsity(matrix), share.as_f64()?));
    }
    Some(values)
}

#[test]
fn exported_trials_are_gathered_by_study() {
    let line = |study: &str, epochs: u32| {
        let metrics: Vec<String> = METRICS[..5].iter().map(|metric| format!("\"{metric}\":0.5")).collect();
        let metrics = metrics.join(",");
        format!(
            "{{\"studies\":[\"{study}\"],\"epochs\":{epochs},\"metrics\":{{{metrics}}},\"sparsity\":[0.25,0.75]}}\n"
        )
    };
    let measured = read(&(line("a", 7) + &line("b", 8) + &line("a", 9))).unwrap();
    assert_eq!(measured["a"]["epochs"], [7.0, 9.0]);
    assert_eq!(measured["a"]["sparsity_2"], [0.75, 0.75]);
    assert_eq!(measured["b"]["test_accuracy"], [0.5]);
}

#[test]
fn a_trial_without_its_numbers_is_rejected() {
    let failed = "{\"studies\":[\"a\"],\"epochs\":null,\"metrics\":{},\"sparsity\":null}";
    assert!(read(failed).is_err_and(|problem| problem.contains("missing")));
}
