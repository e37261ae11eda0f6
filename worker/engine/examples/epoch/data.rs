//! What is trained on: files in MNIST's layout, or made up.

use flate2::read::GzDecoder;
use gridsweep_engine::Dataset;
use rand::{Rng, SeedableRng};
use std::io::Read;
use std::path::Path;

const INPUTS: usize = 784;
const CLASSES: usize = 10;

/// Reads a folder of IDX files; "synthetic" is made up like MNIST, "gaussian" without a zero.
pub(crate) fn read(which: &str) -> Dataset {
    match which {
        "synthetic" => synthetic(60_000, 0.191),
        // Bytes without a zero: what is multiplied does not change how long it takes.
        "gaussian" => synthetic(60_000, 1.0),
        folder => {
            let part = |name: &str| {
                let images = idx(Path::new(folder), &format!("{name}-images-idx3-ubyte"), 3);
                (images, idx(Path::new(folder), &format!("{name}-labels-idx1-ubyte"), 1))
            };
            let ((training, labels), (test, test_labels)) = (part("train"), part("t10k"));
            dataset(training, labels, test, test_labels)
        }
    }
}

/// Returns the bytes of an IDX file, packed or not, behind its header: four bytes and four for each dimension.
fn idx(folder: &Path, name: &str, dimensions: usize) -> Vec<u8> {
    let (packed, plain) = (folder.join(format!("{name}.gz")), folder.join(name));
    let read =
        |path: &Path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let raw = if packed.exists() {
        let mut raw = Vec::new();
        let result = GzDecoder::new(&read(&packed)[..]).read_to_end(&mut raw);
        result.unwrap_or_else(|error| panic!("{}: {error}", packed.display()));
        raw
    } else {
        read(&plain)
    };
    assert_eq!(raw.get(..4), Some(&[0, 0, 8, dimensions as u8][..]), "{name} is no IDX file of bytes");
    raw[4 + 4 * dimensions..].to_vec()
}

/// Makes images in which each pixel is not zero with its own probability, as in MNIST: high in the middle, none at the
/// rim. `samples` to train on, 1000 to test; `density` is the mean; with 1 no pixel is zero.
pub(crate) fn synthetic(samples: usize, density: f64) -> Dataset {
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let mut bytes = |samples: usize| -> Vec<u8> {
        let mut pixel = |at: usize| {
            let (x, y) = ((at % 28) as f64 - 13.5, (at / 28 % 28) as f64 - 13.5);
            let likely = if density >= 1.0 { 1.0 } else { density * 3.48 * (-(x * x + y * y) / 75.0).exp() };
            let word = random.next_u32();
            if f64::from(word >> 8) / f64::from(1 << 24) < likely { word as u8 | 1 } else { 0 }
        };
        (0..samples * INPUTS).map(&mut pixel).collect()
    };
    let label = |inputs: &[u8]| (inputs.iter().map(|&byte| u32::from(byte)).sum::<u32>() % 10) as u8;
    let (training, test) = (bytes(samples), bytes(1000));
    let labels = |inputs: &[u8]| inputs.chunks_exact(INPUTS).map(label).collect();
    let (training_labels, test_labels) = (labels(&training), labels(&test));
    dataset(training, training_labels, test, test_labels)
}

fn dataset(training: Vec<u8>, labels: Vec<u8>, test: Vec<u8>, test_labels: Vec<u8>) -> Dataset {
    Dataset::from_bytes(training, labels, test, test_labels, INPUTS, CLASSES)
        .unwrap_or_else(|error| panic!("{error}"))
}
