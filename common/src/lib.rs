//! The words that every part of gridsweep speaks. Pure: no files, no clocks, no environment.
//!
//! | word | meaning |
//! |---|---|
//! | *sweep* | a submitted sweep file |
//! | *study* | a named grid inside it, with its tables |
//! | *axis* | one varied setting |
//! | *cell* | one combination of choices |
//! | *replicate* | one seed of a cell |
//! | *trial* | cell × replicate, identified by the hash of everything that determines its result |
//! | *attempt* | one execution of a trial |
//! | *lease* | the right of a worker to an attempt for a time |
//! | *slot* | one place on a worker where a trial runs |
//! | *outcome* | how a trial ended |
//! | *metric* | a number it reported |

pub mod catalogue;
pub mod choice;
pub mod confusion;
pub mod data;
pub mod figure;
pub mod findings;
pub mod frame;
pub mod frozen;
pub mod id;
pub mod metric;
pub mod report;
#[cfg(test)]
mod sample;
pub mod search;
pub mod seed;
pub mod spec;
pub mod stats;
pub mod svg;
pub mod table;
pub mod trial;
pub mod weights;
pub mod work;
