//! A trial as a worker receives it, and the ways in which an attempt at it may fail.

use crate::choice::Choices;
use crate::data::{Pick, Validation};
use crate::id::{Digest, TrialId};
use crate::seed::SeedKey;
use serde::{Deserialize, Serialize};

/// Everything that determines a trial's result.
#[derive(Clone, PartialEq, Debug)]
pub struct TrialSpec {
    /// Complete: every setting that applies.
    pub choices: Choices,
    /// What its random streams are derived from.
    pub seed: SeedKey,
    /// The data set, by the digest of its manifest.
    pub data: Digest,
    /// Which part of the training set is held out.
    pub validation: Validation,
    /// The version of the engine's arithmetic.
    pub numerics: u32,
}

impl TrialSpec {
    /// Returns the trial's identity.
    pub fn id(&self) -> TrialId {
        TrialId::of(&self.choices, self.seed, self.data_key(), self.numerics)
    }

    /// Hashes the data set together with how it is divided.
    fn data_key(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("gridsweep divided data 1");
        hasher.update(&self.data.0);
        hasher.update(&self.validation.fraction.to_bits().to_le_bytes());
        hasher.update(&[match self.validation.pick {
            Pick::Random => 0,
            Pick::Last => 1,
        }]);
        Digest(*hasher.finalize().as_bytes())
    }
}

/// Why an attempt gave no result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What kind of failure it was.
    pub kind: FailureKind,
    /// One line for people.
    pub detail: String,
}

/// The kinds of failure. Divergence is none of them: it is a result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The training code panicked.
    Panic,
    /// Memory ran out.
    OutOfMemory,
    /// No progress for too long.
    Timeout,
    /// Reading the data set failed.
    Io,
    /// A checkpoint did not read back as it was written.
    CheckpointCorrupt,
    /// The worker stopped; not the trial's doing.
    WorkerShutdown,
    /// The worker cannot make sense of the trial.
    Internal,
    /// The worker's process or connection went away while the attempt ran.
    WorkerLost,
}

/// A checkpoint that is kept for whoever tries the trial next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeptCheckpoint {
    /// The BLAKE3 digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub length: u64,
    /// Epochs completed.
    pub epoch: u32,
    /// Steps of the next epoch completed.
    pub step: u32,
}

impl KeptCheckpoint {
    /// Returns how far the trial had come: epochs, and steps of the next one.
    pub fn progress(&self) -> (u32, u32) {
        (self.epoch, self.step)
    }
}

/// Every kind of failure.
pub const FAILURE_KINDS: [FailureKind; 8] = [
    FailureKind::Panic,
    FailureKind::OutOfMemory,
    FailureKind::Timeout,
    FailureKind::Io,
    FailureKind::CheckpointCorrupt,
    FailureKind::WorkerShutdown,
    FailureKind::Internal,
    FailureKind::WorkerLost,
];

impl FailureKind {
    /// Returns the kind's name in the store and in exports.
    pub fn name(self) -> &'static str {
        match self {
            FailureKind::Panic => "panic",
            FailureKind::OutOfMemory => "out_of_memory",
            FailureKind::Timeout => "timeout",
            FailureKind::Io => "io",
            FailureKind::CheckpointCorrupt => "checkpoint_corrupt",
            FailureKind::WorkerShutdown => "worker_shutdown",
            FailureKind::Internal => "internal",
            FailureKind::WorkerLost => "worker_lost",
        }
    }

    /// Returns the kind of this name.
    pub fn from_name(name: &str) -> Option<FailureKind> {
        FAILURE_KINDS.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether another attempt may go better, and whether this one counts towards the limit of attempts.
    pub fn retry(self) -> Retry {
        match self {
            FailureKind::WorkerShutdown => Retry::Free,
            FailureKind::Panic
            | FailureKind::OutOfMemory
            | FailureKind::Timeout
            | FailureKind::Io
            | FailureKind::CheckpointCorrupt
            | FailureKind::WorkerLost => Retry::Counted,
            FailureKind::Internal => Retry::Never,
        }
    }
}

/// What a failed attempt means for its trial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// Tried again; the attempt does not count.
    Free,
    /// Tried again until [`ATTEMPTS_MAX`] attempts have failed.
    Counted,
    /// The trial has failed.
    Never,
}

/// How many failed attempts a trial has before it is given up.
pub const ATTEMPTS_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_part_of_a_trials_identity() {
        let spec = TrialSpec {
            choices: Choices::default(),
            seed: SeedKey { root: 1, replicate: 0 },
            data: Digest([1; 32]),
            validation: Validation { fraction: 0.2, pick: Pick::Random },
            numerics: 1,
        };
        let mut other = spec.clone();
        other.validation.pick = Pick::Last;
        assert_ne!(spec.id(), other.id());
        other = spec.clone();
        other.validation.fraction = 0.25;
        assert_ne!(spec.id(), other.id());
        assert_eq!(spec.id(), spec.clone().id());
    }

    #[test]
    fn every_failure_is_found_by_its_name() {
        for kind in FAILURE_KINDS {
            assert_eq!(FailureKind::from_name(kind.name()), Some(kind));
        }
    }
}
