//! Digests of six short trainings. They are the numerics: when one changes, [`crate::NUMERICS`] must be raised.

use super::{SEED, Synthetic, VALIDATION, Value, recipe, run};
use crate::kernel::Kernel;
use crate::{Checkpoint, CheckpointError, Crew, Dataset, Interrupted, Observer, Recipe, Training};
use gridsweep_common::metric::EpochMetrics;

/// What it is about, its settings, its data.
type Case = (&'static str, Vec<(&'static str, Value)>, Synthetic);

fn cases() -> [Case; 7] {
    let two_layers = || ("hidden", Value::from(vec![97.0, 20.0]));
    [
        (
            "relu, l1, adam, schedules, lists",
            vec![
                two_layers(),
                ("regularizer", Value::from("l1")),
                ("coefficient", Value::from(1e-3)),
                ("epochs", Value::from(3.0)),
                ("reduce_learning_rate.patience", Value::from(1.0)),
                ("early_stop.patience", Value::from(2.0)),
            ],
            Synthetic::SPARSE,
        ),
        (
            "tanh, l2, nesterov, dense",
            vec![
                two_layers(),
                ("activation", Value::from("tanh")),
                ("regularizer", Value::from("l2")),
                ("coefficient", Value::from(1e-3)),
                ("optimizer.kind", Value::from("sgd")),
                ("optimizer.learning_rate", Value::from(0.05)),
                ("optimizer.momentum", Value::from(0.9)),
                ("optimizer.nesterov", Value::from(true)),
            ],
            Synthetic::DENSE,
        ),
        (
            "sigmoid, dropout, adam, lists",
            vec![
                two_layers(),
                ("activation", Value::from("sigmoid")),
                ("regularizer", Value::from("dropout")),
                ("dropout_rate", Value::from(0.25)),
                ("restore_best", Value::from(true)),
            ],
            Synthetic::SPARSE,
        ),
        (
            "gelu, elastic net, adamw, truncated normal, lists",
            vec![
                two_layers(),
                ("activation", Value::from("gelu")),
                ("regularizer", Value::from("elastic_net")),
                ("l1_coefficient", Value::from(1e-3)),
                ("l2_coefficient", Value::from(1e-2)),
                ("optimizer.kind", Value::from("adamw")),
                ("initializer", Value::from("glorot_normal")),
            ],
            Synthetic::SPARSE,
        ),
        (
            "softplus, nadam, dense",
            vec![
                two_layers(),
                ("activation", Value::from("softplus")),
                ("optimizer.kind", Value::from("nadam")),
                ("initializer", Value::from("he_uniform")),
            ],
            Synthetic::DENSE,
        ),
        scheduled(),
        standardized(),
    ]
}

fn scheduled() -> Case {
    (
        "elu, proximal l1, momentum, cosine with warm-up and plateau, lists",
        vec![
            ("hidden", Value::from(vec![97.0, 20.0])),
            ("activation", Value::from("elu")),
            ("regularizer", Value::from("proximal_l1")),
            ("coefficient", Value::from(1e-3)),
            ("optimizer.kind", Value::from("sgd")),
            ("optimizer.learning_rate", Value::from(0.05)),
            ("optimizer.momentum", Value::from(0.9)),
            ("epochs", Value::from(5.0)),
            ("schedule.kind", Value::from("cosine")),
            ("schedule.warm_up_epochs", Value::from(2.0)),
            ("reduce_learning_rate.patience", Value::from(1.0)),
            ("reduce_learning_rate.min_delta", Value::from(0.5)),
        ],
        Synthetic::SPARSE,
    )
}

fn standardized() -> Case {
    (
        "relu, l2, adam, standardised inputs, lists",
        vec![
            ("hidden", Value::from(vec![97.0, 20.0])),
            ("regularizer", Value::from("l2")),
            ("coefficient", Value::from(1e-3)),
            ("restore_best", Value::from(true)),
        ],
        Synthetic::STANDARDIZED,
    )
}

