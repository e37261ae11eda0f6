//! The report of a sweep, with the real binary: equal results give equal bytes, and what cannot be written harms nothing.

use crate::support::{Place, SWEEP, fails, gridsweep, output, stdout};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The small sweep with figures and a publication, at one replicate so that it is quick.
fn sweep() -> String {
    let figures = "[[study.figure]]\nkind = \"curves\"\n[[study.figure]]\nkind = \"confusion\"\n";
    let publication = "[publication]\nsource = \"someone\"\n[[publication.number]]\nstudy = \"activations\"\n\
                       where = { activation = \"relu\" }\nvalues = { test_accuracy = 0.10 }\n\
                       [[publication.claim]]\ntext = \"relu is no better than tanh\"\nholds = [{ metric = \"test_accuracy\", \
                       study = \"activations\", where = { activation = \"relu\" }, is = \"not_higher\", margin = 0.9, \
                       than = { where = { activation = \"tanh\" } } }]\n";
    format!("{SWEEP}{figures}{publication}")
}

/// Every file of a report, by its path in the folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for own in ["", "tables", "figures"] {
        for entry in std::fs::read_dir(folder.join(own)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn run(place: &Place, state: &str, options: &[&str]) -> PathBuf {
    let (file, state) = (place.write("small.toml", &sweep()), place.path(state));
    stdout(gridsweep(&state).arg("run").arg(&file).args(options));
    state
}

#[test]
fn equal_results_give_the_same_bytes_whoever_computed_them() {
    let place = Place::new();
    let first = run(&place, "first", &["--workers", "2", "--threads", "1"]);
    let elsewhere = place.path("elsewhere");
    let second = run(&place, "second", &["--threads", "1", "--report", elsewhere.to_str().unwrap()]);
    let report = files(&first.join("reports/small"));
    assert!(!second.join("reports").exists(), "it went where it was to go");
    assert!(report == files(&elsewhere));
    stdout(gridsweep(&second).args(["report", "small"]));
    assert!(report == files(&second.join("reports/small")));
    let expected = [
        "index.html",
        "report.md",
        "tables/penalties.csv",
        "tables/penalties.tex",
        "tables/published.json",
        "figures/activations-curves.svg",
        "figures/activations-confusion.svg",
    ];
    for name in expected {
        assert!(report.contains_key(Path::new(name)), "{name}");
    }
    let page = String::from_utf8(report[Path::new("index.html")].clone()).unwrap();
    assert!(page.contains("Content-Security-Policy") && page.contains("confirmed"));
    assert!(page.contains("differs: printed is lower") && !page.contains(" src="));
}

#[test]
fn a_report_that_cannot_be_written_changes_neither_results_nor_how_the_sweep_ended() {
    let place = Place::new();
    let file = place.write("small.toml", &sweep());
    let (state, taken) = (place.path("state"), place.write("taken", "a file"));
    let mut run = gridsweep(&state);
    let output = output(run.arg("run").arg(&file).arg("--report").arg(&taken));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("cannot write the report"), "{said}");
    let asked = ["report", "small", "--state", state.to_str().unwrap(), "--out", taken.to_str().unwrap()];
    fails(&place, &asked, 4, &["cannot write the report", "results are not touched"]);
    stdout(gridsweep(&state).args(["table", "small"]));
}

#[test]
fn a_sweep_that_has_not_ended_has_a_report_that_says_so() {
    let place = Place::new();
    let (file, state) = (place.write("small.toml", &sweep()), place.path("state"));
    stdout(gridsweep(&state).arg("run").arg(&file));
    // The same file with one more replicate, which nobody has run yet.
    let more = place.write("more.toml", &sweep().replace("count = 2", "count = 3"));
    let mut serve = gridsweep(&state);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let _serve = crate::support::Running::start(serve.args(["serve", "--listen", &address]));
    crate::support::wait_until("it listens", || std::net::TcpStream::connect(&address).is_ok());
    stdout(gridsweep(&state).arg("submit").arg(&more).args(["--server", &address]));
    let (here, there) = (place.path("here"), place.path("there"));
    stdout(gridsweep(&state).args(["report", "small", "--out"]).arg(&here));
    let mut asked = gridsweep(&place.path("unused"));
    stdout(asked.args(["report", "small", "--server", &address, "--out"]).arg(&there));
    let page = String::from_utf8(std::fs::read(here.join("index.html")).unwrap()).unwrap();
    assert!(page.contains("have no result: the sweep has not ended") && page.contains("class=\"incomplete"));
    assert!(files(&here) == files(&there), "a coordinator says the same");
}
