//! Work that may wait for a disk, in the middle of what must not wait.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does it here and now; the other tasks of this thread go on elsewhere meanwhile, where there is another thread. On a runtime
/// of one thread, such as a simulated host's, they wait.
pub(crate) fn block_in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => work(),
        _ => tokio::task::block_in_place(work),
    }
}
