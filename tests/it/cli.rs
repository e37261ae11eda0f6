//! Bad input gets a clear error and the documented exit code.

use crate::support::{Place, SWEEP, fails, gridsweep, output, stdout};

#[test]
fn a_misspelt_key_is_shown_with_its_place_and_the_right_one() {
    let place = Place::new();
    let file = place.write("small.toml", &SWEEP.replace("batch_size", "batchsize"));
    let says = ["small.toml:12:1", "batchsize = 128", "^^^^^^^^^", "did you mean `batch_size`"];
    for command in ["check", "plan", "run"] {
        fails(&place, &[command, file.to_str().unwrap()], 2, &says);
    }
    assert!(!place.path("state").exists(), "a file that does not read leaves nothing behind");
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_would_be_right() {
    let place = Place::new();
    let file = place.write("small.toml", SWEEP);
    let file = file.to_str().unwrap();
    fails(&place, &["run", "nowhere.toml"], 2, &["cannot read nowhere.toml"]);
    fails(&place, &["check", env!("CARGO_MANIFEST_DIR")], 2, &["cannot read"]);
    fails(&place, &["run", file, "--thread", "2"], 2, &["--threads"]);
    fails(&place, &["check", file, "--set", "replicates.count=0"], 2, &["count"]);
    fails(&place, &["check", file, "--set", "nonsense"], 2, &["--set nonsense"]);
    fails(&place, &["table", "small"], 2, &["holds no sweeps yet", "--state"]);
    fails(&place, &["serve", "--listen", "0.0.0.0:0"], 2, &["loopback"]);
    fails(
        &place,
        &["serve", "--listen", "127.0.0.1:0", "--lease", "10ms"],
        2,
        &["10ms", "--lease 1s or more"],
    );
    let unknown = place.write("data.toml", &SWEEP.replace("\"mnist\"", "\"mnits\""));
    fails(&place, &["check", unknown.to_str().unwrap()], 2, &["mnits", "mnist"]);
    fails(&place, &["submit", file, "--server", "127.0.0.1:1"], 4, &["no coordinator answers"]);
    fails(&place, &["submit", file, "--priority", "high"], 2, &["--priority"]);
    for command in [["show", "last"], ["cancel", "last"], ["retry", "last"], ["verify", "last"]] {
        fails(&place, &command, 2, &["holds no sweeps yet", "--state"]);
    }
    fails(&place, &["cancel", "small", "--server", "127.0.0.1:1"], 4, &["no coordinator answers"]);
    fails(&place, &["verify", "small", "--sample", "0%"], 2, &["write it as 5%"]);
    fails(&place, &["completions", "csh"], 2, &["bash", "zsh"]);
}

#[test]
fn a_typed_state_folder_wins_over_the_server_of_the_environment() {
    let place = Place::new();
    let state = place.path("state");
    let folder = state.to_str().unwrap();
    let commands: [&[&str]; 7] = [
        &["status"],
        &["table", "small"],
        &["show", "last"],
        &["export", "small", "--what", "trials"],
        &["verify", "small"],
        &["cancel", "small"],
        &["retry", "small"],
    ];
    for command in commands {
        let run = |more: &[&str]| {
            let output =
                output(gridsweep(&state).args(command).args(more).env("GRIDSWEEP_SERVER", "127.0.0.1:1"));
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let says = |(code, text): (Option<i32>, String), expected, words: &str| {
            assert!(code == Some(expected) && text.contains(words), "{command:?}: {code:?} {text}");
        };
        says(run(&[]), 4, "no coordinator answers");
        says(run(&["--state", folder]), 2, "holds no sweeps yet");
        says(run(&["--state", folder, "--server", "127.0.0.1:1"]), 2, "not both");
    }
}

#[test]
fn an_unknown_sweep_or_study_lists_those_there_are() {
    let place = Place::new();
    let file = place.write("small.toml", SWEEP);
    let state = place.path("state");
    let short = ["--set", "base.epochs=1", "--set", "base.hidden=[2]", "--set", "replicates.count=1"];
    assert!(output(gridsweep(&state).arg("run").arg(&file).args(short)).status.success());
    fails(&place, &["table", "smal"], 2, &["no sweep \"smal\"", "there are: small"]);
    for command in ["cancel", "retry", "verify", "status"] {
        fails(&place, &[command, "smal"], 2, &["no sweep \"smal\"", "there are: small"]);
    }
    fails(&place, &["show", "penalties"], 2, &["does not begin a trial's id", "32 hexadecimal digits"]);
    fails(&place, &["show", "0123456789abcdef"], 2, &["no attempt was made", "export SWEEP --what trials"]);
    fails(&place, &["table", "small", "penalty"], 2, &["no study \"penalty\"", "penalties"]);
    for format in ["table", "md", "csv", "json", "latex"] {
        let table = ["table", "small", "penalties", "--format", format];
        let [first, again] = [(), ()].map(|()| stdout(gridsweep(&state).args(table)));
        assert!(first.contains("test") && first == again, "{format}: {first}");
    }
}

#[test]
fn a_data_set_with_other_content_is_not_trained_on() {
    let place = Place::new();
    let data = place.path("data/mnist");
    std::fs::create_dir_all(&data).unwrap();
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sweeps/data/mnist");
    for name in ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"] {
        std::fs::copy(source.join(name), data.join(name)).unwrap();
    }
    std::fs::copy(source.join("train-labels-idx1-ubyte.gz"), data.join("t10k-labels-idx1-ubyte.gz")).unwrap();
    let file = place.write("small.toml", SWEEP);
    let run =
        output(gridsweep(&place.path("state")).arg("run").arg(&file).args(["--set", "replicates.count=1"]));
    let text = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{text}");
    assert!(text.contains("test_labels") && text.contains("SHA-256"), "{text}");
}

#[test]
fn a_network_that_no_memory_holds_fails_alone_and_the_others_succeed() {
    let place = Place::new();
    let sizes = vec!["65536"; 20].join(", ");
    let axis = format!("activation = [\"relu\"]\nhidden = [[2], [{sizes}], [3]]");
    let text = SWEEP.replace("activation = [\"relu\", \"tanh\"]", &axis);
    let file = place.write("small.toml", &text);
    let short = ["--set", "base.epochs=1", "--set", "base.hidden=[4]", "--set", "replicates.count=1"];
    let run = output(gridsweep(&place.path("state")).arg("run").arg(&file).args(short));
    let text = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(3), "{text}");
    assert!(text.contains("7 succeeded, 1 failed") && text.contains("GiB of memory"), "{text}");
    let tables = String::from_utf8_lossy(&run.stdout);
    assert!(tables.contains("failed"), "the failed cell is shown as such: {tables}");
}

