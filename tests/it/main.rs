//! The real binary on real data: processes, sockets, files, signals. One test binary, so that it links once.

mod cli;
mod end_to_end;
mod kernels;
mod resume;
mod support;
