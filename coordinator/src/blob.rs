//! Content-addressed files: a blob is stored under the digest of its bytes, and never under a name from outside.

use crate::partial::Partials;
use gridsweep_common::id::Digest;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells blobs apart that come in at the same time.
static INCOMING: AtomicU64 = AtomicU64::new(0);

/// Where in the folder the blobs are of which only a part came.
const PARTIAL_FOLDER: &str = "partial";

/// The blobs in one folder.
#[derive(Clone, Debug)]
pub struct BlobStore {
    folder: PathBuf,
    partials: Partials,
}

/// Why a blob was not stored.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The bytes are not those that were announced.
    #[error("the bytes have digest {found}, announced was {announced}")]
    OtherBytes {
        /// The digest announced.
        announced: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// The bytes that came before the line broke are not there to go on from.
    #[error("there are not {offset} bytes of blob {announced} here any more: ask again how many there are")]
    NotHeld {
        /// The digest announced.
        announced: Digest,
        /// Where the sender began.
        offset: u64,
    },
    /// What came before the line broke was damaged, or another blob's. It is not kept.
    #[error("what had come of blob {announced} was not its beginning: send all of it")]
    OtherBeginning {
        /// The digest announced.
        announced: Digest,
    },
    /// More bytes than any blob may have.
    #[error("a blob is at most {BLOB_BYTES_MAX} bytes long")]
    TooLarge,
    /// The folder cannot be used.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The largest blob: larger than any data set that this version reads.
pub const BLOB_BYTES_MAX: u64 = 4 << 30;

/// A blob on its way in. Dropped before [`Incoming::finish`], because its sender is gone, it leaves what came for a while;
/// what is wrong, or finds no room, leaves nothing.
#[derive(Debug)]
pub struct Incoming {
    announced: Digest,
    hasher: blake3::Hasher,
    header_bytes: u64,
    /// Bytes of the content, and how many of them had come before.
    written: u64,
    offset: u64,
    file: File,
    path: PathBuf,
    target: PathBuf,
    partials: Partials,
    /// Nothing speaks against going on from here.
    is_sound: bool,
}

impl BlobStore {
    /// Uses `folder`, making it where it is absent.
    pub fn open(folder: &Path) -> Result<BlobStore, BlobError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| BlobError::Io { path: folder.to_owned(), source })?;
        Ok(BlobStore::at(folder))
    }

    /// Looks into `folder`, which need not be there.
    pub fn at(folder: &Path) -> BlobStore {
        BlobStore { folder: folder.to_owned(), partials: Partials::new(folder.join(PARTIAL_FOLDER)) }
    }

    /// Returns whether the blob is there.
    pub fn has(&self, digest: Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Opens a blob for reading; `None` where it is not there.
    pub fn read(&self, digest: Digest) -> Result<Option<File>, BlobError> {
        let path = self.path(digest);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BlobError::Io { path, source }),
        }
    }

    /// Returns how many bytes of a blob came before its sender was cut off.
    pub fn held(&self, digest: Digest) -> u64 {
        self.partials.tidy();
        self.partials.held(digest)
    }

    /// Removes what came of blobs that nobody goes on with.
    pub fn tidy(&self) {
        self.partials.tidy();
    }

    /// Begins to store a blob.
    pub fn begin(&self, announced: Digest) -> Result<Incoming, BlobError> {
        self.begin_at(announced, &[], 0)
    }

    /// Goes on with a blob of which so many bytes came before, or begins one where they are 0. Before its content comes a
    /// header that its digest does not cover, because it follows from the content.
    pub fn begin_at(&self, announced: Digest, header: &[u8], offset: u64) -> Result<Incoming, BlobError> {
        let target = self.path(announced);
        let number = INCOMING.fetch_add(1, Ordering::Relaxed);
        let path = target.with_extension(format!("part-{}-{number}", std::process::id()));
        let io = |source| BlobError::Io { path: target.clone(), source };
        if offset > 0 && !self.partials.take(announced, &path).map_err(io)? {
            return Err(BlobError::NotHeld { announced, offset });
        }
        let file = File::options().read(true).write(true).create(true).truncate(offset == 0).open(&path);
        let mut incoming = Incoming {
            announced,
            hasher: blake3::Hasher::new(),
            header_bytes: header.len() as u64,
            written: 0,
            offset,
            file: file.map_err(io)?,
            path,
            target,
            partials: self.partials.clone(),
            is_sound: false,
        };
        incoming.go_on(header)?;
        Ok(incoming)
    }

    /// Stores everything that `bytes` gives.
    pub fn put(&self, digest: Digest, mut bytes: impl Read) -> Result<(), BlobError> {
        let mut incoming = self.begin(digest)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match bytes.read(&mut buffer) {
                Ok(0) => return incoming.finish(),
                Ok(length) => incoming.write(&buffer[..length])?,
                Err(source) => return Err(BlobError::Io { path: self.path(digest), source }),
            }
        }
    }

    /// Removes a blob, if it is there.
    pub fn remove(&self, digest: Digest) {
        // One that stays is only room, until the folder is cleared.
        let _ = std::fs::remove_file(self.path(digest));
    }

    /// Removes what is left of blobs that did not come in whole.
    pub fn clear_partial(&self) -> Result<(), BlobError> {
        let error = |source| BlobError::Io { path: self.folder.clone(), source };
        self.partials.clear().map_err(error)?;
        for entry in std::fs::read_dir(&self.folder).map_err(error)? {
            let path = entry.map_err(error)?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if extension.is_some_and(|extension| extension.starts_with("part-")) {
                std::fs::remove_file(path).map_err(error)?;
            }
        }
        Ok(())
    }

    /// Removes everything but these blobs: also what is left of blobs that did not come in whole.
    pub fn clear_but(&self, kept: &BTreeSet<Digest>) -> Result<(), BlobError> {
        let error = |source| BlobError::Io { path: self.folder.clone(), source };
        self.partials.clear().map_err(error)?;
        let kept: BTreeSet<String> = kept.iter().map(Digest::to_string).collect();
        for entry in std::fs::read_dir(&self.folder).map_err(error)? {
            let entry = entry.map_err(error)?;
            let is_kept = entry.file_name().to_str().is_some_and(|name| kept.contains(name));
            if !is_kept && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                std::fs::remove_file(entry.path()).map_err(error)?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }
}

