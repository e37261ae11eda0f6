//! Training, from a recipe to an outcome.

use crate::NUMERICS;
use crate::batch::Use;
use crate::checkpoint::{Checkpoint, CheckpointError, Reader, Writer};
use crate::crew::{Crew, Team};
use crate::dataset::Dataset;
use crate::kernel::Kernel;
use crate::loss;
use crate::mask::{Dropout, Place};
use crate::network::{Means, Network};
use crate::optimizer::{Moved, Step};
use crate::phase::{Phase, Probe};
use crate::plateau::Plateau;
use crate::random::{Key, Stream};
use crate::recipe::Recipe;
use crate::schedule::Schedule;
use crate::split::Split;
use crate::summary;
use crate::together;
use crate::workspace::Workspace;
use gridsweep_common::confusion::Confusion;
use gridsweep_common::data::Validation;
use gridsweep_common::metric::{Ending, EpochMetrics, Evaluation, Outcome};
use gridsweep_common::seed::{Purpose, SeedKey};
use std::ops::Range;
use std::sync::Arc;

/// Samples of one pass of an evaluation. Part of the numerics: losses are summed pass by pass.
const EVALUATION_BATCH: usize = 128;

/// Who watches a training.
pub trait Observer {
    /// Is told of each completed epoch, in order.
    fn epoch(&mut self, metrics: &EpochMetrics);

    /// Is asked at every step, and while held-back samples are measured, whether to give up.
    fn is_interrupted(&mut self) -> bool;

    /// Is asked at every step on how many threads to compute it, where the training has a crew: the bits are the same.
    fn threads(&mut self) -> usize {
        1
    }

    /// Is asked before every step whether it wants a checkpoint now.
    fn wants_checkpoint(&mut self) -> bool {
        false
    }

    /// Is handed one: when it wanted it, and when the training is interrupted.
    fn checkpoint(&mut self, _: &Checkpoint) {}

    /// Is asked at the end of a training that did not diverge whether it wants the last weights.
    fn wants_weights(&self) -> bool {
        false
    }

    /// Is handed them: all weights and biases, as the outcome's digest covers them.
    fn weights(&mut self, _tensors: Vec<u8>) {}
}

/// Training was given up because its observer wanted that. There is no outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("training was interrupted")]
pub struct Interrupted;

/// Why an epoch did not end.
enum Stopped {
    /// Its observer wanted that.
    Interrupted,
    /// A loss, a weight or a bias is not finite.
    Diverged,
}

/// Trains a network by `recipe` on `data` and returns what it measured.
///
/// The outcome is a function of the recipe, the data, the validation part and the seed; not of the kernel, which only
/// decides how long it takes.
///
/// # Errors
/// [`Interrupted`] when the observer says so. Divergence is an outcome, not an error.
pub fn train(
    recipe: &Recipe,
    data: &Dataset,
    validation: Validation,
    seed: SeedKey,
    kernel: Kernel,
    observer: &mut dyn Observer,
) -> Result<Outcome, Interrupted> {
    Training::new(recipe, data, validation, seed, kernel).run(observer)
}

/// A training under way: what it was asked for, its state, and its workspace.
#[derive(Debug)]
pub struct Training<'a> {
    recipe: &'a Recipe,
    data: &'a Dataset,
    kernel: Kernel,
    probe: Option<&'a dyn Probe>,
    team: Option<Team<'a>>,
    dropout: Option<Dropout>,
    shuffle: Key,
    split: Split,
    /// Every sample of the test set, in order.
    test: Vec<u32>,
    state: State,
    /// The training samples in the order of the epoch: a function of the epoch.
    order: Vec<u32>,
    /// One a thread that ever took part, one at least.
    spaces: Vec<Workspace>,
}

/// Everything that changes from step to step: with the recipe, the data and the seed it determines how training goes
/// on.
#[derive(Clone, Debug)]
struct State {
    network: Network,
    /// Powers of the optimizer's factors, one more at each step.
    powers: Vec<f64>,
    /// What the learning rate of each epoch is multiplied by: a function of the epoch, and so no state to be saved.
    schedule: Arc<dyn Schedule>,
    plateau: Plateau,
    finished: Vec<EpochMetrics>,
    /// The step of the epoch to come.
    step: u32,
    sums: Sums,
    best: Option<Best>,
}

