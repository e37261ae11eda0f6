//! Results that wait for long, on disk: one file to which frames are appended, emptied when all of them are acknowledged. A
//! full one is written anew with those that are not.
//!
//! A frame is the length of a message (4 bytes, little-endian), the BLAKE3 digest of the message, and the message. What a
//! crash cut off, or a disk spoilt, ends the reading: the results before it are good, those behind it are computed again,
//! to the same bits. A spool saves work and decides nothing.

use gridsweep_common::id::{Digest, Fence};
use gridsweep_proto::{MESSAGE_BYTES_MAX, PROTOCOL_MINOR, convert, v1};
use prost::Message;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a spool begins with.
const MAGIC: [u8; 8] = *b"gsweepS1";
/// Length and digest.
const FRAME_BYTES: usize = 4 + 32;
/// A spool larger than this, in bytes, takes no more results: they wait in memory alone.
const SPOOL_BYTES_MAX: u64 = 256 << 20;

/// The spool of one worker, in its state folder.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    /// Made when the first result comes.
    file: Option<File>,
    bytes: u64,
    /// A file of more bytes takes nothing more.
    bytes_max: u64,
    /// Where the results lie in the file that are not acknowledged.
    kept: BTreeMap<Fence, Place>,
}

/// Where a frame lies in the file.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    bytes: usize,
}

/// A result from the spool.
#[derive(Clone, Debug)]
pub(crate) struct Spooled {
    pub(crate) fence: Fence,
    pub(crate) digest: Digest,
    pub(crate) message: v1::Finished,
}

impl Spool {
    /// Opens the spool in a state folder and returns the results that an earlier process left there.
    pub(crate) fn open(state: &Path) -> (Spool, Vec<Spooled>) {
        let path = state.join("spool");
        let mut spool =
            Spool { path, file: None, bytes: 0, bytes_max: SPOOL_BYTES_MAX, kept: BTreeMap::new() };
        let results = match spool.read() {
            Ok(results) => results,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                spool.put_aside(&error);
                Vec::new()
            }
        };
        let mut at = MAGIC.len() as u64;
        for (result, bytes) in &results {
            spool.kept.insert(result.fence, Place { at, bytes: *bytes });
            at += *bytes as u64;
        }
        (spool, results.into_iter().map(|(result, _)| result).collect())
    }

    /// Reads what is there, and cuts off what is not whole.
    fn read(&mut self) -> io::Result<Vec<(Spooled, usize)>> {
        let mut file = File::options().read(true).write(true).open(&self.path)?;
        let length = file.metadata()?.len();
        if length > SPOOL_BYTES_MAX + (FRAME_BYTES + MESSAGE_BYTES_MAX) as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
        }
        let mut bytes = Vec::new();
        (&mut file).take(length).read_to_end(&mut bytes)?;
        let results = match bytes.strip_prefix(&MAGIC) {
            Some(frames) => {
                let results = read_frames(frames);
                let good: usize = results.iter().map(|(_, bytes)| bytes).sum();
                self.bytes = (MAGIC.len() + good) as u64;
                results
            }
            // Emptied, or cut off in its first bytes.
            None if MAGIC.starts_with(&bytes) => Vec::new(),
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no spool of this version")),
        };
        if self.bytes < length {
            let (path, lost) = (self.path.display(), length - self.bytes);
            tracing::warn!(%path, lost, "the end of the spool does not read; what was in it is computed again");
            file.set_len(self.bytes)?;
        }
        file.seek(SeekFrom::Start(self.bytes))?;
        self.file = Some(file);
        Ok(results)
    }

    /// Leaves a file that is no spool for people to look at, and begins anew.
    fn put_aside(&mut self, error: &io::Error) {
        let (path, aside) = (self.path.display(), self.path.with_extension("unreadable"));
        tracing::warn!(%path, %error, aside = %aside.display(), "the spool does not read and is put aside");
        if let Err(error) = std::fs::rename(&self.path, &aside) {
            tracing::warn!(%path, %error, "it could not be put aside: results are kept in memory alone");
        }
    }

    /// Appends results, with one fsync for all of them. Returns whether they are on disk; that they are not is a warning,
    /// because they are still kept in memory.
    pub(crate) fn append(&mut self, results: &[(Fence, &v1::Finished)]) -> bool {
        match self.try_append(results) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "results that wait could not be written to disk");
                // What was written of them is not whole: the next one begins where they did.
                if let Some(file) = &mut self.file {
                    let _ = file.set_len(self.bytes).and_then(|()| file.seek(SeekFrom::Start(self.bytes)));
                }
                false
            }
        }
    }

    fn try_append(&mut self, results: &[(Fence, &v1::Finished)]) -> io::Result<()> {
        if self.bytes > self.bytes_max {
            self.compact()?;
        }
        if self.bytes > self.bytes_max {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the spool is full"));
        }
        let mut frames = Vec::new();
        if self.file.is_none() {
            std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
            let file = File::options().create_new(true).write(true).open(&self.path)?;
            (self.file, self.bytes) = (Some(file), 0);
        }
        if self.bytes == 0 {
            frames.extend(MAGIC);
        }
        let mut places = Vec::with_capacity(results.len());
        for (fence, result) in results {
            let begin = frames.len();
            push_frame(&mut frames, result);
            places.push((*fence, Place { at: self.bytes + begin as u64, bytes: frames.len() - begin }));
        }
        if let Some(file) = &mut self.file {
            file.write_all(&frames[..frames.len() / 2])?;
            end_within_spool();
            file.write_all(&frames[frames.len() / 2..])?;
            file.sync_data()?;
        }
        self.bytes += frames.len() as u64;
        self.kept.extend(places);
        Ok(())
    }

    /// Writes the file anew with the results that are not acknowledged, if that leaves half of the room at least. The new one
    /// takes the place of the old one when it is on disk: a crash leaves one of the two.
    fn compact(&mut self) -> io::Result<()> {
        let kept: u64 = self.kept.values().map(|place| place.bytes as u64).sum();
        if kept > self.bytes_max / 2 {
            return Ok(());
        }
        let aside = self.path.with_extension("new");
        let (mut old, mut new) = (File::open(&self.path)?, File::create(&aside)?);
        new.write_all(&MAGIC)?;
        let (mut places, mut at) = (BTreeMap::new(), MAGIC.len() as u64);
        for (&fence, &Place { at: before, bytes }) in &self.kept {
            old.seek(SeekFrom::Start(before))?;
            io::copy(&mut (&mut old).take(bytes as u64), &mut new)?;
            places.insert(fence, Place { at, bytes });
            at += bytes as u64;
        }
        new.sync_data()?;
        std::fs::rename(&aside, &self.path)?;
        (self.file, self.bytes, self.kept) = (Some(new), at, places);
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Notes that a result in the file is not needed there any more. With the last one the file is emptied.
    pub(crate) fn release(&mut self, fence: Fence) {
        self.kept.remove(&fence);
        if self.kept.is_empty()
            && let Some(file) = &mut self.file
        {
            // Results that stay in it are delivered a second time, which changes nothing.
            if file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).is_ok() {
                self.bytes = 0;
            }
        }
    }
}

