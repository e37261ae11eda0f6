//! Whatever computes, the bits are the same.

use crate::support::{Place, exports, gridsweep, output};
use gridsweep_engine::Kernel;

const SWEEP: &str = r#"
schema = 1
name   = "kernels"
[data]
dataset = "mnist"
[replicates]
count = 1
[base]
hidden     = [5]
epochs     = 1
batch_size = 1000
[[study]]
name = "all"
[study.axes]
activation   = ["relu", "sigmoid", "tanh"]
regularizer  = ["none", "l1", "l2", "dropout"]
coefficient  = [0.001]
dropout_rate = [0.25]
[study.when]
coefficient  = { regularizer = ["l1", "l2"] }
dropout_rate = { regularizer = ["dropout"] }
"#;

fn run_with(place: &Place, kernel: &str) -> [String; 2] {
    let (file, state) = (place.write("kernels.toml", SWEEP), place.path(kernel));
    let run = output(gridsweep(&state).arg("run").arg(file).env("GRIDSWEEP_KERNEL", kernel));
    assert!(run.status.success(), "{run:?}");
    exports(&state, "kernels")
}

#[test]
fn every_kernel_of_this_machine_gives_the_same_bytes() {
    let place = Place::new();
    let reference = run_with(&place, Kernel::REFERENCE.name());
    assert_eq!(reference[0].lines().count(), 12);
    assert!(reference[0].contains("weights_digest"));
    let others: Vec<_> =
        Kernel::available().into_iter().filter(|kernel| *kernel != Kernel::REFERENCE).collect();
    assert!(!others.is_empty(), "there is the portable one at least");
    for kernel in others {
        assert_eq!(run_with(&place, kernel.name()), reference, "{}", kernel.name());
    }
}
