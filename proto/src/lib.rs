//! The wire format, and nothing else: what `gridsweep/v1/*.proto` say, and the way to the domain's own types and back.

/// Generated from `gridsweep/v1/*.proto`; documented there.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::too_many_lines,
    reason = "generated; the .proto files hold the documentation"
)]
pub mod v1 {
    tonic::include_proto!("gridsweep.v1");
}

pub mod convert;

/// Another major version of the protocol is refused. Grows when a message changes its meaning.
pub const PROTOCOL_MAJOR: u32 = 1;
/// Another minor version works. Grows when something is added.
pub const PROTOCOL_MINOR: u32 = 4;
/// The first minor version whose results carry their digest.
pub const RESULT_DIGEST_MINOR: u32 = 4;
/// The most bytes of a blob in one message.
pub const BLOB_CHUNK_BYTES_MAX: usize = 256 * 1024;
/// The most bytes of a checkpoint that a coordinator keeps: the state of 85 million parameters.
pub const CHECKPOINT_BYTES_MAX: u64 = 1 << 30;
/// The most bytes of the weights of one trial that a coordinator keeps.
pub const WEIGHTS_BYTES_MAX: u64 = 1 << 30;
/// The longest message that either side accepts, in bytes: a result with 100,000 epochs has 7 MB.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
