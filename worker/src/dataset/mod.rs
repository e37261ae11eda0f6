//! Data sets: what they are made of by name, where their files lie, and how the files become numbers.

mod csv;
mod fashion_mnist;
mod files;
mod idx;
mod mnist;

pub use files::{Files, read};

use flate2::read::MultiGzDecoder;
use gridsweep_common::data::{DataFile, DataFormat, DataManifest, DataRole, Standardize};
use gridsweep_common::id::Digest;
use gridsweep_engine::{Dataset, DatasetError};
use sha2::{Digest as _, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A data set known by name: what its files are called and what is in them.
pub trait Source: Sync + std::fmt::Debug {
    /// Returns the name in sweep files.
    fn name(&self) -> &'static str;
    /// Returns the folder that holds the files, below any of the places that are searched.
    fn folder(&self) -> &'static str;
    /// Returns where the system's package manager puts the files, if any does.
    fn system_folder(&self) -> Option<&'static str>;
    /// Returns the files in order of their roles: the name without `.gz`, and the SHA-256 of the content.
    fn files(&self) -> [(&'static str, Digest); 4];
    /// Returns how much there is of it, so that a plan need not open the files.
    fn shape(&self) -> Shape;
    /// Describes the data set and names its source.
    fn description(&self) -> &'static str;
}

/// How much there is of a data set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Numbers per sample.
    pub inputs: usize,
    /// Classes.
    pub classes: usize,
    /// Samples of the training set, the part held out for validation included.
    pub training: usize,
}

/// Every data set known by name.
pub const ALL: &[&dyn Source] = &[&mnist::Mnist, &fashion_mnist::FashionMnist];

/// The largest content of a file: a small one that unpacks without end is not followed.
const CONTENT_BYTES_MAX: u64 = 2 << 30;

/// The largest file of a data set, in bytes as stored.
pub(crate) const STORED_BYTES_MAX: u64 = 1 << 30;

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Its files are in none of the places.
    #[error("the files of data set \"{name}\" were not found; looked in{}", list(.places))]
    NotFound {
        /// The data set.
        name: &'static str,
        /// The folders that were searched.
        places: Vec<PathBuf>,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("the file with the {} is not the right one: its content has SHA-256 {found}, expected was {expected}", .role.name())]
    OtherContent {
        /// What it should hold.
        role: DataRole,
        /// The SHA-256 that it should have.
        expected: Digest,
        /// The SHA-256 that it has.
        found: Digest,
    },
    /// A file is not in the format.
    #[error("the file with the {} does not read: {what}", .role.name())]
    Malformed {
        /// What it should hold.
        role: DataRole,
        /// What is wrong.
        what: String,
    },
    /// A file that was given by its path is not in the format.
    #[error("{path} does not read: {what}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        what: String,
    },
    /// The files do not fit together.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

fn list(places: &[PathBuf]) -> String {
    places.iter().map(|place| format!("\n  {}", place.display())).collect()
}

/// Returns the data set of this name.
pub fn named(name: &str) -> Option<&'static dyn Source> {
    ALL.iter().copied().find(|source| source.name() == name)
}

/// Describes a data set without touching its files: enough to know what it is, not to fetch it.
pub fn outline(source: &dyn Source, standardize: Standardize) -> DataManifest {
    let file = |(&role, (_, content_sha256)): (&DataRole, (&str, Digest))| DataFile {
        role,
        content_sha256,
        blob: Digest([0; 32]),
        stored_bytes: 0,
    };
    let files = DataFormat::Idx.roles().iter().zip(source.files()).map(file).collect();
    DataManifest { format: DataFormat::Idx, files, standardize }
}

/// Finds the files of a data set: the first of the places that has all of them, each as it is or with `.gz`.
///
/// # Errors
/// [`DataError::NotFound`] lists every place.
pub fn locate(source: &'static dyn Source, places: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    let below = places.iter().map(|place| place.join(source.folder()));
    let places: Vec<PathBuf> = below.chain(source.system_folder().map(PathBuf::from)).collect();
    let found = places.iter().find_map(|place| files_in(source, place));
    found.ok_or(DataError::NotFound { name: source.name(), places })
}

fn files_in(source: &dyn Source, place: &Path) -> Option<Vec<PathBuf>> {
    let find = |(name, _): (&str, Digest)| {
        let candidates = [place.join(name), place.join(format!("{name}.gz"))];
        candidates.into_iter().find(|path| path.is_file())
    };
    source.files().into_iter().map(find).collect()
}

/// Describes the files found, by content and by the bytes as they are stored.
pub fn manifest(
    source: &dyn Source,
    standardize: Standardize,
    paths: &[PathBuf],
) -> Result<DataManifest, DataError> {
    let mut manifest = outline(source, standardize);
    for (file, path) in manifest.files.iter_mut().zip(paths) {
        let bytes = std::fs::read(path).map_err(|source| DataError::Io { path: path.clone(), source })?;
        (file.blob, file.stored_bytes) = (Digest::of(&bytes), bytes.len() as u64);
    }
    Ok(manifest)
}

