//! What a data set is made of, and how its training samples are divided.

use crate::id::Digest;
use serde::{Deserialize, Serialize};

/// The files of a data set, by content. Two copies of the same data have the same digest, however they are compressed
/// and wherever they lie.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DataManifest {
    /// How the files are read.
    pub format: DataFormat,
    /// The files, each role of the format once, in the format's order.
    pub files: Vec<DataFile>,
    /// What the inputs are made of the files' numbers.
    #[serde(default, skip_serializing_if = "Standardize::is_none")]
    pub standardize: Standardize,
}

/// How the files of a data set are read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// The IDX format of the MNIST files: images as bytes, labels as bytes; gzip or not.
    Idx,
    /// Lines of numbers, one of them the class; gzip or not.
    Csv(CsvFormat),
}

/// What must be known of a CSV file to read it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CsvFormat {
    /// Whether the first line has the columns' names.
    pub header: bool,
    /// What stands between two fields: an ASCII character, no quotation mark and no end of a line.
    pub delimiter: u8,
    /// Which column has the classes.
    pub label: LabelColumn,
}

/// The column of a CSV file that has the classes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelColumn {
    /// The one of this name in the header.
    Name(String),
    /// The one with this number, counted from 1.
    Number(u32),
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
    /// Inputs and classes of the training set.
    TrainTable,
    /// Inputs and classes of the test set.
    TestTable,
}

impl DataRole {
    /// Returns the role's name on the wire and in messages.
    pub fn name(self) -> &'static str {
        match self {
            DataRole::TrainImages => "train_images",
            DataRole::TrainLabels => "train_labels",
            DataRole::TestImages => "test_images",
            DataRole::TestLabels => "test_labels",
            DataRole::TrainTable => "train_table",
            DataRole::TestTable => "test_table",
        }
    }
}

impl DataFormat {
    /// Returns the format's name on the wire and in sweep files.
    pub fn name(&self) -> &'static str {
        match self {
            DataFormat::Idx => "idx",
            DataFormat::Csv(_) => "csv",
        }
    }

    /// Returns what the files of a data set hold, in the order of a manifest.
    pub fn roles(&self) -> &'static [DataRole] {
        match self {
            DataFormat::Idx => {
                &[DataRole::TrainImages, DataRole::TrainLabels, DataRole::TestImages, DataRole::TestLabels]
            }
            DataFormat::Csv(_) => &[DataRole::TrainTable, DataRole::TestTable],
        }
    }
}

impl CsvFormat {
    /// Whether a byte can stand between two fields.
    pub fn is_delimiter(byte: u8) -> bool {
        byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0)
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

    fn is_none(&self) -> bool {
        *self == Standardize::None
    }
}

impl DataManifest {
    /// Returns the data set's identity: the hash of all that determines its numbers, which is the content of each file
    /// and how it is read. What is at its default is left out, so that older identities stay.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("gridsweep data set 1");
        hasher.update(self.format.name().as_bytes());
        for file in &self.files {
            hasher.update(b"\n");
            hasher.update(file.role.name().as_bytes());
            hasher.update(&file.content_sha256.0);
        }
        if let DataFormat::Csv(CsvFormat { header, delimiter, label }) = &self.format {
            hasher.update(b"\nlines").update(&[u8::from(*header), *delimiter]);
            match label {
                // A name is as long as it is: its length stands before it.
                LabelColumn::Name(name) => {
                    hasher.update(b"name").update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes())
                }
                LabelColumn::Number(number) => hasher.update(b"number").update(&number.to_le_bytes()),
            };
        }
        if self.standardize != Standardize::None {
            hasher.update(b"\nstandardize").update(self.standardize.name().as_bytes());
        }
        Digest(*hasher.finalize().as_bytes())
    }
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

    fn manifest(format: DataFormat, blob: u8, content: u8) -> DataManifest {
        let file = |&role| DataFile {
            role,
            content_sha256: Digest([content; 32]),
            blob: Digest([blob; 32]),
            stored_bytes: 1,
        };
        let files = format.roles().iter().map(file).collect();
        DataManifest { format, files, standardize: Standardize::None }
    }

    fn csv(header: bool, delimiter: u8, label: LabelColumn) -> DataManifest {
        manifest(DataFormat::Csv(CsvFormat { header, delimiter, label }), 1, 1)
    }

    #[test]
    fn the_identity_is_the_content_and_not_how_it_is_stored() {
        assert_eq!(manifest(DataFormat::Idx, 1, 1).digest(), manifest(DataFormat::Idx, 2, 1).digest());
        assert_ne!(manifest(DataFormat::Idx, 1, 1).digest(), manifest(DataFormat::Idx, 1, 2).digest());
    }

    #[test]
    fn the_identity_covers_all_that_determines_the_numbers() {
        let name = |name: &str| LabelColumn::Name(name.to_owned());
        let standardized =
            |manifest: DataManifest| DataManifest { standardize: Standardize::Columns, ..manifest };
        let all = [
            manifest(DataFormat::Idx, 1, 1),
            standardized(manifest(DataFormat::Idx, 1, 1)),
            csv(true, b',', name("class")),
            standardized(csv(true, b',', name("class"))),
            csv(true, b',', name("kind")),
            csv(true, b',', LabelColumn::Number(1)),
            csv(true, b',', LabelColumn::Number(2)),
            csv(false, b',', LabelColumn::Number(1)),
            csv(true, b';', name("class")),
        ];
        let digests: std::collections::BTreeSet<Digest> = all.iter().map(DataManifest::digest).collect();
        assert_eq!(digests.len(), all.len());
    }

    /// Results of the first versions are found under it.
    #[test]
    fn what_is_at_its_default_leaves_the_identity_as_it_was() {
        let digest = manifest(DataFormat::Idx, 1, 1).digest().to_string();
        assert_eq!(digest, "5501b49861e543dc2bf3462d758118d71e5743fe91da516f114094057693462e");
        let json = serde_json::to_string(&manifest(DataFormat::Idx, 1, 1)).unwrap();
        assert!(json.starts_with("{\"format\":\"idx\",\"files\":["), "{json}");
        assert!(json.ends_with("]}"), "{json}");
    }
}
