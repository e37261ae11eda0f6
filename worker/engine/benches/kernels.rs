//! Times the pieces of a step, each for itself: `cargo bench -p gridsweep-engine --bench kernels [-- FILTER]`.
//!
//! A piece is of 784 inputs and 128 units, a batch of 128 samples. `epoch` times the whole, `instructions` counts.

#[path = "../examples/epoch/data.rs"]
#[expect(dead_code, reason = "shared with the example, which reads files too")]
mod data;
mod piece;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gridsweep_engine::Kernel;
use gridsweep_engine::measure::Pieces;
use piece::PIECES;
use std::time::Duration;

fn pieces(criterion: &mut Criterion) {
    let recipe = piece::recipe();
    let kernels = Kernel::available().into_iter().filter(|kernel| !kernel.is_slow());
    let kernels: Vec<Kernel> = kernels.collect();
    for (kind, density) in piece::KINDS {
        let data = data::synthetic(4000, density);
        for (name, run) in PIECES.iter().filter(|(name, _)| piece::is_of(name, kind)) {
            let mut group = criterion.benchmark_group(format!("{name} {kind}"));
            group.sample_size(20).warm_up_time(Duration::from_millis(200));
            group.measurement_time(Duration::from_millis(500));
            for &kernel in &kernels {
                let mut pieces = Pieces::new(&recipe, &data, piece::UNITS, kernel);
                group.bench_function(BenchmarkId::from_parameter(kernel.name()), |bencher| {
                    bencher.iter(|| run(&mut pieces));
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, pieces);
criterion_main!(benches);
