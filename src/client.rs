//! A command's conversation with a coordinator.

use crate::error::CommandError;
use anyhow::anyhow;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::Digest;
use gridsweep_proto::v1::submit_reply::Reply;
use gridsweep_proto::{BLOB_CHUNK_BYTES_MAX, MESSAGE_BYTES_MAX, v1};
use gridsweep_worker::connect::{Link, Route, upload};
use gridsweep_worker::dataset;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

/// How often data is sent in a row without any more of it arriving, and how long in between.
const PUT_TRIES_MAX: u32 = 5;
const PUT_WAIT: Duration = Duration::from_secs(1);

type SweepsClient = v1::sweeps_client::SweepsClient<Link>;

/// A connection for people's commands.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    sweeps: SweepsClient,
    address: String,
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.address)
    }
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(route: &Route) -> Result<Client, CommandError> {
        let sweeps = SweepsClient::new(connect(route).await?)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Client { sweeps, address: route.to_string() })
    }

    /// Submits a sweep, and sends the coordinator what it lacks of the data.
    pub(crate) async fn submit(
        &mut self,
        open: &OpenSweep,
        data: &[PathBuf],
        priority: Option<i32>,
    ) -> Result<v1::Submitted, CommandError> {
        let catalogue = serde_json::to_string(&open.frozen.catalogue).map_err(CommandError::unexpected)?;
        let request = v1::SubmitRequest {
            text: open.frozen.text.clone(),
            catalogue,
            data: Some((&open.frozen.data).into()),
            numerics: open.frozen.numerics,
            priority,
        };
        match self.try_submit(request.clone()).await? {
            Reply::Submitted(submitted) => return Ok(submitted),
            Reply::Missing(missing) => {
                verify(open, data).await?;
                self.send_missing(open, data, &missing).await?;
            }
        }
        match self.try_submit(request).await? {
            Reply::Submitted(submitted) => Ok(submitted),
            Reply::Missing(_) => Err(CommandError::infrastructure(anyhow!(
                "the coordinator at {} lost the data sent",
                self.address
            ))),
        }
    }

    async fn try_submit(&mut self, request: v1::SubmitRequest) -> Result<Reply, CommandError> {
        let reply = self.sweeps.submit(request).await.map_err(|status| self.error(&status))?;
        reply.into_inner().reply.ok_or_else(|| self.error(&Status::internal("an empty reply")))
    }

    async fn send_missing(
        &mut self,
        open: &OpenSweep,
        data: &[PathBuf],
        missing: &v1::MissingBlobs,
    ) -> Result<(), CommandError> {
        for (file, path) in open.frozen.data.files.iter().zip(data) {
            if missing.digests.iter().any(|digest| digest[..] == file.blob.0) {
                self.put_blob(file.blob, path.clone()).await?;
            }
        }
        Ok(())
    }

    /// Sends a file. Where the line breaks it goes on from what came, until a few tries in a row bring nothing new.
    async fn put_blob(&mut self, digest: Digest, path: PathBuf) -> Result<(), CommandError> {
        let unread = |error| CommandError::infrastructure(cannot_read(&path)(error));
        let length = std::fs::metadata(&path).map_err(unread)?.len();
        let (mut tries, mut farthest) = (0, 0);
        loop {
            let request = v1::HeldRequest { digest: digest.0.to_vec() };
            let offset = upload::beginning(length, || self.sweeps.held_of_blob(request)).await;
            if let Ok(offset) = offset
                && offset > farthest
            {
                (tries, farthest) = (0, offset);
            }
            let sent = match offset {
                Ok(offset) => self.put_rest(digest, path.clone(), offset).await?,
                Err(status) => Err(status),
            };
            tries += 1;
            match sent {
                Err(status) if tries < PUT_TRIES_MAX && upload::is_worth_another_try(&status) => {
                    tokio::time::sleep(PUT_WAIT).await;
                }
                sent => return sent.map_err(|status| self.error(&status)),
            }
        }
    }

    /// Sends a file from a byte on.
    async fn put_rest(
        &mut self,
        digest: Digest,
        path: PathBuf,
        offset: u64,
    ) -> Result<Result<(), Status>, CommandError> {
        let (sender, chunks) = mpsc::channel(4);
        let reading = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
            let mut file = std::fs::File::open(&path).map_err(cannot_read(&path))?;
            file.seek(SeekFrom::Start(offset)).map_err(cannot_read(&path))?;
            let mut buffer = vec![0; BLOB_CHUNK_BYTES_MAX];
            let (mut digest, mut offset) = (digest.0.to_vec(), offset);
            loop {
                let length = file.read(&mut buffer).map_err(cannot_read(&path))?;
                let (digest, offset) = (std::mem::take(&mut digest), std::mem::take(&mut offset));
                let request = v1::PutBlobRequest { digest, bytes: buffer[..length].to_vec(), offset };
                if length == 0 || sender.blocking_send(request).is_err() {
                    return Ok(());
                }
            }
        });
        let sent = self.sweeps.put_blob(ReceiverStream::new(chunks)).await;
        reading.await.map_err(CommandError::unexpected)?.map_err(CommandError::infrastructure)?;
        Ok(sent.map(drop))
    }

    /// Follows a sweep until it has ended.
    pub(crate) async fn watch(&mut self, sweep: u64) -> Result<Streaming<v1::SweepProgress>, CommandError> {
        let stream =
            self.sweeps.watch(v1::WatchRequest { sweep }).await.map_err(|status| self.error(&status))?;
        Ok(stream.into_inner())
    }

    /// Cancels a sweep.
    pub(crate) async fn cancel(&mut self, sweep: u64) -> Result<v1::CancelReply, CommandError> {
        let reply = self.sweeps.cancel(v1::CancelRequest { sweep }).await;
        reply.map(tonic::Response::into_inner).map_err(|status| self.error(&status))
    }

    /// Gives what failed of a sweep new attempts.
    pub(crate) async fn retry(&mut self, sweep: u64) -> Result<v1::RetryReply, CommandError> {
        let reply = self.sweeps.retry(v1::RetryRequest { sweep }).await;
        reply.map(tonic::Response::into_inner).map_err(|status| self.error(&status))
    }

    /// Says what a status means to the user.
    pub(crate) fn error(&self, status: &Status) -> CommandError {
        let error = anyhow!("the coordinator at {} says: {}", self.address, status.message());
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => CommandError::usage(error)
                .hint("the coordinator's tokens are the files in its folder `tokens`"),
            Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound => CommandError::usage(error),
            _ => CommandError::infrastructure(error),
        }
    }
}

