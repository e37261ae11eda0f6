//! The real binary on real data: processes, sockets, files, signals. One test binary, so that it links once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod chaos;
mod cli;
mod clock;
mod commands;
mod data;
mod disk_full;
mod disturbed;
mod doors;
mod end_to_end;
mod flood;
mod hosts;
mod invariants;
mod kernels;
mod lines;
mod network;
mod proxy;
mod recovery;
mod resume;
mod strange_workers;
mod support;
