//! The real binary on real data: processes, sockets, files, signals. One test binary, so that it links once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod certificates;
mod cli;
mod commands;
mod data;
mod disk_full;
mod doors;
mod end_to_end;
mod figures;
mod flood;
mod kernels;
mod layouts;
mod recovery;
mod report;
mod resume;
mod support;
#[path = "../synthetic/store.rs"]
mod synthetic;
mod tables;
mod through_faults;
mod weights;