impl Incoming {
    /// Writes the header, and reads what had come behind it.
    fn go_on(&mut self, header: &[u8]) -> Result<(), BlobError> {
        let came = self.file.metadata().map_err(|source| self.io(source))?.len();
        let wanted = self.header_bytes + self.offset;
        if self.offset > 0 && came < wanted {
            return Err(BlobError::NotHeld { announced: self.announced, offset: self.offset });
        }
        let mut read = || {
            self.file.set_len(wanted)?;
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(header)?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match self.file.read(&mut buffer)? {
                    0 => return Ok(()),
                    length => self.hasher.update(&buffer[..length]),
                };
            }
        };
        let read: io::Result<()> = read();
        read.map_err(|source| self.io(source))?;
        (self.written, self.is_sound) = (self.offset, true);
        Ok(())
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        if self.written + bytes.len() as u64 > BLOB_BYTES_MAX {
            self.is_sound = false;
            return Err(BlobError::TooLarge);
        }
        self.hasher.update(bytes);
        if let Err(source) = self.file.write_all(bytes) {
            // A disk that is full needs the room for more important things.
            self.is_sound = false;
            let _ = self.partials.clear();
            return Err(self.io(source));
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives up a blob that is not the announced one.
    pub fn discard(mut self) {
        self.is_sound = false;
    }

    /// Ends the blob: it is there for good when this returns, or not at all.
    pub fn finish(mut self) -> Result<(), BlobError> {
        self.is_sound = false;
        let (announced, found) = (self.announced, Digest(*self.hasher.finalize().as_bytes()));
        if found != announced && self.offset > 0 {
            return Err(BlobError::OtherBeginning { announced });
        }
        if found != announced {
            return Err(BlobError::OtherBytes { announced, found });
        }
        self.file.sync_all().map_err(|source| self.io(source))?;
        std::fs::rename(&self.path, &self.target).map_err(|source| self.io(source))?;
        let folder = self.target.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| self.io(source))
    }

