//! What training does, from outside.

use super::{SEED, Synthetic, VALIDATION, Value, recipe, run, run_for};
use crate::kernel::{Kernel, NoKernel};
use crate::{Dataset, Interrupted, Observer, train};
use gridsweep_common::data::{Pick, Validation};
use gridsweep_common::metric::{Ending, EpochMetrics, Metric, Outcome};
use gridsweep_common::seed::SeedKey;

fn outcome(settings: &[(&str, Value)], data: Synthetic) -> Outcome {
    run(&recipe(settings), &data.make(), Kernel::detect())
}

#[test]
fn a_separable_problem_is_learnt() {
    for activation in super::names("activation") {
        let settings = [
            ("activation", Value::from(activation.as_str())),
            ("hidden", Value::from(vec![64.0])),
            ("epochs", Value::from(30.0)),
            ("optimizer.learning_rate", Value::from(0.01)),
        ];
        let outcome = outcome(&settings, Synthetic { samples: 600, ..Synthetic::DENSE });
        assert_eq!(outcome.ending, Ending::Succeeded);
        assert!(outcome.summary().metric(Metric::TestAccuracy) > Some(0.95), "{activation}");
        assert!(outcome.epochs[29].training_accuracy > 0.95, "{activation}");
        assert!(outcome.epochs[29].training_loss < 0.3 * outcome.epochs[0].training_loss, "{activation}");
    }
}

#[test]
fn every_initializer_and_every_optimizer_learns() {
    let learns = |name: &str, setting: &str, rate: f64| {
        let settings = [
            (setting, Value::from(name)),
            ("hidden", Value::from(vec![64.0])),
            ("epochs", Value::from(30.0)),
            ("optimizer.learning_rate", Value::from(rate)),
        ];
        let outcome = outcome(&settings, Synthetic { samples: 600, ..Synthetic::DENSE });
        assert!(outcome.summary().metric(Metric::TestAccuracy) > Some(0.9), "{name}");
    };
    for initializer in super::names("initializer") {
        learns(&initializer, "initializer", 0.01);
    }
    for optimizer in super::names("optimizer.kind") {
        let rate = if ["sgd", "adagrad"].contains(&optimizer.as_str()) { 0.1 } else { 0.01 };
        learns(&optimizer, "optimizer.kind", rate);
    }
}

#[test]
fn an_untrained_network_guesses() {
    let settings = [("optimizer.learning_rate", Value::from(1e-9))];
    let outcome = outcome(&settings, Synthetic { samples: 500, ..Synthetic::SPARSE });
    let loss = outcome.epochs[0].validation_loss;
    assert!((loss - 10_f64.ln()).abs() < 0.3, "{loss}");
}

#[test]
fn counts_add_up() {
    let outcome = outcome(&[], Synthetic { samples: 300, ..Synthetic::SPARSE });
    let evaluation = outcome.evaluation.as_ref().expect("training succeeded");
    assert_eq!(evaluation.confusion.samples(), 150);
    assert!((evaluation.test_accuracy + evaluation.test_error() - 1.0).abs() < 1e-15);
    let shapes: Vec<_> = evaluation.matrices.iter().map(|m| (m.inputs, m.units)).collect();
    assert_eq!(shapes, [(130, 13), (13, 70), (70, 16), (16, 10)]);
    for matrix in &evaluation.matrices {
        assert_eq!(matrix.histogram.iter().sum::<u64>(), u64::from(matrix.inputs * matrix.units));
    }
}

#[test]
fn without_a_penalty_the_objective_is_the_loss() {
    let plain = outcome(&[], Synthetic::SPARSE);
    assert!(plain.epochs.iter().all(|epoch| epoch.training_objective == epoch.training_loss));
    let l1 = outcome(&super::regularizer_settings("l1"), Synthetic::SPARSE);
    assert!(l1.epochs.iter().all(|epoch| epoch.training_objective > epoch.training_loss + 0.1));
}

