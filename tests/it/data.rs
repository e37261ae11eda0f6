//! Data by path: CSV and IDX files beside the sweep file, and what is said of wrong ones.

use crate::support::{Place, fails, gridsweep, output, stdout};
use std::fmt::Write as _;
use std::io::Write as _;

/// A sweep of one cell over whatever data; two trials.
fn sweep(data: &str) -> String {
    format!(
        "schema = 1\nname = \"own\"\n[data]\n{data}\n[replicates]\ncount = 2\n[base]\nhidden = [16]\nepochs = 40\n\
         batch_size = 16\noptimizer = {{ kind = \"adam\", learning_rate = 0.01 }}\n[[study]]\nname = \"all\"\n"
    )
}

const CSV: &str = "dataset = { format = \"csv\", training = \"own/training.csv\", test = \"own/test.csv\", label = \"kind\" }
standardize = \"columns\"";

/// Returns lines of three kinds: numbers of other sizes, far from 0, that tell the kinds apart together only.
fn csv(lines: usize) -> String {
    let mut text = "width,kind,height\n".to_owned();
    for line in 0..lines {
        let (kind, noise) = (line % 3, line * 7 % 10);
        let (width, height) =
            (1000.0 + (kind / 2 * 20 + noise) as f64, -0.5 - (kind % 2) as f64 - noise as f64 / 100.0);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{width},{},{height:e}", ["ash", "oak", "elm"][kind]);
    }
    text
}

fn place_with_csv(training: &str, test: &str) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("own")).unwrap();
    place.write("own/training.csv", training);
    place.write("own/test.csv", test);
    place.write("own.toml", &sweep(CSV));
    place
}

fn run(place: &Place, options: &[&str]) -> String {
    let run = output(gridsweep(&place.path("state")).arg("run").arg(place.path("own.toml")).args(options));
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(0), "{said}");
    said
}

fn first_trial(place: &Place) -> serde_json::Value {
    let trials = stdout(gridsweep(&place.path("state")).args(["export", "own", "--what", "trials"]));
    serde_json::from_str(trials.lines().next().unwrap()).unwrap()
}

#[test]
fn csv_files_are_trained_on_and_what_determines_their_numbers_tells_trials_apart() {
    let place = place_with_csv(&csv(150), &csv(60));
    let plan = stdout(gridsweep(&place.path("state")).arg("plan").arg(place.path("own.toml")));
    assert!(plan.contains("150 samples of 2 inputs, 3 classes"), "{plan}");
    run(&place, &[]);
    let trial = first_trial(&place);
    assert!(trial["metrics"]["test_accuracy"].as_f64().unwrap() > 0.95, "{trial}");
    // Ash, elm and oak: of the three kinds in turn, in the order of their names.
    let counts = trial["confusion"].as_array().unwrap();
    let total =
        |row: &serde_json::Value| row.as_array().unwrap().iter().filter_map(|n| n.as_u64()).sum::<u64>();
    assert_eq!(counts.iter().map(total).collect::<Vec<_>>(), [20, 20, 20]);

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(csv(150).as_bytes()).unwrap();
    std::fs::write(place.path("own/training.csv"), gzip.finish().unwrap()).unwrap();
    assert!(run(&place, &[]).contains("2 trials of them ended before"), "compressed it is the same data");

    assert!(
        run(&place, &["--set", "data.standardize=none"]).contains("2 new"),
        "other numbers, other trials"
    );
    let unlike = |changed: &str| {
        place.write("own/test.csv", changed);
        run(&place, &[])
    };
    assert!(unlike(&csv(61)).contains("2 new"), "another test set, other trials");
}

/// Returns an IDX file of bytes.
fn idx(dimensions: &[u32], entries: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    dimensions.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(entries);
    bytes
}

const IDX: &str = "dataset = { format = \"idx\", training_inputs = \"a\", training_labels = \"b\", test_inputs = \"c\", \
                   test_labels = \"d\" }";

fn place_with_idx(labels_of_training: &[u8]) -> Place {
    let place = Place::new();
    let inputs =
        |count: u8| (0..count).flat_map(|n| [n % 2 * 255, 0, 0, 255 - n % 2 * 255]).collect::<Vec<u8>>();
    let labels = |count: u8| (0..count).map(|n| n % 2).collect::<Vec<u8>>();
    for (name, content) in [
        ("a", idx(&[100, 2, 2], &inputs(100))),
        ("b", labels_of_training.to_vec()),
        ("c", idx(&[40, 2, 2], &inputs(40))),
        ("d", idx(&[40], &labels(40))),
    ] {
        std::fs::write(place.path(name), content).unwrap();
    }
    place.write("own.toml", &sweep(IDX));
    place
}

#[test]
fn idx_files_are_trained_on() {
    let labels: Vec<u8> = (0..100).map(|n| n % 2).collect();
    let place = place_with_idx(&idx(&[100], &labels));
    run(&place, &[]);
    assert_eq!(first_trial(&place)["confusion"], serde_json::json!([[20, 0], [0, 20]]));
}

#[test]
fn a_wrong_file_is_told_before_anything_runs() {
    let wrong = csv(20).replacen("1006", "wide", 1);
    let line = 2 + csv(20).lines().skip(1).position(|line| line.starts_with("1006")).unwrap();
    let place = place_with_csv(&wrong, &csv(20));
    let file = place.path("own.toml");
    let says =
        [
            &format!("training.csv does not read: line {line}, column 1 (\"width\"): \"wide\" is no number")
                [..],
        ];
    for command in ["check", "plan", "run", "submit"] {
        fails(&place, &[command, file.to_str().unwrap()], 2, &says);
    }
    assert!(!place.path("state").exists(), "data that do not read leave nothing behind");
    std::fs::remove_file(place.path("own/test.csv")).unwrap();
    place.write("own/training.csv", &csv(20));
    fails(
        &place,
        &["check", file.to_str().unwrap()],
        2,
        &["own/test.csv", "No such file", "relative to the sweep file"],
    );

    let place = place_with_idx(&idx(&[99], &[0; 99]));
    let file = place.path("own.toml");
    fails(&place, &["check", file.to_str().unwrap()], 2, &["b does not read", "99 labels, and 100 samples"]);
}
