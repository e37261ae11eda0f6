//! gridsweep-proto.
