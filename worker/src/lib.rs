//! gridsweep-worker.