#[test]
fn a_network_without_hidden_layers_is_softmax_regression() {
    let settings = [("hidden", Value::List(vec![])), ("epochs", Value::from(30.0))];
    let outcome = outcome(&settings, Synthetic { samples: 400, ..Synthetic::DENSE });
    assert!(outcome.summary().metric(Metric::TestAccuracy) > Some(0.9));
    assert_eq!(outcome.evaluation.expect("training succeeded").matrices.len(), 1);
}

/// Softmax over one class is 1 whatever the network says: there is no loss, and no gradient moves anything.
#[test]
fn one_class_is_known_from_the_start() {
    let outcome = outcome(&[], Synthetic { classes: 1, ..Synthetic::SPARSE });
    assert_eq!(outcome.summary().metric(Metric::TestAccuracy), Some(1.0));
    assert!(
        outcome.epochs.iter().all(|epoch| epoch.training_objective == 0.0 && epoch.validation_loss == 0.0)
    );
    assert_eq!(outcome.evaluation.expect("training succeeded").confusion.counts(), [80]);
}

/// Counts how often training asks, which it does once a step and once a pass of an evaluation.
#[derive(Default)]
struct Counter {
    epochs: u64,
    questions: u64,
}

impl Observer for Counter {
    fn epoch(&mut self, _: &EpochMetrics) {
        self.epochs += 1;
    }
    fn is_interrupted(&mut self) -> bool {
        self.questions += 1;
        false
    }
}

/// Keeps the weights that it is handed.
#[derive(Default)]
struct Keeper(Option<Vec<u8>>);

impl Observer for Keeper {
    fn epoch(&mut self, _: &EpochMetrics) {}
    fn is_interrupted(&mut self) -> bool {
        false
    }
    fn wants_weights(&self) -> bool {
        true
    }
    fn weights(&mut self, tensors: Vec<u8>) {
        self.0 = Some(tensors);
    }
}

#[test]
fn the_weights_handed_over_are_those_of_the_outcome() {
    let (recipe_of, data) = (recipe, Synthetic::SPARSE.make());
    let recipe = recipe_of(&[]);
    let mut keeper = Keeper::default();
    let outcome = train(&recipe, &data, VALIDATION, SEED, Kernel::detect(), &mut keeper);
    let digest = outcome.expect("nobody interrupts").evaluation.expect("it succeeds").weights_digest;
    let tensors = keeper.0.expect("they are handed over");
    let parameters = recipe.parameters(data.inputs_per_sample(), data.classes());
    assert_eq!(tensors.len() as u64, 4 * parameters);
    assert_eq!(gridsweep_common::id::Digest::of(&tensors), digest);
    let diverging = [("optimizer.kind", Value::from("sgd")), ("optimizer.learning_rate", Value::from(1e30))];
    let mut keeper = Keeper::default();
    let outcome = train(&recipe_of(&diverging), &data, VALIDATION, SEED, Kernel::detect(), &mut keeper);
    assert!(outcome.expect("nobody interrupts").evaluation.is_none() && keeper.0.is_none());
}

#[test]
fn a_last_smaller_batch_is_a_step() {
    let data = Synthetic { samples: 163, ..Synthetic::SPARSE }.make();
    let mut counter = Counter::default();
    let done = train(&recipe(&[]), &data, VALIDATION, SEED, Kernel::detect(), &mut counter);
    assert!(done.is_ok());
    // 2 epochs of 130 samples in batches of 32 and 33 for validation; at the end 33 once more and 81 for testing.
    assert_eq!(counter.questions, 2 * (5 + 1) + 1 + 1);
    assert_eq!(counter.epochs, 2);
}

