//! A worker: takes leases from a coordinator, trains in its slots, reports back.

mod blocking;
mod cache;
mod checkpoint;
pub mod connect;
pub mod dataset;
mod hardware;
mod lending;
mod pace;
mod pool;
mod session;
mod spool;
#[cfg(test)]
mod testing;
mod usage;
mod weights;

pub use hardware::{cores, default_name, host_name};
pub use pool::{Job, SlotEvent, SlotWatch, Slots};
pub use session::{Settings, WorkerError, run, run_on};
pub use usage::{Usage, UsageMeter};
