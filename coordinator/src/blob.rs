//! Content-addressed files: a blob is stored under the digest of its bytes, and never under a name from outside.

use gridsweep_common::id::Digest;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells blobs apart that come in at the same time.
static INCOMING: AtomicU64 = AtomicU64::new(0);

/// The blobs in one folder.
#[derive(Clone, Debug)]
pub struct BlobStore {
    folder: PathBuf,
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

/// A blob on its way in. Dropped before [`Incoming::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    announced: Digest,
    hasher: blake3::Hasher,
    written: u64,
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl BlobStore {
    /// Uses `folder`, making it where it is absent.
    pub fn open(folder: &Path) -> Result<BlobStore, BlobError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| BlobError::Io { path: folder.to_owned(), source })?;
        Ok(BlobStore { folder: folder.to_owned() })
    }

    /// Looks into `folder`, which need not be there.
    pub fn at(folder: &Path) -> BlobStore {
        BlobStore { folder: folder.to_owned() }
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

    /// Begins to store a blob.
    pub fn begin(&self, announced: Digest) -> Result<Incoming, BlobError> {
        let target = self.path(announced);
        let number = INCOMING.fetch_add(1, Ordering::Relaxed);
        let path = target.with_extension(format!("part-{}-{number}", std::process::id()));
        let file = File::create(&path).map_err(|source| BlobError::Io { path: path.clone(), source })?;
        Ok(Incoming { announced, hasher: blake3::Hasher::new(), written: 0, file, path, target })
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
    /// Adds bytes that the digest does not cover: a header that follows from the content.
    pub fn write_before_content(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.file.write_all(bytes).map_err(|source| self.io(source))
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.written += bytes.len() as u64;
        if self.written > BLOB_BYTES_MAX {
            return Err(BlobError::TooLarge);
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|source| self.io(source))
    }

    /// Ends the blob: it is there for good when this returns, or not at all.
    pub fn finish(self) -> Result<(), BlobError> {
        let found = Digest(*self.hasher.finalize().as_bytes());
        if found != self.announced {
            return Err(BlobError::OtherBytes { announced: self.announced, found });
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
        let mut incoming = blobs.begin(digest).unwrap();
        incoming.write_before_content(b"header ").unwrap();
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