fn cannot_read(path: &Path) -> impl Fn(std::io::Error) -> anyhow::Error {
    let path = path.display().to_string();
    move |error| anyhow::Error::new(error).context(format!("cannot read {path}"))
}

/// Makes the connection that every command speaks through.
pub(crate) async fn connect(route: &Route) -> Result<Link, CommandError> {
    route.connect().await.map_err(|status| {
        let error = anyhow!("no coordinator answers at {route}: {}", status.message());
        let error = CommandError::infrastructure(error);
        if status.code() == Code::FailedPrecondition {
            return error.hint("take the fingerprint that its `gridsweep serve` prints, or its certificate");
        }
        error.hint("start one with `gridsweep serve`, or run the sweep on this machine with `gridsweep run`")
    })
}

/// Checks the data before it is sent: whoever has it already has checked it then.
async fn verify(open: &OpenSweep, data: &[PathBuf]) -> Result<(), CommandError> {
    let (manifest, paths) = (open.frozen.data.clone(), data.to_vec());
    let verified = tokio::task::spawn_blocking(move || dataset::verify(&manifest, &paths)).await;
    let folder = data.first().and_then(|path| path.parent()).unwrap_or(Path::new(".")).display();
    verified.map_err(CommandError::unexpected)?.map_err(|error| {
        CommandError::usage(error).hint(format!("the files are in {folder}; put the right ones there"))
    })
}

/// Says what a submission did.
pub(crate) fn describe(name: &str, submitted: &v1::Submitted) -> String {
    use crate::output::{counted, grouped};
    let changes = submitted.changes.unwrap_or_default();
    match (submitted.effect(), submitted.changes) {
        (v1::SubmitEffect::Replaced, Some(_)) => format!(
            "{name}: the file has changed: {} new, {} unchanged, {} removed",
            grouped(changes.new),
            grouped(changes.unchanged),
            grouped(changes.removed)
        ),
        (v1::SubmitEffect::Replaced, None) => format!("{name}: the file has changed"),
        (v1::SubmitEffect::Unchanged, _) => {
            format!("{name}: going on with {}", counted(changes.unchanged, "trial"))
        }
        (v1::SubmitEffect::Created | v1::SubmitEffect::Unspecified, _) => {
            format!("{name}: {}", counted(changes.new, "trial"))
        }
    }
}
