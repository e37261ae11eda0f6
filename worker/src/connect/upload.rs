//! Where something large begins that is sent: at what the coordinator has of it already, because an earlier try was cut off.

use gridsweep_proto::{BLOB_CHUNK_BYTES_MAX, v1};
use std::future::Future;
use tonic::{Code, Response, Status};

/// Returns at which byte to begin with a blob of so many. `ask` is called where the answer can save something; it may be wrong,
/// since the whole is checked by its digest.
pub async fn beginning<A>(length: u64, ask: impl FnOnce() -> A) -> Result<u64, Status>
where
    A: Future<Output = Result<Response<v1::HeldReply>, Status>>,
{
    if length <= BLOB_CHUNK_BYTES_MAX as u64 {
        return Ok(0);
    }
    match ask().await {
        // There is always a last byte to be sent, behind which the whole is checked.
        Ok(held) => {
            let offset = held.into_inner().bytes.min(length - 1);
            if offset > 0 {
                tracing::debug!(offset, length, "sending goes on where it was cut off");
            }
            Ok(offset)
        }
        // A coordinator of an earlier version.
        Err(status) if status.code() == Code::Unimplemented => Ok(0),
        Err(status) => Err(status),
    }
}

/// Returns whether sending may go well at another try: the line broke, or what was here to go on from is not.
pub fn is_worth_another_try(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Aborted
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::DeadlineExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: u64 = 10 * BLOB_CHUNK_BYTES_MAX as u64;

    async fn begins(length: u64, answer: Result<u64, Status>) -> Result<u64, Code> {
        let answer = answer.map(|bytes| Response::new(v1::HeldReply { bytes }));
        beginning(length, || std::future::ready(answer)).await.map_err(|status| status.code())
    }

    #[tokio::test]
    async fn it_begins_where_the_coordinator_says_and_never_behind_the_last_byte() {
        assert_eq!(begins(LONG, Ok(7)).await, Ok(7));
        assert_eq!(begins(LONG, Ok(LONG)).await, Ok(LONG - 1));
        assert_eq!(begins(LONG, Ok(u64::MAX)).await, Ok(LONG - 1));
        assert_eq!(begins(9, Ok(7)).await, Ok(0), "nobody asks for what fits one message");
        assert_eq!(begins(LONG, Err(Status::unimplemented("an earlier version"))).await, Ok(0));
        assert_eq!(begins(LONG, Err(Status::unavailable("away"))).await, Err(Code::Unavailable));
    }

    #[test]
    fn what_is_refused_for_good_is_not_tried_again() {
        assert!(is_worth_another_try(&Status::aborted("not here any more")));
        assert!(!is_worth_another_try(&Status::invalid_argument("other bytes")));
    }
}
