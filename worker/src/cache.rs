//! Data sets fetched from the coordinator: on disk by digest, in memory while a trial may need them.

use crate::blocking::block_in_place;
use crate::connect::Link;
use crate::dataset::{self, DataError, STORED_BYTES_MAX};
use gridsweep_common::data::{DataFile, DataManifest};
use gridsweep_common::id::Digest;
use gridsweep_engine::Dataset;
use gridsweep_proto::{convert, v1};
use rand::RngExt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};
use tonic::Code;

/// Asking again for data: the first wait, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// How often it is looked meanwhile whether anyone still wants it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

type Client = v1::workers_client::WorkersClient<Link>;

/// The data sets of one worker process, each loaded once and shared by its slots.
#[derive(Debug)]
pub(crate) struct DataCache {
    folder: PathBuf,
    loaded: Mutex<BTreeMap<Digest, Arc<OnceCell<Arc<Dataset>>>>>,
}

/// Why a data set could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The coordinator does not answer, or has no such thing.
    #[error("the coordinator did not give the data: {}", .0.message())]
    Coordinator(#[from] tonic::Status),
    /// What it gave is not what was asked for.
    #[error("{0}")]
    Wrong(String),
    /// The files do not read.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl FetchError {
    /// Returns whether asking again would be answered the same.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            FetchError::Coordinator(status) => matches!(
                status.code(),
                Code::NotFound
                    | Code::InvalidArgument
                    | Code::FailedPrecondition
                    | Code::PermissionDenied
                    | Code::Unauthenticated
                    | Code::Unimplemented
                    | Code::OutOfRange
            ),
            FetchError::Wrong(_) | FetchError::Data(_) => true,
        }
    }
}

impl DataCache {
    pub(crate) fn new(folder: &Path) -> DataCache {
        DataCache { folder: folder.to_owned(), loaded: Mutex::default() }
    }

    /// Returns a data set, and asks for it again for as long as the coordinator is away or in trouble and the data set
    /// `is_wanted`: that is not the trial's failure.
    pub(crate) async fn get_patiently(
        &self,
        client: &Client,
        data: Digest,
        is_wanted: impl Fn() -> bool,
    ) -> Result<Arc<Dataset>, FetchError> {
        let mut wait = BACK_OFF.0;
        loop {
            let error = match self.get(client.clone(), data).await {
                Ok(dataset) => return Ok(dataset),
                Err(error) => error,
            };
            if error.is_permanent() {
                return Err(error);
            }
            tracing::warn!(%data, %error, "a data set is not to be had for now; trying again");
            let jittered = wait.mul_f64(rand::rng().random_range(0.5..1.0));
            for _ in 0..jittered.as_millis().div_ceil(LOOK_EVERY.as_millis()) {
                if !is_wanted() {
                    return Err(error);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            wait = (wait * 2).min(BACK_OFF.1);
        }
    }

    /// Returns a data set, from memory, from disk or from the coordinator. Several slots that ask at once wait for one.
    async fn get(&self, client: Client, data: Digest) -> Result<Arc<Dataset>, FetchError> {
        let cell = Arc::clone(self.loaded.lock().await.entry(data).or_default());
        cell.get_or_try_init(|| self.load(client, data)).await.cloned()
    }

    async fn load(&self, mut client: Client, data: Digest) -> Result<Arc<Dataset>, FetchError> {
        let request = v1::DescribeDataRequest { data: data.0.to_vec() };
        let manifest = client.describe_data(request).await?.into_inner();
        let manifest = convert::data_manifest(&manifest)
            .map_err(|malformed| FetchError::Wrong(malformed.to_string()))?;
        if manifest.digest() != data {
            return Err(FetchError::Wrong("the coordinator described another data set".to_owned()));
        }
        let mut files = Vec::with_capacity(manifest.files.len());
        for file in &manifest.files {
            files.push(self.file(&mut client, file).await?);
        }
        decode(manifest, files).await
    }

    async fn file(&self, client: &mut Client, file: &DataFile) -> Result<Vec<u8>, FetchError> {
        let path = self.folder.join(file.blob.to_string());
        if let Ok(bytes) = block_in_place(|| std::fs::read(&path))
            && Digest::of(&bytes) == file.blob
        {
            return Ok(bytes);
        }
        let bytes = fetch(client, file).await?;
        if let Err(error) = block_in_place(|| keep(&path, &bytes)) {
            tracing::warn!(path = %path.display(), %error, "the data is not kept for the next time");
        }
        Ok(bytes)
    }
}

async fn decode(manifest: DataManifest, files: Vec<Vec<u8>>) -> Result<Arc<Dataset>, FetchError> {
    let decoded = tokio::task::spawn_blocking(move || dataset::decode(&manifest, &files));
    let decoded = decoded.await.map_err(|_| FetchError::Wrong("reading the data panicked".to_owned()))?;
    Ok(Arc::new(decoded?))
}

async fn fetch(client: &mut Client, file: &DataFile) -> Result<Vec<u8>, FetchError> {
    if file.stored_bytes > STORED_BYTES_MAX {
        return Err(FetchError::Wrong(format!("a data file of {} bytes is too large", file.stored_bytes)));
    }
    let request = v1::FetchBlobRequest { digest: file.blob.0.to_vec() };
    let mut stream = client.fetch_blob(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.message().await? {
        bytes.extend(chunk.bytes);
        if bytes.len() as u64 > file.stored_bytes {
            return Err(FetchError::Wrong("the coordinator sent more than was announced".to_owned()));
        }
    }
    if Digest::of(&bytes) != file.blob {
        return Err(FetchError::Wrong("the coordinator sent other bytes than were asked for".to_owned()));
    }
    Ok(bytes)
}

/// Writes a file so that another process sees all of it or none.
fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let partial = path.with_extension(format!("part-{}", std::process::id()));
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path)).inspect_err(|_| {
        // A disk that is full needs the room for more important things.
        let _ = std::fs::remove_file(&partial);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;
    use tonic::Status;

    #[tokio::test(flavor = "multi_thread")]
    async fn data_is_asked_for_again_until_there_is_an_answer_for_good_or_nobody_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let cache = DataCache::new(folder.path());
        let fake = Arc::new(Fake::default());
        let client = fake.serve().await;
        let trouble = || [Status::unavailable("no file descriptors left"), Status::internal("no room")];
        fake.troubles.lock().unwrap().extend(trouble());
        let answer = cache.get_patiently(&client, Digest([1; 32]), || true).await;
        assert!(
            answer.is_err_and(|error| error.is_permanent() && error.to_string().contains("no such data"))
        );
        assert!(fake.troubles.lock().unwrap().is_empty(), "it asked until it was told for good");
        fake.troubles.lock().unwrap().extend(trouble());
        let answer = cache.get_patiently(&client, Digest([1; 32]), || false).await;
        assert!(answer.is_err_and(|error| !error.is_permanent()), "the trial has not failed");
        assert_eq!(fake.troubles.lock().unwrap().len(), 1, "nobody wanted it any more");
    }
}
