//! The weights of finished trials on their way to the coordinator: one file a trial, written before the result is sent, and
//! removed when the coordinator has them or does not want them. They decide nothing: what fails here is a warning, and the
//! result is complete without them.

use gridsweep_common::id::TrialId;
use std::io;
use std::path::{Path, PathBuf};

/// How many files wait at most; more are not written. Each is gone a moment after its result is acknowledged.
const FILES_MAX: usize = 256;

/// The weights in one folder. Workers on a machine each have their own.
#[derive(Clone, Debug)]
pub(crate) struct WeightsFiles {
    folder: PathBuf,
}

impl WeightsFiles {
    pub(crate) fn new(folder: &Path) -> WeightsFiles {
        WeightsFiles { folder: folder.to_owned() }
    }

    /// Returns the trials whose weights wait.
    pub(crate) fn trials(&self) -> Vec<TrialId> {
        // No folder, no weights.
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut trials: Vec<TrialId> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        trials.sort_unstable();
        trials
    }

    /// Writes the weights of a trial, in the order that its digest covers.
    pub(crate) fn write(&self, trial: TrialId, tensors: &[u8]) {
        if let Err(error) = self.try_write(trial, tensors) {
            tracing::warn!(%trial, %error, "the weights of a trial are not kept");
        }
    }

    fn try_write(&self, trial: TrialId, tensors: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        if self.trials().len() >= FILES_MAX {
            return Err(io::Error::other("too many wait already"));
        }
        let partial = self.path(trial).with_extension("part");
        std::fs::write(&partial, tensors)
            .and_then(|()| std::fs::rename(&partial, self.path(trial)))
            .inspect_err(|_| {
                // A disk that is full needs the room for more important things.
                let _ = std::fs::remove_file(&partial);
            })
    }

    /// Returns whether the weights of a trial wait.
    pub(crate) fn has(&self, trial: TrialId) -> bool {
        self.path(trial).is_file()
    }

    /// Returns the weights of a trial, `None` where they do not wait.
    pub(crate) fn read(&self, trial: TrialId) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.path(trial)) {
            Ok(tensors) => Ok(Some(tensors)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the weights of a trial, if they wait.
    pub(crate) fn remove(&self, trial: TrialId) {
        // A file that stays is offered again by the next process.
        let _ = std::fs::remove_file(self.path(trial));
    }

    fn path(&self, trial: TrialId) -> PathBuf {
        self.folder.join(trial.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_waits_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let files = WeightsFiles::new(&folder.path().join("made when needed"));
        let (first, second) = (TrialId([1; 16]), TrialId([2; 16]));
        assert!(files.trials().is_empty() && files.read(first).unwrap().is_none());
        files.write(second, b"second");
        files.write(first, b"first");
        std::fs::write(folder.path().join("made when needed/other"), b"no trial").unwrap();
        assert_eq!(files.trials(), [first, second]);
        assert!(files.has(first) && !files.has(TrialId([3; 16])));
        assert_eq!(files.read(first).unwrap(), Some(b"first".to_vec()));
        files.remove(first);
        assert_eq!(files.trials(), [second]);
    }

    #[test]
    fn no_more_files_gather_than_may_wait() {
        let folder = tempfile::tempdir().unwrap();
        let files = WeightsFiles::new(folder.path());
        for n in 0..=FILES_MAX as u128 {
            files.write(TrialId(n.to_be_bytes()), b"w");
        }
        assert_eq!(files.trials().len(), FILES_MAX);
    }
}