/// The network after the epoch with the smallest validation loss.
#[derive(Clone, Debug)]
struct Best {
    validation_loss: f64,
    network: Network,
}

/// What an epoch has summed up so far, in the order of the batches.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct Sums {
    samples: u64,
    right: u64,
    loss: f64,
    penalty: f64,
}

/// Samples that are measured and not trained on.
#[derive(Clone, Copy)]
enum Held {
    Validation,
    Test,
}

/// What measuring has summed up, in the order of the passes.
struct Score {
    loss: f64,
    right: u64,
    samples: usize,
}

/// What measuring one pass gave.
#[derive(Clone, Copy, Default)]
struct Pass {
    loss: f32,
    right: u64,
}

impl<'a> Training<'a> {
    /// Makes ready to train from the first step.
    pub fn new(
        recipe: &'a Recipe,
        data: &'a Dataset,
        validation: Validation,
        seed: SeedKey,
        kernel: Kernel,
    ) -> Training<'a> {
        let split = Split::new(data.training().labels.len(), validation, seed);
        let shapes = recipe.shapes(data.inputs_per_sample(), data.classes());
        let samples_most = recipe.batch_size.min(split.training.len()).max(EVALUATION_BATCH);
        let dropout = Dropout::new(recipe.regularizer.dropout_rate(), Key::new(seed, Purpose::Dropout));
        Training {
            recipe,
            data,
            kernel,
            probe: None,
            team: None,
            dropout,
            shuffle: Key::new(seed, Purpose::Shuffle),
            order: split.training.clone(),
            split,
            test: (0..data.test().labels.len() as u32).collect(),
            state: State::new(recipe, data, &shapes, Key::new(seed, Purpose::Init)),
            spaces: vec![Workspace::new(&shapes, samples_most, dropout.is_some())],
        }
    }

    /// Computes on more threads than this one where the observer says so, with `crew`.
    pub fn helped_by(self, crew: &'a Crew) -> Training<'a> {
        Training { team: Some(Team::new(crew)), ..self }
    }

    /// Tells `probe` of every phase of what one thread computes.
    pub fn probed(self, probe: &'a dyn Probe) -> Training<'a> {
        Training { probe: Some(probe), ..self }
    }

    /// Goes on from a checkpoint of the same trial instead; after an error the training is of no use any more.
    ///
    /// # Errors
    /// [`CheckpointError`] when the bytes are not the state of a training of this recipe, or of another version.
    pub fn resume(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        let mut from = Reader::new(bytes)?;
        self.state.read(&mut from)?;
        from.finish()
    }

    /// Returns the epochs completed and the steps of the next one completed.
    pub fn progress(&self) -> (u32, u32) {
        (self.state.finished.len() as u32, self.state.step)
    }

    /// Returns how far the training of a checkpoint had come, in the measure of [`Training::progress`].
    ///
    /// # Errors
    /// [`CheckpointError`] when the bytes are too few, or of another version.
    pub fn progress_of(bytes: &[u8]) -> Result<(u32, u32), CheckpointError> {
        let mut from = Reader::new(bytes)?;
        // What `State::write` begins with.
        let (step, finished) = (from.u32()?, from.u32()?);
        Ok((finished, step))
    }

    /// Trains to the end, see [`train`]. Leaves a checkpoint with the observer when it is interrupted.
    ///
    /// # Errors
    /// [`Interrupted`] when the observer says so.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Outcome, Interrupted> {
        match self.run_to_the_end(observer) {
            Ok(evaluation) => {
                if observer.wants_weights() {
                    observer.weights(summary::tensors(&self.state.network));
                }
                Ok(self.outcome(Ending::Succeeded, Some(evaluation)))
            }
            Err(Stopped::Diverged) => Ok(self.outcome(Ending::Diverged, None)),
            Err(Stopped::Interrupted) => {
                observer.checkpoint(&self.checkpoint());
                Err(Interrupted)
            }
        }
    }

    fn checkpoint(&self) -> Checkpoint {
        let (epoch, step) = self.progress();
        let mut out = Writer::new();
        self.state.write(&mut out);
        Checkpoint { epoch, step, bytes: out.finish() }
    }

    fn run_to_the_end(&mut self, observer: &mut dyn Observer) -> Result<Evaluation, Stopped> {
        while self.has_more_epochs() {
            let metrics = self.epoch(observer)?;
            observer.epoch(&metrics);
        }
        if let Some(best) = self.state.best.take() {
            self.state.network = best.network;
        }
        self.evaluate(observer)
    }

    fn has_more_epochs(&self) -> bool {
        self.state.finished.len() < self.recipe.epochs as usize && !self.state.plateau.is_stopped()
    }

    fn epoch(&mut self, observer: &mut dyn Observer) -> Result<EpochMetrics, Stopped> {
        self.shuffle();
        while let Some(samples) = self.samples_of_step() {
            check_interrupted(observer)?;
            if observer.wants_checkpoint() {
                observer.checkpoint(&self.checkpoint());
            }
            match self.team_of_step(observer) {
                Some(team) => self.step_together(&team, samples)?,
                None => self.step(samples)?,
            }
        }
        self.means().enter(Phase::Validation);
        let (validation, _) = self.score(Held::Validation, observer)?;
        self.means().enter(Phase::Between);
        let metrics = self.state.metrics(&validation);
        self.state.finish_epoch(metrics, self.recipe.restore_best);
        Ok(metrics)
    }

    /// Puts the training samples into the order of the epoch.
    fn shuffle(&mut self) {
        let epoch = self.state.finished.len() as u32;
        self.order.copy_from_slice(&self.split.training);
        Stream::new(self.shuffle, [epoch, 0, 0]).shuffle(&mut self.order);
    }

    /// Returns which samples of the order the next step takes, or `None` at the end of the epoch.
    fn samples_of_step(&self) -> Option<Range<usize>> {
        let start = self.state.step as usize * self.recipe.batch_size;
        let end = self.order.len().min(start + self.recipe.batch_size);
        (start < end).then_some(start..end)
    }

    /// Trains on one batch.
    fn step(&mut self, samples: Range<usize>) -> Result<(), Stopped> {
        let (means, part, place) = (self.means(), self.data.training(), self.place());
        let Training { state, spaces, order, .. } = self;
        let space = &mut spaces[0];
        means.enter(Phase::Gather);
        space.batch.gather(means.kernel, part, &order[samples.clone()], Use::Training);
        state.network.forward(means, part, space, place);
        means.enter(Phase::Loss);
        space.differentiate(means.kernel, samples.len());
        let loss = f64::from(loss::total(means.kernel, [&space.losses].into_iter()));
        check_finite(loss)?;
        let step = state.next_step(means);
        let moved = state.network.step_back(means, step, part, space);
        means.enter(Phase::Between);
        let right = space.right();
        state.finish_step(samples.len(), (loss, right), moved)
    }

    /// Trains on one batch on several threads.
    fn step_together(&mut self, team: &Team<'_>, samples: Range<usize>) -> Result<(), Stopped> {
        let (means, part, place) = (self.means(), self.data.training(), self.place());
        let Training { state, spaces, order, .. } = self;
        let of_step = (&order[samples.clone()], place);
        let (loss, parts) = together::differentiate(means, team, &state.network, part, of_step, spaces);
        check_finite(loss)?;
        let step = state.next_step(means);
        let moved = together::step(means, team, &mut state.network, step, part, (spaces, parts));
        let right = spaces[..parts].iter().map(Workspace::right).sum();
        state.finish_step(samples.len(), (loss, right), moved)
    }

    /// Returns the team, and makes a workspace for each thread of the step, where there are to be several.
    fn team_of_step(&mut self, observer: &mut dyn Observer) -> Option<Team<'a>> {
        let team = self.team.clone()?;
        let threads = observer.threads().min(team.threads());
        let shapes = || self.recipe.shapes(self.data.inputs_per_sample(), self.data.classes());
        let samples_most = self.spaces[0].samples_most().div_ceil(2).max(EVALUATION_BATCH);
        let space = || Workspace::new(&shapes(), samples_most, self.dropout.is_some());
        // Those of threads that take part no more are given back.
        self.spaces.resize_with(threads.max(1), space);
        (threads > 1).then_some(team)
    }

    fn means(&self) -> Means<'a> {
        Means {
            kernel: self.kernel,
            activation: &*self.recipe.activation,
            regularizer: &*self.recipe.regularizer,
            optimizer: &*self.recipe.optimizer,
            dropout: self.dropout,
            probe: self.probe,
        }
    }

    fn place(&self) -> Place {
        let epoch = self.state.finished.len() as u32;
        Place { epoch, step: self.state.step, layer: 0, first_sample: 0 }
    }

    /// Measures the network on what is held back; returns the predictions too.
    fn score(&mut self, held: Held, observer: &mut dyn Observer) -> Result<(Score, Vec<u8>), Stopped> {
        let team = self.team_of_step(observer);
        let means = self.means();
        let Training { data, split, test, state, spaces, .. } = self;
        let (part, samples) = match held {
            Held::Validation => (data.training(), &split.validation),
            Held::Test => (data.test(), &*test),
        };
        let mut predictions = vec![0; samples.len()];
        let mut passes = vec![Pass::default(); samples.len().div_ceil(EVALUATION_BATCH)];
        let chunks = samples.chunks(EVALUATION_BATCH).zip(predictions.chunks_mut(EVALUATION_BATCH));
        let mut items = passes.iter_mut().zip(chunks);
        let measure =
            |space: &mut Workspace, (pass, (samples, predictions)): (&mut Pass, (&[u32], &mut [u8]))| {
                space.batch.gather(means.kernel, part, samples, Use::Evaluation);
                state.network.evaluate(means, part, space);
                *pass = Pass { loss: space.losses(means.kernel), right: space.right() };
                predictions.copy_from_slice(space.losses.predictions());
            };
        match team {
            Some(team) => {
                check_interrupted(observer)?;
                team.share(spaces, items, measure);
            }
            None => items.try_for_each(|item| {
                check_interrupted(observer)?;
                measure(&mut spaces[0], item);
                Ok(())
            })?,
        }
        let score = Score::new(&passes, samples.len());
        check_finite(score.loss)?;
        Ok((score, predictions))
    }

    /// Measures the network at the end.
    fn evaluate(&mut self, observer: &mut dyn Observer) -> Result<Evaluation, Stopped> {
        let (validation, _) = self.score(Held::Validation, observer)?;
        let (test, predictions) = self.score(Held::Test, observer)?;
        let mut confusion = Confusion::empty(self.data.classes());
        for (&label, prediction) in self.data.test().labels.iter().zip(predictions) {
            confusion.count(usize::from(label), usize::from(prediction));
        }
        Ok(Evaluation {
            validation_loss: validation.mean_loss(),
            test_loss: test.mean_loss(),
            test_accuracy: test.accuracy(),
            confusion,
            matrices: summary::summarize(&self.state.network),
            weights_digest: summary::digest(&self.state.network),
        })
    }

    fn outcome(self, ending: Ending, evaluation: Option<Evaluation>) -> Outcome {
        Outcome { ending, epochs: self.state.finished, evaluation, numerics: NUMERICS }
    }
}

