//! A data set given by the paths of its files: read and checked before anything is made of it.

use super::{DataError, STORED_BYTES_MAX, Shape, contents_to_dataset, unpack};
use gridsweep_common::data::{DataFile, DataFormat, DataManifest, Standardize};
use gridsweep_common::id::Digest;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// The files of a data set that read.
#[derive(Clone, Debug)]
pub struct Files {
    /// What they are.
    pub manifest: DataManifest,
    /// Where they lie, in order of the manifest.
    pub paths: Vec<PathBuf>,
    /// How much there is in them.
    pub shape: Shape,
}

/// Reads files, in the order of the format's roles, and makes a data set of them to see that it is one.
///
/// # Errors
/// Names the file and, of a CSV file, line and column.
pub fn read(format: &DataFormat, paths: Vec<PathBuf>, standardize: Standardize) -> Result<Files, DataError> {
    let (mut files, mut contents) = (Vec::new(), Vec::new());
    for (&role, path) in format.roles().iter().zip(&paths) {
        let bytes = stored(path)?;
        let content = unpack(&bytes)
            .map_err(|error| DataError::Unreadable { path: path.clone(), what: error.to_string() })?;
        files.push(DataFile {
            role,
            content_sha256: Digest(Sha256::digest(&content).into()),
            blob: Digest::of(&bytes),
            stored_bytes: bytes.len() as u64,
        });
        contents.push(content);
    }
    let data = contents_to_dataset(format, contents).map_err(|error| at_path(error, format, &paths))?;
    let shape = Shape {
        inputs: data.inputs_per_sample(),
        classes: data.classes(),
        training: data.training_labels().len(),
    };
    Ok(Files { manifest: DataManifest { format: format.clone(), files, standardize }, paths, shape })
}

fn stored(path: &Path) -> Result<Vec<u8>, DataError> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(io)?.len();
    if length > STORED_BYTES_MAX {
        let what = format!("it has {length} bytes; a file of a data set has at most {STORED_BYTES_MAX}");
        return Err(DataError::Unreadable { path: path.to_owned(), what });
    }
    std::fs::read(path).map_err(io)
}

/// Says which file it was instead of what it should hold.
fn at_path(error: DataError, format: &DataFormat, paths: &[PathBuf]) -> DataError {
    let DataError::Malformed { role, what } = error else { return error };
    match format.roles().iter().zip(paths).find(|(other, _)| **other == role) {
        Some((_, path)) => DataError::Unreadable { path: path.clone(), what },
        None => DataError::Malformed { role, what },
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use gridsweep_common::data::{CsvFormat, LabelColumn};
    use std::io::Write;

    fn csv() -> DataFormat {
        let label = LabelColumn::Name("class".to_owned());
        DataFormat::Csv(CsvFormat { header: true, delimiter: b',', label })
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    const TRAINING: &[u8] = b"x,y,class\n1,2,a\n3,4,b\n5,6,a\n";
    const TEST: &[u8] = b"x,y,class\n1,2,a\n";

    fn written(training: &[u8]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let paths = [("training.csv", training), ("test.csv", TEST)].map(|(name, content)| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        });
        (folder, paths.to_vec())
    }

    #[test]
    fn files_are_the_same_data_compressed_or_not() {
        let [plain, compressed] = [TRAINING.to_vec(), gzip(TRAINING)].map(|training| {
            let (_folder, paths) = written(&training);
            let files = read(&csv(), paths.clone(), Standardize::None).unwrap();
            assert_eq!(files.shape, Shape { inputs: 2, classes: 2, training: 3 });
            let stored: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
            assert_eq!(decode(&files.manifest, &stored).unwrap().inputs_per_sample(), 2);
            files.manifest
        });
        assert_eq!(plain.digest(), compressed.digest());
        assert_ne!(plain.files[0].blob, compressed.files[0].blob);
    }

    #[test]
    fn a_wrong_file_is_named() {
        let (_folder, paths) = written(b"x,y,class\n1,2,a\n3,four,b\n");
        let error = read(&csv(), paths.clone(), Standardize::None).unwrap_err().to_string();
        assert!(error.contains("training.csv") && error.contains("line 3, column 2"), "{error}");
        std::fs::remove_file(&paths[1]).unwrap();
        let error = read(&csv(), paths.clone(), Standardize::None).unwrap_err().to_string();
        assert!(error.contains("test.csv"), "{error}");
        std::fs::write(&paths[0], &gzip(TRAINING)[..30]).unwrap();
        let error = read(&csv(), paths, Standardize::None).unwrap_err().to_string();
        assert!(error.contains("training.csv"), "{error}");
    }
}
