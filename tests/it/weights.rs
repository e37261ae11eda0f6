//! The weights that trials leave: with the real binary, from training to a file that others open.

use crate::support::{Place, Running, SWEEP, gridsweep, output, stdout, wait_until};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every trial of the small sweep that an export names, by its id.
fn trials(state: &Path) -> BTreeMap<String, Json> {
    let lines = stdout(gridsweep(state).args(["export", "small", "--what", "trials"]));
    let trial = |line: &str| {
        let trial: Json = serde_json::from_str(line).unwrap();
        (trial["trial"].as_str().unwrap().to_owned(), trial)
    };
    lines.lines().map(trial).collect()
}

fn kept(state: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(state.join("blobs/weights")).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// Returns the tensors of an exported file, whose header is JSON that names them.
fn tensors(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Json = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    assert_eq!(header["layer_1.kernel"]["dtype"], "F32");
    bytes[8 + length..].to_vec()
}

fn export(state: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut export = gridsweep(state);
    stdout(export.args(["export", "small", "--what", "weights", "--out"]).arg(folder));
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_first_replicate_of_every_cell_leaves_the_weights_of_its_result() {
    let place = Place::new();
    let (file, state) = (place.write("small.toml", SWEEP), place.path("state"));
    stdout(gridsweep(&state).arg("run").arg(&file));
    let trials = trials(&state);
    let files = export(&state, &place.path("weights"));
    let first = trials.values().filter(|trial| trial["replicate"] == 0).count();
    assert!(first > 0 && files.len() == first && kept(&state).len() == first && trials.len() > first);
    for file in &files {
        let trial = &trials[file.file_stem().unwrap().to_str().unwrap()];
        assert_eq!(trial["replicate"], 0);
        assert_eq!(blake3::hash(&tensors(file)).to_string(), trial["weights_digest"].as_str().unwrap());
        let shown = stdout(gridsweep(&state).args(["show", trial["trial"].as_str().unwrap()]));
        assert!(shown.contains("bytes of safetensors"), "{shown}");
    }
}

#[test]
fn what_is_damaged_or_gone_is_told_and_not_exported() {
    let place = Place::new();
    let (file, state) = (place.write("small.toml", SWEEP), place.path("state"));
    stdout(gridsweep(&state).arg("run").arg(&file));
    let kept = kept(&state);
    std::fs::remove_file(&kept[0]).unwrap();
    let mut bytes = std::fs::read(&kept[1]).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&kept[1], bytes).unwrap();
    let folder = place.path("weights");
    let mut export = gridsweep(&state);
    let output = output(export.args(["export", "small", "--what", "weights", "--out"]).arg(&folder));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("not theirs"), "{said}");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), kept.len() - 2);
}

#[test]
fn a_worker_elsewhere_sends_them_and_no_sweep_gets_more_than_it_asks_for() {
    let place = Place::new();
    let text = SWEEP.replace("[base]", "[artifacts]\nweights = \"all\"\ntrials_max = 3\n\n[base]");
    let (file, state) = (place.write("small.toml", &text), place.path("state"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let _serve = Running::start(gridsweep(&state).args(["serve", "--listen", &address]));
    wait_until("the coordinator listens", || std::net::TcpStream::connect(&address).is_ok());
    let mut worker = gridsweep(&place.path("worker"));
    let _worker = Running::start(worker.args(["worker", "--threads", "2", "--connect", &address]));
    let mut submit = gridsweep(&place.path("unused"));
    stdout(submit.arg("submit").arg(&file).args(["--wait", "--server", &address]));
    wait_until("three trials have left their weights", || kept(&state).len() == 3);
    let local = export(&state, &place.path("here")).len();
    let folder = place.path("there");
    let mut export = gridsweep(&place.path("unused"));
    let asked = ["export", "small", "--what", "weights", "--server", &address, "--out"];
    stdout(export.args(asked).arg(&folder));
    assert_eq!((local, std::fs::read_dir(folder).unwrap().count()), (3, 3));
}