impl State {
    fn new(recipe: &Recipe, data: &Dataset, shapes: &[(usize, usize)], init: Key) -> State {
        let (reduce, stop) = (recipe.reduce_learning_rate, recipe.early_stop);
        let mut network = Network::new(shapes, &*recipe.initializer, init, recipe.optimizer.moments());
        if let Some(standardization) = data.standardization() {
            network.standardize(Arc::clone(standardization));
        }
        State {
            network,
            powers: recipe.optimizer.powers(),
            schedule: recipe.schedule.clone(),
            plateau: Plateau::new(recipe.learning_rate, reduce, stop),
            finished: Vec::new(),
            step: 0,
            sums: Sums::default(),
            best: None,
        }
    }

    fn write(&self, out: &mut Writer) {
        out.u32(self.step);
        out.u32(self.finished.len() as u32);
        self.finished.iter().for_each(|metrics| out.epoch(metrics));
        let Sums { samples, right, loss, penalty } = self.sums;
        out.u64(samples);
        out.u64(right);
        out.f64(loss);
        out.f64(penalty);
        self.plateau.write(out);
        self.powers.iter().for_each(|power| out.f64(*power));
        self.network.write(out);
        out.bool(self.best.is_some());
        if let Some(best) = &self.best {
            out.f64(best.validation_loss);
            best.network.write(out);
        }
    }

