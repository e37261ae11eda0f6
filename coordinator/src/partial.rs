//! Blobs of which only a part came: kept for a while, so that whoever sends one again goes on where the line broke. They save
//! time and decide nothing: the digest of the whole is checked whatever it was put together from, and what fails here is as
//! if nothing had come.

use gridsweep_common::id::Digest;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How many parts one folder keeps, of how many bytes together, and for how long. The newest stay.
const PARTS_MAX: usize = 16;
const PARTS_BYTES_MAX: u64 = 4 << 30;
const PART_AGE_MAX: Duration = Duration::from_secs(3600);
/// A shorter part is not kept: to send it again costs less than to ask.
const PART_BYTES_LEAST: u64 = gridsweep_proto::BLOB_CHUNK_BYTES_MAX as u64;

/// The parts in one folder, which is there while there are any.
#[derive(Clone, Debug)]
pub(crate) struct Partials {
    folder: PathBuf,
}

/// One part: a file whose name is the blob's digest and how many bytes come before its content.
struct Part {
    path: PathBuf,
    digest: String,
    content_bytes: u64,
    file_bytes: u64,
    /// When the last of it came.
    changed: SystemTime,
}

impl Partials {
    pub(crate) fn new(folder: PathBuf) -> Partials {
        Partials { folder }
    }

    /// Returns how many bytes of a blob are here, from its beginning on.
    pub(crate) fn held(&self, digest: Digest) -> u64 {
        self.part(digest).map_or(0, |part| part.content_bytes)
    }

    /// Moves what is here of a blob to `path`, for the one who goes on with it; returns whether there was anything.
    pub(crate) fn take(&self, digest: Digest, path: &Path) -> io::Result<bool> {
        let Some(part) = self.part(digest) else { return Ok(false) };
        match std::fs::rename(part.path, path) {
            Ok(()) => Ok(true),
            // Another was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Keeps what came of a blob into the file at `path`, behind so many bytes that are not its content.
    pub(crate) fn keep(&self, digest: Digest, header_bytes: u64, content_bytes: u64, path: &Path) {
        if content_bytes < PART_BYTES_LEAST || self.try_keep(digest, header_bytes, path).is_err() {
            // It is sent from the beginning, then.
            let _ = std::fs::remove_file(path);
        }
        self.tidy();
    }

    fn try_keep(&self, digest: Digest, header_bytes: u64, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        std::fs::rename(path, self.folder.join(format!("{digest}-{header_bytes}")))
    }

    /// Removes what is too old and what is too much.
    pub(crate) fn tidy(&self) {
        let mut parts = self.parts();
        parts.sort_unstable_by_key(|part| std::cmp::Reverse(part.changed));
        let mut bytes = 0;
        for (position, part) in parts.iter().enumerate() {
            bytes += part.file_bytes;
            // One from the future was written before the clock was set back.
            let is_young = part.changed.elapsed().is_ok_and(|age| age < PART_AGE_MAX);
            if position >= PARTS_MAX || bytes > PARTS_BYTES_MAX || !is_young {
                let _ = std::fs::remove_file(&part.path);
            }
        }
    }

    /// Removes everything.
    pub(crate) fn clear(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn part(&self, digest: Digest) -> Option<Part> {
        let digest = digest.to_string();
        let parts = self.parts().into_iter().filter(|part| part.digest == digest);
        parts.max_by_key(|part| part.content_bytes)
    }

    fn parts(&self) -> Vec<Part> {
        // No folder, no parts.
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| Part::at(entry.path())).collect()
    }
}

impl Part {
    fn at(path: PathBuf) -> Option<Part> {
        let (digest, header_bytes) = path.file_name()?.to_str()?.split_once('-')?;
        let (digest, header_bytes) = (digest.to_owned(), header_bytes.parse().ok()?);
        let file = std::fs::metadata(&path).ok()?;
        let content_bytes = file.len().saturating_sub(header_bytes);
        let changed = file.modified().ok()?;
        Some(Part { path, digest, content_bytes, file_bytes: file.len(), changed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps a part of a blob that is named by a number, of so many bytes behind a header of 3; it came so long ago.
    fn keep(partials: &Partials, number: u8, content_bytes: u64, ago: Duration) -> Digest {
        let (digest, path) = (Digest([number; 32]), partials.folder.with_extension(number.to_string()));
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(3 + content_bytes).unwrap();
        file.set_modified(SystemTime::now() - ago).unwrap();
        partials.keep(digest, 3, content_bytes, &path);
        assert!(!path.exists());
        digest
    }

    fn place() -> (tempfile::TempDir, Partials) {
        let folder = tempfile::tempdir().unwrap();
        let partials = Partials::new(folder.path().join("partial"));
        (folder, partials)
    }

    #[test]
    fn a_part_is_given_to_one_who_goes_on_with_it() {
        let (folder, partials) = place();
        let digest = keep(&partials, 1, PART_BYTES_LEAST, Duration::ZERO);
        assert_eq!(partials.held(digest), PART_BYTES_LEAST, "what comes before the content does not count");
        assert_eq!(partials.held(Digest([2; 32])), 0);
        let path = folder.path().join("taken");
        assert!(partials.take(digest, &path).unwrap() && path.exists());
        assert!(!partials.take(digest, &path).unwrap());
        assert_eq!(partials.held(digest), 0);
        let short = keep(&partials, 3, PART_BYTES_LEAST - 1, Duration::ZERO);
        assert_eq!(partials.held(short), 0, "what is short is sent again");
    }

    #[test]
    fn parts_are_bounded_in_number_in_bytes_and_in_age() {
        let (_folder, partials) = place();
        let old = keep(&partials, 200, PART_BYTES_LEAST, PART_AGE_MAX);
        assert_eq!(partials.held(old), 0);
        let ages = |number: usize| Duration::from_secs(60 - number as u64);
        let kept: Vec<Digest> =
            (0..=PARTS_MAX).map(|n| keep(&partials, n as u8, PART_BYTES_LEAST, ages(n))).collect();
        assert_eq!(partials.held(kept[0]), 0, "the oldest has to go");
        assert!(kept[1..].iter().all(|digest| partials.held(*digest) > 0));
        // Files with nothing in them, on every file system that tests run on.
        let large = keep(&partials, 100, PARTS_BYTES_MAX - PART_BYTES_LEAST - 6, Duration::ZERO);
        assert!(partials.held(large) > 0 && partials.held(kept[PARTS_MAX]) > 0);
        assert_eq!(partials.held(kept[PARTS_MAX - 1]), 0, "together they are too large");
        partials.clear().unwrap();
        partials.clear().unwrap();
        assert_eq!(partials.held(large), 0);
    }
}
