//! The `gridsweep` command: parse, run, print the error, exit.

mod args;
mod atomic;
mod change;
mod children;
mod client;
mod commands;
mod data;
mod duration;
mod error;
mod exported;
mod figures;
mod label;
mod output;
mod picture;
mod place;
mod progress;
mod remote;
mod report;
mod results;
mod route;
mod settings;
mod sink;
mod spark;
mod sweep_file;
mod tables;
mod tally;
mod trials;
mod usage;
mod view;
mod weights;
mod work;

use args::Args;
use std::process::ExitCode;

fn main() -> ExitCode {
    // What `FAILPOINTS` says, in debug builds for tests.
    #[cfg(debug_assertions)]
    let _failpoints = fail::FailScenario::setup();
    let args = Args::read();
    output::start_logging(args.global.log_format);
    match commands::run(args) {
        Ok(ending) => ending.exit_code(),
        Err(error) => {
            output::print_error(&error);
            error.exit_code()
        }
    }
}