/// Where all samples are one and the same, only a wrong divisor makes the size of a batch matter.
#[test]
fn the_gradient_of_a_smaller_batch_is_the_mean_over_its_own_samples() {
    let (inputs, labels) = ([9, 200, 0, 77].repeat(21), vec![1; 21]);
    let data = Dataset::from_bytes(inputs.clone(), labels.clone(), inputs, labels, 4, 2).expect("a data set");
    let loss = |batch_size: f64| {
        let settings = [
            ("batch_size", Value::from(batch_size)),
            ("epochs", Value::from(1.0)),
            ("optimizer.kind", Value::from("sgd")),
            ("optimizer.learning_rate", Value::from(0.5)),
        ];
        let mut counter = Counter::default();
        let validation = Validation { fraction: 1.0 / 21.0, pick: Pick::Last };
        let outcome = train(&recipe(&settings), &data, validation, SEED, Kernel::detect(), &mut counter);
        outcome.expect("nobody interrupts").epochs[0].validation_loss
    };
    // 10 + 10 samples, 19 + 1 samples, and one step of all 20.
    assert!((loss(10.0) - loss(19.0)).abs() < 1e-6);
    assert!((loss(10.0) - loss(20.0)).abs() > 1e-3);
}

#[test]
fn a_batch_may_be_larger_than_the_data() {
    let outcome = outcome(&[("batch_size", Value::from(65_536.0))], Synthetic::SPARSE);
    assert_eq!(outcome.epochs.len(), 2);
}

#[test]
fn an_interrupted_training_has_no_outcome() {
    let (recipe, data) = (recipe(&[]), Synthetic::SPARSE.make());
    // Steps 4, validation 1, twice; at the end validation 1 and test 1.
    for questions in 1..=12 {
        assert_eq!(run_for(&recipe, &data, Kernel::detect(), questions), Err(Interrupted), "{questions}");
    }
    assert!(run_for(&recipe, &data, Kernel::detect(), 13).is_ok());
}

#[test]
fn a_network_that_explodes_at_once_has_diverged() {
    for optimizer in super::names("optimizer.kind") {
        let settings = [
            ("optimizer.kind", Value::from(optimizer.as_str())),
            ("optimizer.learning_rate", Value::from(1e38)),
        ];
        let outcome = outcome(&settings, Synthetic::SPARSE);
        assert_eq!((outcome.ending, outcome.epochs.len()), (Ending::Diverged, 0), "{optimizer}");
        assert_eq!(outcome.evaluation, None);
    }
}

#[test]
fn a_network_that_explodes_late_keeps_its_completed_epochs() {
    let settings = [
        ("hidden", Value::List(vec![])),
        ("epochs", Value::from(100.0)),
        // Each step multiplies the weights by 1 − 2·2·1 = −3.
        ("regularizer", Value::from("l2")),
        ("coefficient", Value::from(2.0)),
        ("optimizer.kind", Value::from("sgd")),
        ("optimizer.learning_rate", Value::from(1.0)),
    ];
    let outcome = outcome(&settings, Synthetic::SPARSE);
    assert_eq!((outcome.ending, outcome.evaluation), (Ending::Diverged, None));
    // 4 steps an epoch; squares of 3⁴⁰ are beyond f32.
    assert!((5..=12).contains(&outcome.epochs.len()), "{}", outcome.epochs.len());
    assert!(outcome.epochs.iter().all(|epoch| epoch.training_objective.is_finite()));
}

#[test]
fn the_learning_rate_is_cut_while_nothing_gets_better() {
    let settings = [
        ("epochs", Value::from(5.0)),
        ("reduce_learning_rate.patience", Value::from(2.0)),
        ("reduce_learning_rate.factor", Value::from(0.5)),
        ("reduce_learning_rate.min_delta", Value::from(1e9)),
    ];
    let outcome = outcome(&settings, Synthetic::SPARSE);
    let rates: Vec<f64> = outcome.epochs.iter().map(|epoch| epoch.learning_rate).collect();
    // The first value is the best; two that are not better follow, then the next two.
    assert_eq!(rates, [1e-3, 1e-3, 1e-3, 5e-4, 5e-4]);
}