/// The outcomes' digests, in the order of the cases.
const GOLDEN: [&str; 7] = [
    "4ce1cc8c9b130db645c4771236736dc7cea0c82f51eb8809059ffe10fdd80f39",
    "31dc0c7953dd3e28355f24e07d3839ebe154ced4a02fbba22ec1305ebaeb3a4e",
    "b9ef78015b47f38d03a13958c21aaa35201856e4987612bf381effcc6e3ec536",
    "769a4ef4b81637ab1021b30c9d90f463b76bf36b7fc7775fb55c749a2f5ecf6e",
    "fa658d23f90aed72b90e3644579ee0362461a66c0d049510a30d95ff1e202412",
    "8dc01d6c8591a1dafe2897c3139cdb04fc19da18cf5fbf231fe98148e3800bfe",
    "d2d77d7a9ab6631faaff801850d708799a086d9f89bf473843d737f7b69bc8ea",
];

#[test]
fn short_trainings_have_their_golden_digests_in_every_kernel() {
    for kernel in Kernel::available() {
        let digests = cases()
            .map(|(_, settings, data)| run(&recipe(&settings), &data.make(), kernel).digest().to_string());
        assert_eq!(digests, GOLDEN, "kernel {}", kernel.name());
    }
}

#[test]
fn a_wrong_kernel_has_other_digests() {
    for kernel in Kernel::WRONG {
        for ((name, settings, data), golden) in cases().into_iter().zip(GOLDEN) {
            let digest = run(&recipe(&settings), &data.make(), kernel).digest().to_string();
            assert_ne!(digest, golden, "kernel {}: {name}", kernel.name());
        }
    }
}

/// Asks for other numbers of threads at every step.
struct Changing {
    steps: usize,
    threads: &'static [usize],
}

impl Observer for Changing {
    fn epoch(&mut self, _: &EpochMetrics) {}

    fn is_interrupted(&mut self) -> bool {
        false
    }

    fn threads(&mut self) -> usize {
        self.steps += 1;
        self.threads[self.steps % self.threads.len()]
    }
}

