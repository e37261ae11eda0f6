//! A sweep as it was submitted: the file's text, frozen with everything else that its trials depend on.

use crate::catalogue::Catalogue;
use crate::choice::Choices;
use crate::data::{DataManifest, Validation};
use crate::id::Digest;
use crate::search::Search;
use crate::seed::SeedKey;
use crate::spec::{self, Problem, Sweep};
use crate::trial::TrialSpec;
use serde::{Deserialize, Serialize};

/// What is submitted and stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FrozenSweep {
    /// The sweep file, `--set` applied.
    pub text: String,
    /// The settings there were, with their defaults: a later version with others reads this file as it was meant.
    pub catalogue: Catalogue,
    /// The data set that the file names.
    pub data: DataManifest,
    /// The version of the engine's arithmetic.
    pub numerics: u32,
}

/// A frozen sweep with its file read: the trials can be counted and told by index.
#[derive(Debug)]
pub struct OpenSweep {
    /// What was submitted.
    pub frozen: FrozenSweep,
    /// What its text says.
    pub sweep: Sweep,
    digest: Digest,
    data: Digest,
}

impl FrozenSweep {
    /// Hashes all that the sweep's trials depend on, and its text.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("gridsweep frozen sweep 1");
        let catalogue = serde_json::to_vec(&self.catalogue).expect("a catalogue is plain data");
        for part in [self.text.as_bytes(), &catalogue, &self.data.digest().0, &self.numerics.to_le_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// Reads the file's text.
    pub fn open(self) -> Result<OpenSweep, Vec<Problem>> {
        let sweep = spec::parse(&self.text, &self.catalogue)?;
        Ok(OpenSweep { sweep, digest: self.digest(), data: self.data.digest(), frozen: self })
    }
}

impl OpenSweep {
    /// Returns the digest of what was submitted.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the digest of the data set's manifest.
    pub fn data(&self) -> Digest {
        self.data
    }

    /// Returns how many trials there are, shared ones counted once.
    pub fn trials(&self) -> u64 {
        self.sweep.grid().trials()
    }

    /// Returns the trial with this index, `None` from [`OpenSweep::trials`] on.
    pub fn trial(&self, index: u64) -> Option<TrialSpec> {
        let point = self.sweep.grid().trial(index)?;
        Some(self.trial_of(point.choices, point.replicate))
    }

    /// Returns the trial of a cell's complete choices and a replicate.
    pub fn trial_of(&self, choices: Choices, replicate: u32) -> TrialSpec {
        TrialSpec {
            choices,
            seed: SeedKey { root: self.sweep.replicates.seed, replicate },
            data: self.data,
            validation: self.sweep.data.validation,
            numerics: self.frozen.numerics,
        }
    }

    /// Returns the index of a trial, if this sweep has it.
    pub fn index_of(&self, spec: &TrialSpec) -> Option<u64> {
        let fits = spec.seed.root == self.sweep.replicates.seed
            && spec.data == self.data
            && spec.validation == self.sweep.data.validation
            && spec.numerics == self.frozen.numerics;
        if fits { self.sweep.grid().index_of(&spec.choices, spec.seed.replicate) } else { None }
    }

    /// Returns how many bytes of weights a trial may leave for the sake of this sweep; 0 where it leaves none.
    pub fn weights_bytes_max(&self, spec: &TrialSpec) -> u64 {
        let replicates = u64::from(self.sweep.replicates.count);
        let bytes_max = |index| self.sweep.artifacts.weights_bytes_max(index, replicates);
        self.index_of(spec).map_or(0, bytes_max)
    }

    /// Counts the trials that this sweep and `other` have in common; `None` where two large grids overlap in so
    /// irregular a way that it cannot be told without enumerating them.
    pub fn shared_trials(&self, other: &OpenSweep) -> Option<u64> {
        let fits = self.sweep.replicates.seed == other.sweep.replicates.seed
            && self.data == other.data
            && self.validation() == other.validation()
            && self.frozen.numerics == other.frozen.numerics;
        let replicates = self.sweep.replicates.count.min(other.sweep.replicates.count);
        if !fits {
            return Some(0);
        }
        Some(self.sweep.grid().shared_cells(other.sweep.grid())? * u64::from(replicates))
    }

    fn validation(&self) -> Validation {
        self.sweep.data.validation
    }
}