/// Step by step: warm-up, the schedule's cut, and the plateau's on top of it.
#[test]
fn the_learning_rate_is_that_of_its_schedule_times_the_cuts() {
    let settings = [
        ("epochs", Value::from(6.0)),
        ("optimizer.learning_rate", Value::from(1.0)),
        ("optimizer.kind", Value::from("sgd")),
        ("schedule.kind", Value::from("step")),
        ("schedule.warm_up_epochs", Value::from(1.0)),
        ("schedule.every_epochs", Value::from(2.0)),
        ("schedule.factor", Value::from(0.25)),
    ];
    let rates = |settings: &[(&str, Value)]| {
        outcome(settings, Synthetic::SPARSE).epochs.iter().map(|e| e.learning_rate).collect::<Vec<f64>>()
    };
    assert_eq!(rates(&settings), [0.5, 1.0, 1.0, 0.25, 0.25, 0.0625]);
    let cuts = [
        ("reduce_learning_rate.patience", Value::from(3.0)),
        ("reduce_learning_rate.factor", Value::from(0.5)),
        ("reduce_learning_rate.min_delta", Value::from(1e9)),
    ];
    assert_eq!(rates(&[&settings[..], &cuts].concat()), [0.5, 1.0, 1.0, 0.25, 0.125, 0.03125]);
}

/// A table of nothing: an old sweep and one that says it have the same results.
#[test]
fn a_constant_schedule_changes_no_bit_and_any_other_does() {
    let digest = |settings: &[(&str, Value)]| outcome(settings, Synthetic::SPARSE).digest();
    let plain = digest(&[]);
    assert_eq!(digest(&[("schedule.kind", Value::from("constant"))]), plain);
    assert_ne!(digest(&[("schedule.kind", Value::from("cosine"))]), plain);
}

#[test]
fn training_stops_while_nothing_gets_better() {
    let settings = [
        ("epochs", Value::from(50.0)),
        ("early_stop.patience", Value::from(3.0)),
        ("early_stop.min_delta", Value::from(1e9)),
    ];
    let outcome = outcome(&settings, Synthetic::SPARSE);
    assert_eq!((outcome.ending, outcome.epochs.len()), (Ending::Succeeded, 4));
}

#[test]
fn final_metrics_are_those_of_the_last_weights_or_of_the_best() {
    let settings = |restore_best| {
        [
            ("restore_best", Value::from(restore_best)),
            ("epochs", Value::from(12.0)),
            ("optimizer.learning_rate", Value::from(0.03)),
        ]
    };
    let (last, best) =
        (outcome(&settings(false), Synthetic::SPARSE), outcome(&settings(true), Synthetic::SPARSE));
    assert_eq!(last.epochs, best.epochs, "restoring changes nothing on the way");
    assert_eq!(
        last.summary().metric(Metric::ValidationLoss),
        last.epochs.last().map(|epoch| epoch.validation_loss)
    );
    assert_eq!(
        best.summary().metric(Metric::ValidationLoss),
        best.summary().metric(Metric::MinValidationLoss)
    );
    assert_ne!(last.summary().metric(Metric::ValidationLoss), best.summary().metric(Metric::ValidationLoss));
}

#[test]
fn a_replicate_is_reproduced_and_another_is_another() {
    let (recipe, data) = (recipe(&[]), Synthetic::SPARSE.make());
    let digest = |replicate| {
        let (seed, mut observer) = (SeedKey { replicate, ..SEED }, Counter::default());
        let outcome = train(&recipe, &data, VALIDATION, seed, Kernel::detect(), &mut observer);
        outcome.expect("nobody interrupts").digest()
    };
    assert_eq!(digest(0), digest(0));
    assert_ne!(digest(0), digest(1));
}

