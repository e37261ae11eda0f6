//! One rule from which every random stream is derived.
//!
//! Streams depend on the root seed, the replicate and their purpose, never on the other choices: the cells of a sweep
//! are compared on common random numbers (the same split, batch order and, for equal shapes, the same initial weights).

use serde::{Deserialize, Serialize};

/// What all random streams of a trial are derived from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SeedKey {
    /// `replicates.seed` of the sweep file.
    pub root: u64,
    /// The replicate, counted from 0.
    pub replicate: u32,
}

/// What a random stream is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Which samples are held out for validation.
    Split,
    /// Initial weights.
    Init,
    /// The order of the training samples in each epoch.
    Shuffle,
    /// Which units are dropped.
    Dropout,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::Split => "split",
            Purpose::Init => "init",
            Purpose::Shuffle => "shuffle",
            Purpose::Dropout => "dropout",
        }
    }
}

/// Derives the 64-bit key of a counter-based generator: BLAKE3 of (root, replicate, purpose).
pub fn derive(seed: SeedKey, purpose: Purpose) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("gridsweep random stream 1");
    hasher.update(&seed.root.to_le_bytes());
    hasher.update(&seed.replicate.to_le_bytes());
    hasher.update(purpose.name().as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_different_purpose_replicate_or_root_differ() {
        let seed = SeedKey { root: 1, replicate: 0 };
        let keys = [
            derive(seed, Purpose::Split),
            derive(seed, Purpose::Init),
            derive(seed, Purpose::Shuffle),
            derive(seed, Purpose::Dropout),
            derive(SeedKey { replicate: 1, ..seed }, Purpose::Init),
            derive(SeedKey { root: 2, ..seed }, Purpose::Init),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
