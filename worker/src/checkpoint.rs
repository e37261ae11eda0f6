//! Checkpoints on disk: one file a trial, replaced as a whole, removed when the trial's result is recorded.
//!
//! A file begins with a frame: 8 bytes that say what it is, the trial's id, the BLAKE3 digest of what follows. A file that
//! does not fit is put aside with a warning, and its trial starts over: a checkpoint saves time and decides nothing.

use gridsweep_common::id::{Digest, TrialId};
use gridsweep_engine::Checkpoint;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What a checkpoint file begins with.
const MAGIC: [u8; 8] = *b"gsweepC1";
/// Magic, id, digest.
const FRAME_BYTES: usize = 8 + 16 + 32;
/// The largest file that is read: more than the parameters of any network that fits a machine of today.
const FILE_BYTES_MAX: u64 = 64 << 30;

/// A checkpoint in its frame: what the file holds, and what is sent to the coordinator.
#[derive(Debug)]
pub(crate) struct Framed {
    /// Epochs completed, and steps of the next one.
    pub(crate) progress: (u32, u32),
    pub(crate) bytes: Vec<u8>,
}

impl Framed {
    /// Puts a checkpoint of this trial into its frame.
    pub(crate) fn new(trial: TrialId, checkpoint: &Checkpoint) -> Framed {
        let state = &checkpoint.bytes;
        let mut bytes = Vec::with_capacity(FRAME_BYTES + state.len());
        bytes.extend(MAGIC);
        bytes.extend(trial.0);
        bytes.extend(Digest::of(state).0);
        bytes.extend(state);
        Framed { progress: (checkpoint.epoch, checkpoint.step), bytes }
    }
}

/// Takes the state of this trial out of its frame.
pub(crate) fn unframe(mut bytes: Vec<u8>, trial: TrialId) -> io::Result<Vec<u8>> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if bytes.len() < FRAME_BYTES || bytes[..8] != MAGIC {
        return Err(wrong("it is no checkpoint of this version"));
    }
    if bytes[8..24] != trial.0 {
        return Err(wrong("it is of another trial"));
    }
    let state = bytes.split_off(FRAME_BYTES);
    if bytes[24..] != Digest::of(&state).0 {
        return Err(wrong("its digest is not that of its content"));
    }
    Ok(state)
}

/// The checkpoints in one folder. Several workers on a machine may share it.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointFiles {
    folder: PathBuf,
}

impl CheckpointFiles {
    pub(crate) fn new(folder: &Path) -> CheckpointFiles {
        CheckpointFiles { folder: folder.to_owned() }
    }

    /// Returns the trial's state, if there is a file that holds it.
    pub(crate) fn read(&self, trial: TrialId) -> Option<Vec<u8>> {
        let path = self.path(trial);
        match read(&path, trial) {
            Ok(state) => Some(state),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a checkpoint does not read; its trial starts over");
                self.remove(trial);
                None
            }
        }
    }

    /// Replaces the trial's file. That it could not be written is a warning: training goes on.
    pub(crate) fn write(&self, trial: TrialId, checkpoint: &Framed) {
        if let Err(error) = write(&self.folder, &self.path(trial), &checkpoint.bytes) {
            tracing::warn!(folder = %self.folder.display(), %error, "a checkpoint could not be written");
        }
    }

    /// Removes the trial's file, if there is one, and what workers that were killed while they wrote it have left.
    pub(crate) fn remove(&self, trial: TrialId) {
        // Another worker may have been faster, and a file that stays is only room.
        let _ = std::fs::remove_file(self.path(trial));
        let part = format!("{trial}.{PART}");
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for file in files.filter(|file| file.file_name().to_string_lossy().starts_with(&part)) {
            let _ = std::fs::remove_file(file.path());
        }
    }

    fn path(&self, trial: TrialId) -> PathBuf {
        self.folder.join(trial.to_string())
    }
}

fn read(path: &Path, trial: TrialId) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    unframe(bytes, trial)
}

/// How the extension of a file begins that is not whole; its writer's process follows.
const PART: &str = "part-";

/// Writes beside the file, and puts the whole in its place: whoever reads finds the old one or the new one.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let partial = path.with_extension(format!("{PART}{}", std::process::id()));
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_data()
    });
    written.and_then(|()| std::fs::rename(&partial, path)).inspect_err(|_| {
        // A disk that is full needs the room for more important things.
        let _ = std::fs::remove_file(&partial);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIAL: TrialId = TrialId([7; 16]);

    fn framed(state: &[u8]) -> Framed {
        Framed::new(TRIAL, &Checkpoint { epoch: 0, step: 0, bytes: state.to_vec() })
    }

    #[test]
    fn what_was_written_last_is_read_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let files = CheckpointFiles::new(&folder.path().join("made when needed"));
        assert_eq!(files.read(TRIAL), None);
        files.write(TRIAL, &framed(b"first"));
        files.write(TRIAL, &framed(b"second"));
        assert_eq!(files.read(TRIAL), Some(b"second".to_vec()));
        files.remove(TRIAL);
        assert_eq!(files.read(TRIAL), None);
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_with_its_trial_s_file_and_no_other_s() {
        let folder = tempfile::tempdir().unwrap();
        let files = CheckpointFiles::new(folder.path());
        files.write(TRIAL, &framed(b"whole"));
        let left = |trial: TrialId| folder.path().join(format!("{trial}.part-4194304"));
        let other = TrialId([8; 16]);
        [TRIAL, other].into_iter().for_each(|trial| std::fs::write(left(trial), b"half").unwrap());
        files.remove(TRIAL);
        assert_eq!([TRIAL, other].map(|trial| left(trial).exists()), [false, true]);
        assert_eq!(files.read(TRIAL), None);
    }

    #[test]
    fn a_file_that_does_not_fit_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let files = CheckpointFiles::new(folder.path());
        let path = folder.path().join(TRIAL.to_string());
        files.write(TRIAL, &framed(b"state"));
        let good = std::fs::read(&path).unwrap();
        let flipped = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        };
        for wrong in [
            vec![],
            good[..20].to_vec(),
            good[..60].to_vec(),
            flipped(0),
            flipped(10),
            flipped(30),
            flipped(58),
        ] {
            std::fs::write(&path, &wrong).unwrap();
            assert_eq!(files.read(TRIAL), None);
            assert!(!path.exists(), "it is not found wanting again");
        }
    }
}
