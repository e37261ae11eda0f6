//! What a data set is made of, and how its training samples are divided.

use crate::id::Digest;
use serde::{Deserialize, Serialize};

/// The files of a data set, by content. Two copies of the same data have the same digest, however they are compressed
/// and wherever they lie.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DataManifest {
    /// How the files are read.
    pub format: DataFormat,
    /// The files, each role once, in order of their roles.
    pub files: Vec<DataFile>,
}

/// How the files of a data set are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// The IDX format of the MNIST files: images as bytes, labels as bytes; gzip or not.
    Idx,
}

/// What the inputs are made of the files' numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standardize {
    /// Nothing else.
    #[default]
    None,
    /// Each input gets the mean 0 and the deviation 1 over the training set.
    Columns,
}

/// One file of a data set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DataFile {
    /// What it holds.
    pub role: DataRole,
    /// SHA-256 of its content when decompressed.
    pub content_sha256: Digest,
    /// BLAKE3 of the bytes as stored, by which it is fetched. Not part of the data set's identity.
    pub blob: Digest,
    /// Length of the bytes as stored.
    pub stored_bytes: u64,
}

/// What a file of a data set holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataRole {
    /// The inputs of the training set.
    TrainImages,
    /// Its classes.
    TrainLabels,
    /// The inputs of the test set.
    TestImages,
    /// Its classes.
    TestLabels,
}

/// Every role, in the order of a manifest's files.
pub const ROLES: [DataRole; 4] =
    [DataRole::TrainImages, DataRole::TrainLabels, DataRole::TestImages, DataRole::TestLabels];

impl DataRole {
    /// Returns the role's name on the wire and in messages.
    pub fn name(self) -> &'static str {
        match self {
            DataRole::TrainImages => "train_images",
            DataRole::TrainLabels => "train_labels",
            DataRole::TestImages => "test_images",
            DataRole::TestLabels => "test_labels",
        }
    }
}

impl DataFormat {
    /// Returns the format's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            DataFormat::Idx => "idx",
        }
    }
}

impl Standardize {
    /// Returns the name in sweep files.
    pub fn name(self) -> &'static str {
        match self {
            Standardize::None => "none",
            Standardize::Columns => "columns",
        }
    }
}

impl DataManifest {
    /// Returns the data set's identity: the hash of its format and of the content of each file.
    pub fn digest(&self) -> Digest {
        content_digest(self.format, self.files.iter().map(|file| (file.role, file.content_sha256)))
    }
}

/// Hashes what identifies a data set: its format, and the role and SHA-256 of each file, in order of the roles.
pub fn content_digest(format: DataFormat, files: impl IntoIterator<Item = (DataRole, Digest)>) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("gridsweep data set 1");
    hasher.update(format.name().as_bytes());
    for (role, sha256) in files {
        hasher.update(b"\n");
        hasher.update(role.name().as_bytes());
        hasher.update(&sha256.0);
    }
    Digest(*hasher.finalize().as_bytes())
}

/// Which part of the training set is held out.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Validation {
    /// The share that is held out, 0 < fraction < 1.
    pub fraction: f64,
    /// How it is picked.
    pub pick: Pick,
}

/// How the validation part is picked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// Drawn at random, keyed by the replicate.
    Random,
    /// The last samples of the file, as Keras' `validation_split` does.
    Last,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(blob: u8, content: u8) -> DataManifest {
        let file = |role| DataFile {
            role,
            content_sha256: Digest([content; 32]),
            blob: Digest([blob; 32]),
            stored_bytes: 1,
        };
        DataManifest { format: DataFormat::Idx, files: ROLES.map(file).to_vec() }
    }

    #[test]
    fn the_identity_is_the_content_and_not_how_it_is_stored() {
        assert_eq!(manifest(1, 1).digest(), manifest(2, 1).digest());
        assert_ne!(manifest(1, 1).digest(), manifest(1, 2).digest());
    }
}