#[test]
fn a_grid_of_a_thousand_million_trials_is_planned_without_enumerating_it() {
    let place = Place::new();
    let values = |count: usize| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "schema = 1\nname = \"huge\"\n[data]\ndataset = \"mnist\"\n[replicates]\ncount = 10\n[base]\nhidden = [8]\n\
         [[study]]\nname = \"all\"\n[study.axes]\nbatch_size = [{}]\nepochs = [{}]\nregularizer = [\"none\", \"l2\"]\n\
         coefficient = {{ logspace = {{ base = 10, from = 0, to = -98 }} }}\n\
         [study.when]\ncoefficient = {{ regularizer = [\"l2\"] }}\n\
         [[study.exclude]]\nwhere = {{ batch_size = [1], regularizer = [\"none\"] }}\nreason = \"slow\"\n",
        values(1000),
        values(1001),
    );
    let file = place.write("huge.toml", &text);
    let plan = stdout(gridsweep(&place.path("state")).arg("plan").arg(&file).args(["--format", "json"]));
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let cells = 1000 * 1001 * (1 + 99) - 1001;
    assert_eq!(
        (&plan["cells"], &plan["trials"]),
        (&serde_json::json!(cells), &serde_json::json!(10 * cells))
    );
    assert!(plan["flops"].as_f64().unwrap() > 1e18);
}
