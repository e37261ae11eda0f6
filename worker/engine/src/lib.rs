//! gridsweep-engine.