fn on_threads(
    recipe: &Recipe,
    data: &Dataset,
    kernel: Kernel,
    (crew, threads): (&Crew, &'static [usize]),
) -> String {
    let training = Training::new(recipe, data, VALIDATION, SEED, kernel).helped_by(crew);
    training.run(&mut Changing { steps: 0, threads }).unwrap().digest().to_string()
}

#[test]
fn every_family_is_trained_the_same_on_several_threads() {
    let (crew, data, kernel) = (Crew::new(3).unwrap(), Synthetic::SPARSE.make(), Kernel::detect());
    let regularizers = super::names("regularizer");
    let activations = super::names("activation");
    let optimizers = super::names("optimizer.kind");
    for at in 0..regularizers.len().max(activations.len()).max(optimizers.len()) {
        let mut settings = super::regularizer_settings(&regularizers[at % regularizers.len()]);
        settings.push(("activation", Value::from(activations[at % activations.len()].as_str())));
        settings.push(("optimizer.kind", Value::from(optimizers[at % optimizers.len()].as_str())));
        let recipe = recipe(&settings);
        let alone = run(&recipe, &data, kernel).digest().to_string();
        assert_eq!(on_threads(&recipe, &data, kernel, (&crew, &[3])), alone, "{settings:?}");
    }
}

#[test]
fn a_training_on_any_number_of_threads_has_the_golden_digest() {
    let crew = Crew::new(3).unwrap();
    for kernel in Kernel::available() {
        for ((name, settings, data), golden) in cases().into_iter().zip(GOLDEN) {
            let (recipe, data) = (recipe(&settings), data.make());
            for threads in [&[2][..], &[3], &[1, 3, 2, 2]] {
                let digest = on_threads(&recipe, &data, kernel, (&crew, threads));
                assert_eq!(digest, golden, "{name}, kernel {}, threads {threads:?}", kernel.name());
            }
        }
    }
}

/// Keeps a checkpoint of every step.
#[derive(Default)]
struct EveryStep(Vec<Checkpoint>);

impl Observer for EveryStep {
    fn epoch(&mut self, _: &EpochMetrics) {}

    fn is_interrupted(&mut self) -> bool {
        false
    }

    fn wants_checkpoint(&mut self) -> bool {
        true
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.0.push(checkpoint.clone());
    }
}

#[test]
fn a_training_resumed_at_any_step_has_the_golden_digest() {
    let kernel = Kernel::detect();
    for ((name, settings, data), golden) in cases().into_iter().zip(GOLDEN) {
        let (recipe, data) = (recipe(&settings), data.make());
        let training = || Training::new(&recipe, &data, VALIDATION, SEED, kernel);
        let mut every_step = EveryStep::default();
        training().run(&mut every_step).unwrap();
        assert!(every_step.0.len() > 5, "{name}: checkpoints within epochs are among them");
        for Checkpoint { epoch, step, bytes } in &every_step.0 {
            let mut resumed = training();
            resumed.resume(bytes).unwrap();
            assert_eq!(resumed.progress(), (*epoch, *step));
            let digest = resumed.run(&mut EveryStep::default()).unwrap().digest().to_string();
            assert_eq!(digest, golden, "{name}: resumed at epoch {epoch}, step {step}");
        }
    }
}

/// Is interrupted after one step, on another number of threads at each.
struct OneStep {
    threads: Changing,
    has_stepped: bool,
    left: Option<Checkpoint>,
}

impl Observer for OneStep {
    fn epoch(&mut self, _: &EpochMetrics) {}

    fn is_interrupted(&mut self) -> bool {
        self.has_stepped
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.has_stepped = true;
        false
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.left = Some(checkpoint.clone());
    }

    fn threads(&mut self) -> usize {
        self.threads.threads()
    }
}

/// Trains in parts of one step, each a training of its own that begins on another number of threads than the one before.
/// Returns how many parts there were, and the digest.
fn in_parts(recipe: &Recipe, data: &Dataset, kernel: Kernel, crew: &Crew) -> (usize, String) {
    let mut before: Option<Checkpoint> = None;
    for part in 0..1000 {
        let mut training = Training::new(recipe, data, VALIDATION, SEED, kernel).helped_by(crew);
        if let Some(checkpoint) = &before {
            training.resume(&checkpoint.bytes).unwrap();
        }
        let threads = Changing { steps: part, threads: &[1, 2, 3, 2] };
        let mut observer = OneStep { threads, has_stepped: false, left: None };
        match training.run(&mut observer) {
            Ok(outcome) => return (part + 1, outcome.digest().to_string()),
            Err(Interrupted) => before = observer.left,
        }
    }
    panic!("a training that takes a step in every part does not end");
}

#[test]
fn a_training_resumed_at_every_step_on_other_numbers_of_threads_has_the_golden_digest() {
    let crew = Crew::new(3).unwrap();
    for kernel in Kernel::available() {
        for ((name, settings, data), golden) in cases().into_iter().zip(GOLDEN) {
            let (parts, digest) = in_parts(&recipe(&settings), &data.make(), kernel, &crew);
            assert!(parts > 5, "{name}: {parts} parts");
            assert_eq!(digest, golden, "{name}, kernel {}", kernel.name());
        }
    }
}

#[test]
fn a_wrong_kernel_has_other_digests_in_parts_too() {
    let (crew, kernel) = (Crew::new(3).unwrap(), Kernel::WRONG[0]);
    let ((_, settings, data), golden) = (cases().into_iter().next().unwrap(), GOLDEN[0]);
    assert_ne!(in_parts(&recipe(&settings), &data.make(), kernel, &crew).1, golden);
}

#[test]
fn bytes_that_are_no_checkpoint_of_this_training_are_refused() {
    let [(_, settings, data), (_, others, other_data), ..] = cases();
    let (recipe_here, data) = (recipe(&settings), data.make());
    let mut every_step = EveryStep::default();
    let training = || Training::new(&recipe_here, &data, VALIDATION, SEED, Kernel::detect());
    training().run(&mut every_step).unwrap();
    let good = &every_step.0[4].bytes;
    for length in [0, 7, 8, 100, good.len() - 1] {
        assert_eq!(training().resume(&good[..length]), Err(CheckpointError::Damaged), "{length} bytes");
    }
    assert_eq!(training().resume(&[good.as_slice(), &[0]].concat()), Err(CheckpointError::Damaged));
    let mut newer = good.clone();
    newer[0] += 1;
    assert!(matches!(training().resume(&newer), Err(CheckpointError::OtherVersion { .. })));
    let (recipe, data) = (recipe(&others), other_data.make());
    let mut other = Training::new(&recipe, &data, VALIDATION, SEED, Kernel::detect());
    assert_eq!(other.resume(good), Err(CheckpointError::Damaged));
}