/// Cells are compared on common random numbers: a penalty of nothing changes nothing.
#[test]
fn random_streams_do_not_depend_on_the_regularizer() {
    let settings = [("regularizer", Value::from("l1")), ("coefficient", Value::from(0.0))];
    let (l1, none) = (outcome(&settings, Synthetic::SPARSE), outcome(&[], Synthetic::SPARSE));
    assert_eq!(l1.digest(), none.digest());
}

/// The bound holds for the weights that are measured, and the way back sees the weights that are bounded.
#[test]
fn bounded_weights_are_trained_the_same_in_every_kernel_and_far_bounds_do_nothing() {
    let bounded = |most: f64, kernel| {
        let settings = [("regularizer", Value::from("max_norm")), ("max_norm", Value::from(most))];
        run(&recipe(&settings), &Synthetic::SPARSE.make(), kernel).digest()
    };
    let plain = outcome(&[], Synthetic::SPARSE).digest();
    assert_eq!(bounded(100.0, Kernel::detect()), plain);
    for most in [0.5, 1.0] {
        assert_ne!(bounded(most, Kernel::detect()), plain);
        for kernel in Kernel::available() {
            assert_eq!(bounded(most, kernel), bounded(most, Kernel::REFERENCE), "{}", kernel.name());
        }
    }
}

#[test]
fn a_decay_of_nothing_leaves_adam_and_any_other_does_not() {
    let decayed = |decay| {
        let settings =
            [("optimizer.kind", Value::from("adamw")), ("optimizer.weight_decay", Value::from(decay))];
        outcome(&settings, Synthetic::SPARSE).digest()
    };
    let adam = outcome(&[], Synthetic::SPARSE).digest();
    assert_eq!(decayed(0.0), adam);
    assert_ne!(decayed(0.1), adam);
}

/// Whoever sweeps the two coefficients finds the plain penalties at the edges of the grid, to the bit.
#[test]
fn an_elastic_net_with_one_coefficient_is_the_other_penalty() {
    for data in [Synthetic::SPARSE, Synthetic::DENSE] {
        for (name, l1, l2) in [("l1", 0.01, 0.0), ("l2", 0.0, 0.01)] {
            let alone = [("regularizer", Value::from(name)), ("coefficient", Value::from(0.01))];
            let net = [
                ("regularizer", Value::from("elastic_net")),
                ("l1_coefficient", Value::from(l1)),
                ("l2_coefficient", Value::from(l2)),
            ];
            assert_eq!(outcome(&net, data).digest(), outcome(&alone, data).digest(), "{name}");
        }
    }
    let both = outcome(&super::regularizer_settings("elastic_net"), Synthetic::SPARSE);
    let one = outcome(&super::regularizer_settings("l1"), Synthetic::SPARSE);
    assert_ne!(both.digest(), one.digest());
}

/// On a processor without vectors of its own for the engine the portable kernel computes: the reference is for tests.
#[test]
fn the_reference_computes_on_demand_only() {
    assert_ne!(Kernel::detect(), Kernel::REFERENCE);
    assert!(Kernel::REFERENCE.is_slow());
    let has_vectors = ["avx2", "avx512"].iter().any(|name| Kernel::by_name(name).is_ok());
    assert_eq!(Kernel::detect().is_slow(), !has_vectors && cfg!(target_arch = "x86_64"));
}

#[test]
fn kernels_are_known_by_name() {
    for kernel in Kernel::available() {
        assert_eq!(Kernel::by_name(kernel.name()), Ok(kernel));
    }
    assert!(Kernel::by_name("portable").is_ok(), "every machine has it");
    for name in ["avx2", "avx512"] {
        let error = Kernel::by_name(name).err().map(|error| error.to_string());
        let reason = if cfg!(target_arch = "x86_64") { "does not have" } else { "is not built" };
        assert!(error.is_none_or(|error| error.contains(reason)), "{name}");
    }
    assert!(matches!(Kernel::by_name("mmx"), Err(NoKernel::Unknown { .. })));
}