    /// Reads what [`State::write`] wrote of a training of the same recipe.
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), CheckpointError> {
        self.step = from.u32()?;
        let finished = from.u32()?;
        self.finished = (0..finished).map(|epoch| from.epoch(epoch)).collect::<Result<_, _>>()?;
        self.sums =
            Sums { samples: from.u64()?, right: from.u64()?, loss: from.f64()?, penalty: from.f64()? };
        self.plateau.read(from)?;
        for power in &mut self.powers {
            *power = from.f64()?;
        }
        self.network.read(from)?;
        self.best = None;
        if from.bool()? {
            let (validation_loss, mut network) = (from.f64()?, self.network.clone());
            network.read(from)?;
            self.best = Some(Best { validation_loss, network });
        }
        Ok(())
    }

    /// Counts one more step into the powers and prepares it.
    fn next_step(&mut self, means: Means<'_>) -> Step {
        means.optimizer.advance(&mut self.powers);
        means.optimizer.step(self.learning_rate(), &self.powers)
    }

    /// Returns the learning rate of this epoch.
    fn learning_rate(&self) -> f64 {
        self.plateau.learning_rate() * self.schedule.factor(self.finished.len() as u32)
    }

    fn metrics(&self, validation: &Score) -> EpochMetrics {
        let samples = self.sums.samples as f64;
        EpochMetrics {
            epoch: self.finished.len() as u32,
            learning_rate: self.learning_rate(),
            training_objective: (self.sums.loss + self.sums.penalty) / samples,
            training_loss: self.sums.loss / samples,
            training_accuracy: self.sums.right as f64 / samples,
            validation_loss: validation.mean_loss(),
            validation_accuracy: validation.accuracy(),
        }
    }

    /// Counts in a batch: the sum of its losses and its right predictions, and what moving gave; a penalty counts once a
    /// sample.
    fn finish_step(
        &mut self,
        samples: usize,
        (loss, right): (f64, u64),
        moved: Moved,
    ) -> Result<(), Stopped> {
        self.sums.samples += samples as u64;
        self.sums.right += right;
        self.sums.loss += loss;
        self.sums.penalty += moved.penalty * samples as f64;
        self.step += 1;
        check_finite(moved.penalty)?;
        if moved.is_finite { Ok(()) } else { Err(Stopped::Diverged) }
    }

    /// Takes in what the epoch gave and makes ready for the next.
    fn finish_epoch(&mut self, metrics: EpochMetrics, keeps_best: bool) {
        self.finished.push(metrics);
        self.plateau.epoch(&metrics);
        self.step = 0;
        self.sums = Sums::default();
        let is_best = self.best.as_ref().is_none_or(|best| metrics.validation_loss < best.validation_loss);
        if keeps_best && is_best {
            let (validation_loss, network) = (metrics.validation_loss, self.network.clone());
            self.best = Some(Best { validation_loss, network });
        }
    }
}

impl Score {
    /// Sums up passes, in their order.
    fn new(passes: &[Pass], samples: usize) -> Score {
        let mut score = Score { loss: 0.0, right: 0, samples };
        for pass in passes {
            score.loss += f64::from(pass.loss);
            score.right += pass.right;
        }
        score
    }

    fn mean_loss(&self) -> f64 {
        self.loss / self.samples as f64
    }

    fn accuracy(&self) -> f64 {
        self.right as f64 / self.samples as f64
    }
}

fn check_interrupted(observer: &mut dyn Observer) -> Result<(), Stopped> {
    if observer.is_interrupted() { Err(Stopped::Interrupted) } else { Ok(()) }
}

fn check_finite(loss: f64) -> Result<(), Stopped> {
    if loss.is_finite() { Ok(()) } else { Err(Stopped::Diverged) }
}
