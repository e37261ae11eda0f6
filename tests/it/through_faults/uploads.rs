//! Large things on a line that breaks again and again: what has arrived is not sent a second time.

use super::proxy::{Fault, Proxy, Way};
use crate::support::{Place, Running, SWEEP, free_address, gridsweep, output, said, stdout, wait_until};
use std::path::{Path, PathBuf};

/// What a try loses at most: what was on its way when the line broke, which is a window of HTTP/2, and what is said beside it.
const LOST_BYTES_MAX: u64 = 1_300_000;

/// Its weights have 2.7 MB.
const ONE_LARGE_TRIAL: &str = r#"
schema = 1
name = "small"
[data]
dataset = "mnist"
[replicates]
count = 1
seed = 7
[base]
hidden = [512, 512]
epochs = 1
[[study]]
name = "one"
[study.axes]
activation = ["relu"]
"#;

fn serve(place: &Place, address: &str) -> Running {
    let log = place.path("serve.log");
    let serve = Running::logged(gridsweep(&place.path("state")).args(["serve", "--listen", address]), &log);
    wait_until("the coordinator serves", || said(&log).contains("gridsweep submit"));
    serve
}

/// The files in a folder and in those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn data_gets_through_a_line_that_breaks_long_before_its_end() {
    let place = Place::new();
    let (file, address) = (place.write("small.toml", SWEEP), free_address());
    let _serve = serve(&place, &address);
    let line = Proxy::to(&address);
    let length = std::fs::metadata("sweeps/data/mnist/train-images-idx3-ubyte.gz").unwrap().len();
    // Every connection, from its beginning on.
    line.set(Fault::Truncated(3_000_000), Fault::None);
    let before = line.passed(Way::ToCoordinator);
    let mut submit = gridsweep(&place.path("unused"));
    stdout(submit.arg("submit").arg(&file).args(["--server", &line.address]));
    let passed = line.passed(Way::ToCoordinator) - before;
    println!("{} bytes of {length} and more, over {} breaks", passed, line.struck());
    assert!(line.struck() >= length / 3_000_000, "the line broke {} times", line.struck());
    assert!(passed > length && passed < length + 2_000_000 + LOST_BYTES_MAX * line.struck(), "{passed}");
    let partial = files(&place.path("state/blobs/partial"));
    assert!(partial.is_empty(), "nothing is left of the tries: {partial:?}");
}

#[test]
fn weights_go_on_from_where_the_line_broke() {
    let place = Place::new();
    let (file, address) = (place.write("small.toml", ONE_LARGE_TRIAL), free_address());
    let (_serve, line) = (serve(&place, &address), Proxy::to(&address));
    let log = place.path("worker.log");
    let mut worker = gridsweep(&place.path("worker"));
    worker.args(["worker", "--threads", "1", "--connect", &line.address, "--checkpoint-every", "1h"]);
    let _worker = Running::logged(worker.env("GRIDSWEEP_LOG", "info,gridsweep_worker=debug"), &log);
    wait_until("the worker has connected", || said(&log).contains(" connected "));
    line.set(Fault::Truncated(1_500_000), Fault::None);
    let mut submit = gridsweep(&place.path("unused"));
    stdout(submit.arg("submit").arg(&file).args(["--wait", "--server", &address]));
    let weights = place.path("state/blobs/weights");
    let whole = || files(&weights).into_iter().find(|path| path.extension().is_none() && !is_partial(path));
    wait_until("the line has broken", || line.struck() > 0);
    wait_until("a part is kept", || files(&weights).iter().any(|path| is_partial(path)));
    line.set(Fault::None, Fault::None);
    let before = line.passed(Way::ToCoordinator);
    wait_until("the weights are there", || whole().is_some());
    let passed = line.passed(Way::ToCoordinator) - before;
    let length = std::fs::metadata(whole().unwrap()).unwrap().len();
    println!("{passed} bytes of {length} after the break");
    assert!(said(&log).contains("sending goes on where it was cut off"), "{}", said(&log));
    assert!(length > 2_500_000 && passed < length - 1_500_000 + LOST_BYTES_MAX, "{passed} of {length}");
    wait_until("nothing is left of the try", || !files(&weights).iter().any(|path| is_partial(path)));
    let folder = place.path("exported");
    let mut export = gridsweep(&place.path("state"));
    let output = output(export.args(["export", "small", "--what", "weights", "--out"]).arg(&folder));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains("the weights of 1 trial are in"), "{told}");
    assert_eq!(files(&folder).len(), 1, "what is whole has the digest that the result names: {told}");
}

fn is_partial(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("partial"))
}
