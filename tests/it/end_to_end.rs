//! One file, one command, real MNIST, tables at the end; and what others see meanwhile.

use crate::support::{Place, Running, SWEEP, exports, gridsweep, output, standing, stdout, wait_until};
use serde_json::Value as Json;

#[test]
fn a_sweep_runs_and_its_tables_and_exports_agree() {
    let place = Place::new();
    let (file, state) = (place.write("small.toml", SWEEP), place.path("state"));
    let run = output(gridsweep(&state).arg("run").arg(&file));
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    check_usage(&String::from_utf8(run.stderr).unwrap());
    let tables = String::from_utf8(run.stdout).unwrap();
    assert!(
        tables.contains("penalties") && tables.contains("activations") && tables.contains("test_accuracy")
    );
    let [trials, epochs] = exports(&state, "small");
    check_trials(&trials);
    check_epochs(&trials, &epochs);
    check_that_running_again_runs_nothing(&place, &tables, [trials, epochs]);
}

/// Twelve trials wait for the slots of any machine with fewer cores.
fn check_usage(said: &str) {
    let share = said.lines().find_map(|line| line.strip_prefix("slots: ")?.split_once(" % of their time"));
    let cores = std::thread::available_parallelism().unwrap().get();
    match share.map(|(share, _)| share.parse::<f64>().unwrap()) {
        Some(share) => assert!(cores < 12 && share > 0.0 && share <= 100.0, "{said}"),
        None => assert!(cores >= 12, "nothing is told of the slots: {said}"),
    }
}

fn lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check_trials(text: &str) {
    let trials = lines(text);
    // 1 + 2 + 2 cells of penalties, tanh of activations (relu is the first cell of penalties), 2 replicates each.
    assert_eq!(trials.len(), 12);
    for trial in &trials {
        assert_eq!(trial["schema"], 1);
        assert_eq!(trial["state"], "succeeded");
        assert_eq!(trial["failure"], Json::Null);
        assert_eq!(trial["epochs"], 6);
        assert_eq!(trial["choices"]["hidden"], serde_json::json!([16]));
        assert_eq!(trial["choices"]["optimizer"]["kind"], "adam");
        assert_eq!(trial["sparsity"].as_array().unwrap().len(), 2);
        let counts: u64 = trial["confusion"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().unwrap())
            .filter_map(Json::as_u64)
            .sum();
        assert_eq!(counts, 10_000, "every test image is counted once");
        let metrics = &trial["metrics"];
        let accuracy = metrics["test_accuracy"].as_f64().unwrap();
        assert!(accuracy > 0.85, "a net of 16 units learns digits: {accuracy}");
        assert!((accuracy + metrics["test_error"].as_f64().unwrap() - 1.0).abs() < 1e-12);
    }
    assert_eq!(
        trials[0]["studies"],
        serde_json::json!(["penalties", "activations"]),
        "a shared cell runs once"
    );
    assert_eq!((&trials[0]["replicate"], &trials[1]["replicate"]), (&Json::from(0), &Json::from(1)));
}

fn check_epochs(trials: &str, epochs: &str) {
    let (trials, epochs) = (lines(trials), lines(epochs));
    assert_eq!(epochs.len(), 72);
    for (number, epoch) in epochs.iter().enumerate() {
        assert_eq!(epoch["epoch"], number % 6, "epochs count from 0 without a gap");
        assert_eq!(epoch["trial"], trials[number / 6]["trial"], "in the order of the trials");
    }
    let smallest =
        epochs[..6].iter().map(|epoch| epoch["training_objective"].as_f64().unwrap()).reduce(f64::min);
    assert_eq!(trials[0]["metrics"]["min_training_objective"].as_f64(), smallest);
}

fn check_that_running_again_runs_nothing(place: &Place, tables: &str, before: [String; 2]) {
    let (file, state) = (place.path("small.toml"), place.path("state"));
    let attempts = || stdout(gridsweep(&state).args(["export", "small", "--what", "attempts"]));
    let attempts_before = attempts();
    assert_eq!(attempts_before.lines().count(), 12);
    let again = stdout(gridsweep(&state).arg("run").arg(&file).args(["--workers", "2"]));
    assert_eq!(again, tables, "the same tables");
    assert_eq!(attempts(), attempts_before, "no trial runs twice");
    assert_eq!(exports(&state, "small"), before);
}