    fn io(&self, source: io::Error) -> BlobError {
        BlobError::Io { path: self.target.clone(), source }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.is_sound {
            return self.partials.keep(self.announced, self.header_bytes, self.written, &self.path);
        }
        // After `finish` the file has another name and there is nothing to remove.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path()).unwrap();
        let digest = Digest::of(b"some bytes");
        assert!(!blobs.has(digest));
        assert!(blobs.read(digest).unwrap().is_none());
        blobs.put(digest, &b"some bytes"[..]).unwrap();
        let mut read = String::new();
        blobs.read(digest).unwrap().unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, "some bytes");
    }

    #[test]
    fn what_is_not_kept_is_cleared_with_what_did_not_come_in_whole() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path()).unwrap();
        let (kept, stale) = (Digest::of(b"kept"), Digest::of(b"stale"));
        blobs.put(kept, &b"kept"[..]).unwrap();
        blobs.put(stale, &b"stale"[..]).unwrap();
        std::fs::write(folder.path().join(format!("{stale}.part-1-1")), b"sta").unwrap();
        blobs.clear_but(&BTreeSet::from([kept])).unwrap();
        assert!(blobs.has(kept) && std::fs::read_dir(folder.path()).unwrap().count() == 1);
        blobs.remove(kept);
        blobs.remove(kept);
        assert!(!blobs.has(kept));
    }

    #[test]
    fn a_header_is_read_back_and_is_no_part_of_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path()).unwrap();
        let digest = Digest::of(b"content");
        let mut incoming = blobs.begin_at(digest, b"header ", 0).unwrap();
        incoming.write(b"content").unwrap();
        incoming.finish().unwrap();
        let partial = folder.path().join(format!("{digest}.part-1-1"));
        std::fs::write(&partial, b"hea").unwrap();
        blobs.clear_partial().unwrap();
        assert!(!partial.exists());
        let mut read = String::new();
        blobs.read(digest).unwrap().unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, "header content");
    }

    /// A blob of which half came before its sender was gone; and where the other half begins.
    fn half(blobs: &BlobStore, header: &[u8]) -> (Digest, Vec<u8>, usize) {
        let bytes: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
        let digest = Digest::of(&bytes);
        let mut incoming = blobs.begin_at(digest, header, 0).unwrap();
        incoming.write(&bytes[..bytes.len() / 2]).unwrap();
        drop(incoming);
        let half = bytes.len() / 2;
        assert_eq!(blobs.held(digest), half as u64);
        (digest, bytes, half)
    }

    #[test]
    fn whoever_was_cut_off_goes_on_from_what_had_come() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path()).unwrap();
        let (digest, bytes, half) = half(&blobs, b"header ");
        // It begins a little before: what is behind that counts as not having come.
        let offset = half - 10;
        let mut incoming = blobs.begin_at(digest, b"HEADER ", offset as u64).unwrap();
        assert_eq!(blobs.held(digest), 0, "one alone goes on");
        incoming.write(&bytes[offset..]).unwrap();
        incoming.finish().unwrap();
        let mut read = Vec::new();
        blobs.read(digest).unwrap().unwrap().read_to_end(&mut read).unwrap();
        assert!(read == [b"HEADER ", &bytes[..]].concat());
        assert!(matches!(blobs.begin_at(digest, b"", 1), Err(BlobError::NotHeld { .. })));
    }

    #[test]
    fn what_cannot_be_gone_on_from_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path()).unwrap();
        let (digest, bytes, at) = half(&blobs, b"");
        assert!(matches!(blobs.begin_at(digest, b"", at as u64 + 1), Err(BlobError::NotHeld { .. })));
        assert_eq!(blobs.held(digest), 0);
        half(&blobs, b"");
        let mut incoming = blobs.begin_at(digest, b"", at as u64).unwrap();
        incoming.write(&bytes[..at]).unwrap();
        assert!(matches!(incoming.finish(), Err(BlobError::OtherBeginning { .. })));
        assert_eq!(blobs.held(digest), 0);
        half(&blobs, b"");
        blobs.begin_at(digest, b"", at as u64).unwrap().discard();
        assert_eq!(blobs.held(digest), 0);
        half(&blobs, b"");
        blobs.clear_partial().unwrap();
        assert_eq!(blobs.held(digest), 0);
        half(&blobs, b"");
        blobs.clear_but(&BTreeSet::new()).unwrap();
        assert_eq!(blobs.held(digest), 0);
    }

    #[test]
    fn bytes_that_do_not_match_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(folder.path()).unwrap();
        let digest = Digest::of(b"some bytes");
        assert!(matches!(blobs.put(digest, &b"other bytes"[..]), Err(BlobError::OtherBytes { .. })));
        assert!(!blobs.has(digest));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
