//! The coordinator: expands sweeps into trials, leases them to workers, records each result once.

pub mod blob;
mod blocking;
pub mod core;
pub mod doors;
mod driver;
mod grpc;
mod observe;
pub mod offline;
mod partial;
mod server;
pub mod store;

pub use driver::{Handle, Standing};
pub use grpc::OpenReader;
pub use server::{Coordinator, StartError, Storage, Timing, weights_folder};
