//! What a probe is told.

use super::{SEED, Synthetic, VALIDATION, Value, recipe, run};
use crate::kernel::Kernel;
use crate::split::Split;
use crate::{Dataset, Observer, Phase, Probe, Recipe, Training};
use gridsweep_common::metric::{EpochMetrics, Outcome};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Default, Debug)]
struct Log(Mutex<Vec<Phase>>);

impl Probe for Log {
    fn enter(&self, phase: Phase) {
        self.0.lock().unwrap().push(phase);
    }
}

#[derive(Default, Debug)]
struct Counted(AtomicUsize);

impl Probe for Counted {
    fn enter(&self, _: Phase) {}

    fn multiply_adds(&self, count: usize) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

struct Nobody;

impl Observer for Nobody {
    fn epoch(&mut self, _: &EpochMetrics) {}

    fn is_interrupted(&mut self) -> bool {
        false
    }
}

/// Trains, and returns the outcome and the phases.
fn probed(recipe: &Recipe, data: &Dataset) -> (Outcome, Vec<Phase>) {
    let log = Log::default();
    let training = Training::new(recipe, data, VALIDATION, SEED, Kernel::REFERENCE).probed(&log);
    let outcome = training.run(&mut Nobody).expect("nobody interrupts");
    (outcome, log.0.into_inner().unwrap())
}

#[test]
fn a_step_goes_forward_through_its_layers_and_back() {
    use Phase::{Back, Between, ForwardFirst, ForwardOthers, Gather, Loss, MoveFirst, MoveOthers};
    let recipe = recipe(&[("hidden", Value::from(vec![5.0, 3.0]))]);
    let (_, phases) = probed(&recipe, &Synthetic::SPARSE.make());
    let forward = [Gather, ForwardFirst, ForwardOthers, ForwardOthers, Loss];
    let back = [Back, MoveOthers, Back, MoveOthers, MoveFirst, Between];
    assert_eq!(phases[..11], [&forward[..], &back].concat());
    assert_eq!(phases[11], Gather);
}

#[test]
fn what_relu_made_zero_is_not_counted_and_what_others_make_is() {
    let terms = |activation: &str| {
        let recipe = recipe(&[
            ("hidden", Value::from(vec![64.0, 64.0])),
            ("activation", Value::from(activation)),
            ("epochs", Value::from(1.0)),
        ]);
        let counted = Counted::default();
        let data = Synthetic::SPARSE.make();
        let training = Training::new(&recipe, &data, VALIDATION, SEED, Kernel::REFERENCE).probed(&counted);
        training.run(&mut Nobody).expect("nobody interrupts");
        counted.0.into_inner()
    };
    // Forward, back, and gradient: between the hidden layers and to the classes.
    let samples = Split::new(Synthetic::SPARSE.samples, VALIDATION, SEED).training.len();
    let all = samples * 3 * 64 * (64 + Synthetic::SPARSE.classes);
    assert_eq!(terms("tanh"), all);
    assert!((all / 4..all * 3 / 4).contains(&terms("relu")), "{} of {all}", terms("relu"));
}

#[test]
fn each_epoch_is_validated_once_and_the_bits_are_those_without_a_probe() {
    let (recipe, data) = (recipe(&[]), Synthetic::SPARSE.make());
    let (outcome, phases) = probed(&recipe, &data);
    assert_eq!(outcome.digest(), run(&recipe, &data, Kernel::REFERENCE).digest());
    let validations = phases.iter().filter(|&&phase| phase == Phase::Validation).count();
    assert_eq!(validations, outcome.epochs.len());
}
