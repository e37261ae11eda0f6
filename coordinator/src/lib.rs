//! gridsweep-coordinator.
