//! What people wait for, measured end to end: the command itself, over a state folder of results that are made up.
//!
//! `cargo bench --bench report` measures `gridsweep report` over 100 cells of 3 replicates, with epochs, confusion counts and
//! weights, and `gridsweep table` over 10,000 trials, and prints each beside what it must not exceed.

#![allow(clippy::unwrap_used, reason = "a measurement that goes wrong ends")]

#[expect(dead_code, reason = "shared with tests, in which not every trial succeeds")]
mod store;

use gridsweep_coordinator::blob::BlobStore;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use store::Fate;

/// As many epochs as the trials of `sweeps/mnist-report.toml` have at most.
const EPOCHS: u32 = 60;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("report");
    let weights = BlobStore::open(&state.join("blobs").join("weights")).unwrap();
    store::write_all(&state, &of_a_report(), EPOCHS, |_, _| Fate::Succeeded, Some(&weights));
    let out = folder.path().join("out");
    let report = ["report", "synthetic", "--out", out.to_str().unwrap()];
    measure("report: 300 trials, 100 cells", 3, Duration::from_secs(20), &report, &state);
    let (files, bytes) = held(&out);
    println!("  {files} files, {:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let state = folder.path().join("table");
    store::write(&state, &of_a_table(), EPOCHS, |_, _| Fate::Succeeded);
    measure("table: 10,000 trials", 9, Duration::from_millis(200), &["table", "synthetic"], &state);
}

/// Runs a command several times and prints its times beside the longest that it may take.
fn measure(what: &str, times: usize, must: Duration, arguments: &[&str], state: &Path) {
    let run = |_| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridsweep"));
        let began = Instant::now();
        let output =
            command.args(arguments).arg("--state").arg(state).stdout(Stdio::null()).output().unwrap();
        let took = began.elapsed();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        took
    };
    let mut took: Vec<Duration> = (0..times).map(run).collect();
    took.sort();
    let (median, longest) = (took[times / 2], took[times - 1]);
    let verdict = if longest <= must { "holds" } else { "MISSED" };
    println!(
        "{what}: {:.0} ms (median of {times}; longest {:.0} ms); must: {} ms: {verdict}",
        median.as_secs_f64() * 1e3,
        longest.as_secs_f64() * 1e3,
        must.as_millis()
    );
}

/// Returns how many files there are in a folder of folders, and how many bytes they have.
fn held(folder: &Path) -> (usize, u64) {
    let of = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            held(&entry.path())
        } else {
            (1, entry.metadata().unwrap().len())
        }
    };
    let entries = std::fs::read_dir(folder).unwrap().map(of);
    entries.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// 2 regularizers × 5 coefficients × 10 networks of the report's size.
fn of_a_report() -> String {
    let rest = "hidden = [128, 128, 64, 64, 64, 64]\n[[study]]\nname = \"penalties\"\n[study.axes]\n\
                regularizer = [\"l1\", \"l2\"]\ncoefficient = [1.0, 0.1, 0.01, 0.001, 0.0001]\n\
                batch_size = [32, 64, 96, 128, 160, 192, 224, 256, 288, 320]\n\
                [[study.table]]\nrows = [\"batch_size\", \"coefficient\"]\ncolumns = [\"regularizer\"]\n\
                cells = [\"test_accuracy\", \"validation_loss\", \"sparsity\"]\neffects = true\n\
                [[study.figure]]\nkind = \"curves\"\n[[study.figure]]\nkind = \"confusion\"\n\
                [[study.figure]]\nkind = \"weights\"\ncell = \"all\"\n\
                [[study.figure]]\nkind = \"lines\"\nx = \"coefficient\"\ny = [\"test_accuracy\", \"sparsity\"]\n\
                where = { batch_size = [32, 64] }\n\
                [[study.figure]]\nkind = \"bars\"\nx = \"coefficient\"\ny = \"test_accuracy\"\npanels = \"regularizer\"\n\
                [[study.figure]]\nkind = \"heatmap\"\nx = \"coefficient\"\ny = \"batch_size\"\ncells = \"test_accuracy\"\n\
                panels = \"regularizer\"\n\
                [[study.figure]]\nkind = \"network\"\n[[study.figure]]\nkind = \"effects\"\ny = \"test_accuracy\"\n";
    sweep(3, rest)
}

/// 2 regularizers × 2 activations × 500 coefficients, 5 replicates.
fn of_a_table() -> String {
    let values: Vec<String> = (1..=500).map(|n| format!("{n}e-5")).collect();
    let rest = format!(
        "hidden = [128, 128, 64, 64]\n[[study]]\nname = \"penalties\"\n[study.axes]\nregularizer = [\"l1\", \"l2\"]\n\
         activation = [\"relu\", \"tanh\"]\ncoefficient = [{}]\n\
         [[study.table]]\nrows = [\"regularizer\", \"coefficient\"]\ncolumns = [\"activation\"]\n\
         cells = [\"test_accuracy\", \"min_validation_loss\", \"test_error\", \"sparsity\"]\n",
        values.join(", ")
    );
    sweep(5, &rest)
}

fn sweep(replicates: u32, rest: &str) -> String {
    format!(
        "schema = 1\nname = \"synthetic\"\n[data]\ndataset = \"mnist\"\n[replicates]\ncount = {replicates}\nseed = 1\n\
         [base]\nepochs = 100\n{rest}"
    )
}