/// Where a test may end the process, in a debug build with failpoints: half of what is to be kept is written.
fn end_within_spool() {
    #[cfg(debug_assertions)]
    fail::fail_point!("within_spool", |_| std::process::abort());
}

fn push_frame(frames: &mut Vec<u8>, result: &v1::Finished) {
    let message = result.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    frames.extend(length.to_le_bytes());
    frames.extend(Digest::of(&message).0);
    frames.extend(message);
}

/// Returns the results of all whole frames up to the first that is not, and how many bytes each takes.
fn read_frames(bytes: &[u8]) -> Vec<(Spooled, usize)> {
    let (mut results, mut at) = (Vec::new(), 0);
    while let Some((result, length)) = read_frame(&bytes[at..]) {
        results.push((result, length));
        at += length;
    }
    results
}

fn read_frame(bytes: &[u8]) -> Option<(Spooled, usize)> {
    let (head, rest) = bytes.split_at_checked(FRAME_BYTES)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    if length > MESSAGE_BYTES_MAX {
        return None;
    }
    let message = rest.get(..length)?;
    if head[4..] != Digest::of(message).0 {
        return None;
    }
    let message = v1::Finished::decode(message).ok()?;
    let (fence, outcome) = convert::finished(&message, PROTOCOL_MINOR).ok()?;
    Some((Spooled { fence, digest: outcome.digest(), message }, FRAME_BYTES + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridsweep_common::id::{Attempt, Term, TrialId};
    use gridsweep_common::metric::{Ending, Outcome};

    fn fence(n: u8) -> Fence {
        Fence { term: Term(1), trial: TrialId([n; 16]), attempt: Attempt(1) }
    }

    fn append(spool: &mut Spool, trials: &[u8]) -> bool {
        let results: Vec<_> = trials.iter().map(|&n| (fence(n), result(n))).collect();
        spool.append(&results.iter().map(|(fence, result)| (*fence, result)).collect::<Vec<_>>())
    }

    fn result(n: u8) -> v1::Finished {
        let fence = fence(n);
        let outcome = Outcome { ending: Ending::Diverged, epochs: vec![], evaluation: None, numerics: 1 };
        v1::Finished::from((fence, &outcome))
    }

    fn trials(state: &Path) -> Vec<u8> {
        Spool::open(state).1.iter().map(|spooled| spooled.fence.trial.0[0]).collect()
    }

    #[test]
    fn what_was_kept_is_there_for_the_next_process_until_it_is_acknowledged() {
        let state = tempfile::tempdir().unwrap();
        let (mut spool, left) = Spool::open(state.path());
        assert!(left.is_empty());
        assert!(!state.path().join("spool").exists(), "made when it is needed");
        assert!(append(&mut spool, &[1, 2]));
        assert!(append(&mut spool, &[3]));
        drop(spool);
        let (mut spool, left) = Spool::open(state.path());
        assert_eq!(
            left.iter().map(|spooled| &spooled.message).collect::<Vec<_>>(),
            [&result(1), &result(2), &result(3)]
        );
        spool.release(fence(1));
        spool.release(fence(3));
        assert_eq!(trials(state.path()), [1, 2, 3], "the file is emptied as a whole");
        assert!(append(&mut spool, &[4]));
        assert_eq!(trials(state.path()), [1, 2, 3, 4]);
        spool.release(fence(2));
        spool.release(fence(4));
        assert!(trials(state.path()).is_empty());
        assert!(append(&mut spool, &[5]));
        assert_eq!(trials(state.path()), [5]);
    }

    #[test]
    fn a_spool_full_of_what_was_acknowledged_takes_more_and_one_full_of_what_was_not_does_not() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("spool");
        let (mut spool, _) = Spool::open(state.path());
        assert!(append(&mut spool, &[0]));
        let frame = std::fs::metadata(&path).unwrap().len() - MAGIC.len() as u64;
        spool.bytes_max = 10 * frame;
        for n in 1..=200 {
            assert!(append(&mut spool, &[n]), "result {n}");
            if n > 3 {
                spool.release(fence(n - 3));
            }
            assert!(std::fs::metadata(&path).unwrap().len() <= 12 * frame);
        }
        let left = trials(state.path());
        assert!(left.contains(&0) && left.ends_with(&[198, 199, 200]), "{left:?}");
        (0..=200).for_each(|n| spool.release(fence(n)));
        assert!(trials(state.path()).is_empty(), "the new file is emptied as the old one was");
        assert_eq!((1..=20).filter(|&n| append(&mut spool, &[n])).count(), 10);
        assert_eq!(trials(state.path()), (1..=10).collect::<Vec<_>>());
    }

    #[test]
    fn a_spool_that_is_cut_off_anywhere_gives_the_results_before_and_takes_more() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("spool");
        let (mut spool, _) = Spool::open(state.path());
        assert!(append(&mut spool, &[1]));
        let first = std::fs::metadata(&path).unwrap().len() as usize;
        assert!(append(&mut spool, &[2]));
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (mut spool, left) = Spool::open(state.path());
            assert_eq!(left.len(), usize::from(length >= first), "cut off at {length}");
            assert!(append(&mut spool, &[3]));
            assert_eq!(trials(state.path()).last(), Some(&3));
        }
    }

    #[test]
    fn a_spool_with_one_wrong_bit_gives_nothing_wrong() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("spool");
        let (mut spool, _) = Spool::open(state.path());
        assert!(append(&mut spool, &[1, 2]));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[at] ^= 1;
            std::fs::write(&path, &wrong).unwrap();
            let (_, left) = Spool::open(state.path());
            assert!(left.len() < 2, "the wrong bit at {at} was not noticed");
            assert!(left.iter().all(|spooled| spooled.message == result(1)));
        }
    }

    #[test]
    fn another_file_is_put_aside_and_the_spool_works() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("spool"), "not a spool").unwrap();
        let (mut spool, left) = Spool::open(state.path());
        assert!(left.is_empty());
        assert!(append(&mut spool, &[1]));
        assert_eq!(trials(state.path()), [1]);
        assert_eq!(std::fs::read(state.path().join("spool.unreadable")).unwrap(), b"not a spool");
    }

    #[test]
    fn a_file_larger_than_any_spool_is_not_read() {
        let state = tempfile::tempdir().unwrap();
        let file = File::create(state.path().join("spool")).unwrap();
        file.set_len(2 * SPOOL_BYTES_MAX).unwrap();
        assert!(Spool::open(state.path()).1.is_empty());
        assert!(state.path().join("spool.unreadable").exists());
    }

    #[test]
    fn a_length_that_nobody_wrote_allocates_nothing() {
        let mut bytes = u32::MAX.to_le_bytes().to_vec();
        bytes.extend([0; 64]);
        assert!(read_frames(&bytes).is_empty());
    }
}