#[test]
fn an_edited_file_runs_only_what_is_new() {
    let place = Place::new();
    let (file, state) = (place.write("small.toml", SWEEP), place.path("state"));
    let short = ["--set", "base.epochs=1", "--set", "base.hidden=[4]"];
    assert!(output(gridsweep(&state).arg("run").arg(&file).args(short)).status.success());
    let edited = gridsweep_again(&place, &[short.as_slice(), &["--set", "replicates.count=3"]].concat());
    assert!(edited.contains("6 new, 12 unchanged, 0 removed"), "{edited}");
    let attempts = stdout(gridsweep(&state).args(["export", "small", "--what", "attempts"]));
    assert_eq!(attempts.lines().count(), 18);
    let smaller = gridsweep_again(&place, &[short.as_slice(), &["--set", "replicates.count=1"]].concat());
    assert!(smaller.contains("0 new, 6 unchanged, 12 removed"), "{smaller}");
    let trials = stdout(gridsweep(&state).args(["export", "small", "--what", "trials"]));
    assert_eq!(trials.lines().count(), 6, "results of removed trials leave the export");
}

fn gridsweep_again(place: &Place, arguments: &[&str]) -> String {
    let run =
        output(gridsweep(&place.path("state")).arg("run").arg(place.path("small.toml")).args(arguments));
    assert!(run.status.success(), "{run:?}");
    String::from_utf8(run.stderr).unwrap()
}

#[test]
fn status_table_and_export_work_while_the_sweep_runs() {
    let place = Place::new();
    let (file, state) = (place.write("small.toml", SWEEP), place.path("state"));
    let mut run = Running::start(gridsweep(&state).arg("run").arg(&file).args(["--threads", "1"]));
    wait_until("a trial has ended and another runs", || {
        let (ended, running) = standing(&state);
        ended >= 1 && running >= 1
    });
    assert!(!run.has_ended());
    let status = stdout(gridsweep(&state).arg("status"));
    assert!(status.contains("small: running") && status.contains("epoch"), "{status}");
    let table = stdout(gridsweep(&state).args(["table", "small", "penalties", "--format", "md"]));
    assert!(table.contains("test_accuracy"), "{table}");
    assert!(table.contains('…'), "what has not ended is shown as such: {table}");
    let ended = exports(&state, "small")[0].lines().count();
    assert!((1..12).contains(&ended), "{ended} trials");
    assert_eq!(run.wait(), Some(0));
    let status = stdout(gridsweep(&state).args(["status", "last"]));
    assert!(status.contains("small: ended") && status.contains("12/12 trials ended"), "{status}");
}

#[test]
fn sweeps_in_one_state_folder_share_results() {
    let place = Place::new();
    let state = place.path("state");
    let short = ["--set", "base.epochs=1", "--set", "base.hidden=[4]"];
    let first = place.write("small.toml", SWEEP);
    let second = place.write("other.toml", &SWEEP.replace("\"small\"", "\"other\""));
    assert!(output(gridsweep(&state).arg("run").arg(first).args(short)).status.success());
    let plan = stdout(gridsweep(&state).arg("plan").arg(&second).args(short));
    assert!(plan.contains("12 trials have ended already"), "{plan}");
    assert!(output(gridsweep(&state).arg("run").arg(second).args(short)).status.success());
    let attempts = stdout(gridsweep(&state).args(["export", "other", "--what", "attempts"]));
    assert_eq!(attempts.lines().count(), 12, "nothing ran twice");
    assert_eq!(exports(&state, "small"), exports(&state, "other"));
}

#[test]
fn workers_and_sweeps_may_come_from_other_processes() {
    let place = Place::new();
    let (file, state) = (place.write("small.toml", SWEEP), place.path("state"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut serve = Running::start(gridsweep(&state).args(["serve", "--listen", &address]));
    wait_until("the coordinator listens", || std::net::TcpStream::connect(&address).is_ok());
    let worker = |name: &str| {
        let mut worker = gridsweep(&place.path(name));
        Running::start(worker.args(["worker", "--threads", "1", "--connect", &address]))
    };
    let mut workers = [worker("worker-a"), worker("worker-b")];
    let short = ["--set", "base.epochs=1", "--set", "base.hidden=[4]"];
    let mut submit = gridsweep(&place.path("unused"));
    stdout(submit.arg("submit").arg(&file).args(short).args(["--wait", "--server", &address]));
    let attempts = stdout(gridsweep(&state).args(["export", "small", "--what", "attempts"]));
    assert_eq!(attempts.lines().count(), 12);
    for worker in &mut workers {
        worker.signal("TERM");
        assert_eq!(worker.wait(), Some(0));
    }
    serve.signal("TERM");
    assert_eq!(serve.wait(), Some(0));
    let alone = place.path("alone");
    assert!(output(gridsweep(&alone).arg("run").arg(&file).args(short)).status.success());
    assert_eq!(exports(&state, "small"), exports(&alone, "small"), "who computed it cannot be seen");
}
