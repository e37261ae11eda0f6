//! Seeded simulations: the coordinator's real services, driver and SQLite store, and the real sessions of workers, on hosts
//! whose network and clocks are simulated (turmoil). A seed decides what fails and when.
//!
//! Real: doors with TLS and tokens, tonic on both ends, the driver, the store with its fsyncs, sessions, spools, caches, the
//! engine that computes the results. Simulated: TCP, time, and the slots, in which an attempt takes simulated time. A host
//! that crashes loses its tasks and its connections and keeps its disk.
//!
//! `GRIDSWEEP_SIM_SEED=17 cargo test -p gridsweep-sim` runs one seed, `GRIDSWEEP_SIM_SEEDS=1000` so many.

#![cfg(test)]

mod faults;
mod hosts;
mod network;
mod random;
mod scene;
mod seeds;
mod slots;
mod verdict;
mod witness;
