//! The coordinator: expands sweeps into trials, leases them to workers, records each result once.

pub mod blob;
pub mod core;
mod driver;
mod grpc;
mod server;
pub mod store;

pub use driver::{Handle, Standing};
pub use server::{Coordinator, StartError, Timing};
