//! Whatever computes, the bits are the same.

use crate::support::{Place, exports, gridsweep, output};

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
fn the_reference_and_the_fast_kernel_give_the_same_bytes() {
    if !std::is_x86_feature_detected!("avx2") || !std::is_x86_feature_detected!("fma") {
        println!("skipped: this processor has no AVX2");
        return;
    }
    let place = Place::new();
    let [fast, reference] = ["avx2", "reference"].map(|kernel| run_with(&place, kernel));
    assert_eq!(fast[0].lines().count(), 12);
    assert!(fast[0].contains("weights_digest"));
    assert_eq!(fast, reference);
}
