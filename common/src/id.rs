//! Identities. Each is its own type, so that a sweep can never be passed for a trial.

use crate::choice::Choices;
use crate::seed::SeedKey;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A BLAKE3 hash: names a blob, a data set, a frozen sweep, a set of weights, a result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }
}

/// Identifies a trial: the first half of the hash of everything that determines its result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrialId(pub [u8; 16]);

impl TrialId {
    /// Derives the id from all that the result is a function of: the complete choices, the replicate's seed, the
    /// data (its digest covers how the validation part is picked) and the version of the numerics.
    pub fn of(choices: &Choices, seed: SeedKey, data: Digest, numerics: u32) -> TrialId {
        let mut hasher = blake3::Hasher::new_derive_key("gridsweep trial id 1");
        let choices = choices.canonical_bytes();
        hasher.update(&(choices.len() as u64).to_le_bytes());
        hasher.update(&choices);
        hasher.update(&seed.root.to_le_bytes());
        hasher.update(&seed.replicate.to_le_bytes());
        hasher.update(&data.0);
        hasher.update(&numerics.to_le_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        TrialId(id)
    }
}

/// A text that is not the hexadecimal form of an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of {expected} hexadecimal digits: \"{text}\"")]
pub struct NotAnId {
    /// How many digits an id of this kind has.
    pub expected: usize,
    /// What was given instead.
    pub text: String,
}

/// The most bytes that an id has.
const BYTES_MAX: usize = 32;

fn write_hexadecimal(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0; 2 * BYTES_MAX];
    for ([high, low], byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
        let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
        (*high, *low) = (digit(byte >> 4), digit(byte & 15));
    }
    let text = &text[..2 * bytes.len()];
    f.write_str(std::str::from_utf8(text).expect("digits are ASCII"))
}

fn parse_hexadecimal<const N: usize>(text: &str) -> Result<[u8; N], NotAnId> {
    let wrong = || NotAnId { expected: 2 * N, text: text.chars().take(80).collect() };
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(wrong());
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(wrong);
        *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
    }
    Ok(bytes)
}

macro_rules! hexadecimal_id {
    ($name:ident, $bytes:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hexadecimal(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse_hexadecimal::<$bytes>(text).map($name)
            }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
hexadecimal_id!(Digest, 32);
hexadecimal_id!(TrialId, 16);

macro_rules! counted_id {
    ($(#[$doc:meta])* $name:ident, $number:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $number);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
counted_id!(
    /// A sweep's number in its store, counted from 1. It stays when the sweep's file is edited and submitted again.
    SweepId, u64
);
counted_id!(
    /// A worker's session with one coordinator process, counted from 1 in each term.
    WorkerId, u64
);
counted_id!(
    /// Which execution of a trial, counted from 1. Never reused, also after a lost attempt.
    Attempt, u32
);
counted_id!(
    /// The coordinator's reign over a store: grows by one each time a coordinator opens it.
    Term, u64
);

/// The right to speak for one attempt. A message whose fence is not the current one changes no state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fence {
    /// The term in which the lease was given.
    pub term: Term,
    /// The leased trial.
    pub trial: TrialId,
    /// The leased attempt.
    pub attempt: Attempt,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Value;

    fn choices(coefficient: f64) -> Choices {
        [("regularizer".to_owned(), Value::from("l1")), ("coefficient".to_owned(), Value::from(coefficient))]
            .into_iter()
            .collect()
    }

    #[test]
    fn an_id_depends_on_each_part_that_determines_the_result() {
        let seed = SeedKey { root: 2016, replicate: 0 };
        let data = Digest::of(b"data");
        let id = TrialId::of(&choices(1.0), seed, data, 1);
        assert_eq!(id, TrialId::of(&choices(1.0), seed, data, 1));
        for other in [
            TrialId::of(&choices(0.1), seed, data, 1),
            TrialId::of(&choices(1.0), SeedKey { root: 2017, ..seed }, data, 1),
            TrialId::of(&choices(1.0), SeedKey { replicate: 1, ..seed }, data, 1),
            TrialId::of(&choices(1.0), seed, Digest::of(b"other data"), 1),
            TrialId::of(&choices(1.0), seed, data, 2),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn ids_survive_their_text_form_and_reject_others() {
        let id = TrialId([0xa5; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "a5", "zz5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a", "ää"] {
            assert!(wrong.parse::<TrialId>().is_err(), "{wrong}");
        }
    }
}