/// Checks that files hold what a manifest says, decompressing each: a fraction of a second for MNIST.
pub fn verify(manifest: &DataManifest, paths: &[PathBuf]) -> Result<(), DataError> {
    for (file, path) in manifest.files.iter().zip(paths) {
        let bytes = std::fs::read(path).map_err(|source| DataError::Io { path: path.clone(), source })?;
        content(file, &bytes)?;
    }
    Ok(())
}

/// Makes a data set of its files' bytes as stored, in order of the manifest, checking each against the manifest.
pub fn decode(manifest: &DataManifest, files: &[Vec<u8>]) -> Result<Dataset, DataError> {
    let mut contents = Vec::with_capacity(files.len());
    for (file, bytes) in manifest.files.iter().zip(files) {
        contents.push(content(file, bytes)?);
    }
    Ok(contents_to_dataset(&manifest.format, contents)?.standardize(manifest.standardize))
}

/// Makes a data set of its files' contents, in the order of the format's roles.
fn contents_to_dataset(format: &DataFormat, contents: Vec<Vec<u8>>) -> Result<Dataset, DataError> {
    match (format, <[Vec<u8>; 4]>::try_from(contents)) {
        (DataFormat::Idx, Ok(contents)) => idx::dataset(contents),
        (DataFormat::Csv(format), Err(contents)) if contents.len() == 2 => {
            csv::dataset(format, &contents[0], &contents[1])
        }
        _ => {
            let what = "files are missing".to_owned();
            Err(DataError::Malformed { role: format.roles()[0], what })
        }
    }
}

fn content(file: &DataFile, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
    let role = file.role;
    let content = unpack(bytes).map_err(|error| DataError::Malformed { role, what: error.to_string() })?;
    let found = Digest(Sha256::digest(&content).into());
    if found != file.content_sha256 {
        return Err(DataError::OtherContent { role, expected: file.content_sha256, found });
    }
    Ok(content)
}

fn unpack(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(bytes.to_vec());
    }
    let mut content = Vec::new();
    MultiGzDecoder::new(bytes).take(CONTENT_BYTES_MAX + 1).read_to_end(&mut content)?;
    if content.len() as u64 > CONTENT_BYTES_MAX {
        return Err(std::io::Error::other(format!("it unpacks to more than {CONTENT_BYTES_MAX} bytes")));
    }
    Ok(content)
}

/// Reads a SHA-256 that is written in the source.
fn sha256(text: &str) -> Digest {
    text.parse().expect("a digest in the source has 64 hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridsweep_engine::SPARSE_BELOW;

    #[test]
    fn a_data_set_that_is_nowhere_lists_where_it_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let missing = locate(&mnist::Mnist, &[folder.path().to_owned()]).unwrap_err();
        assert!(
            missing.to_string().contains(&folder.path().join("mnist").display().to_string()),
            "{missing}"
        );
    }

    #[test]
    fn a_file_with_other_content_is_refused() {
        let file = DataFile {
            role: DataRole::TestLabels,
            content_sha256: Digest([0; 32]),
            blob: Digest::of(b"x"),
            stored_bytes: 1,
        };
        assert!(matches!(content(&file, b"x"), Err(DataError::OtherContent { .. })));
    }

    /// Reads a data set, checks what is announced of it, and returns the share of its inputs that is not zero.
    fn check(name: &str) -> f64 {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sweeps/data");
        let source = named(name).unwrap();
        let paths = locate(source, &[data]).unwrap();
        let manifest = manifest(source, Standardize::None, &paths).unwrap();
        assert_eq!(manifest.digest(), outline(source, Standardize::None).digest());
        let files: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        let decoded = decode(&manifest, &files).unwrap();
        let Shape { inputs, classes, training } = source.shape();
        assert_eq!((decoded.inputs_per_sample(), decoded.classes()), (inputs, classes));
        assert_eq!(decoded.training_labels().len(), training);
        decoded.density()
    }

    #[test]
    fn mnist_as_it_is_carried_along_has_the_content_and_the_shape_that_are_announced() {
        let density = check("mnist");
        assert!((density - 0.191).abs() < 0.0005 && density < SPARSE_BELOW, "{density}");
    }

    #[test]
    #[ignore = "needs Debian's package dataset-fashion-mnist"]
    fn fashion_mnist_as_debian_has_it_has_the_content_and_the_shape_that_are_announced() {
        let density = check("fashion_mnist");
        assert!((density - 0.498).abs() < 0.0005 && density >= SPARSE_BELOW, "{density}");
    }

    #[test]
    fn every_named_data_set_has_its_own_digest() {
        let digest = |source: &&dyn Source| outline(*source, Standardize::None).digest();
        let digests: std::collections::BTreeSet<_> = ALL.iter().map(digest).collect();
        assert_eq!(digests.len(), ALL.len());
    }
}
