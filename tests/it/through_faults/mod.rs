//! Sweeps of real processes that are disturbed in every way that can be had: networks, lines, processes, disks, clocks. Each test
//! proves that its fault came, looks at what must hold of the store, and compares the bytes with those of an undisturbed run.

mod chaos;
mod clock;
mod disturbed;
mod hosts;
mod invariants;
mod lines;
mod network;
mod proxy;
mod strange_workers;
mod uploads;
