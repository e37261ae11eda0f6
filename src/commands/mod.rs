//! One command a file. Each computes what it has to say, then prints it.

mod catalog;
mod check;
mod export;
mod plan;
mod run;
mod serve;
mod status;
mod submit;
mod table;
mod worker;

use crate::args::{Args, Command};
use crate::error::{CommandError, Ending};
use crate::settings::Environment;
use std::future::Future;

/// Runs what was typed.
pub(crate) fn run(args: Args) -> Result<Ending, CommandError> {
    let Args { command, global } = args;
    let environment = Environment::read();
    match command {
        Command::Check(args) => check::check(&args, &global),
        Command::Plan(args) => plan::plan(&args, &global),
        Command::Run(args) => block_on(run::run(&args, &global, &environment)),
        Command::Serve(args) => block_on(serve::serve(&args, &global)),
        Command::Worker(args) => block_on(worker::worker(&args, &global, &environment)),
        Command::Submit(args) => block_on(submit::submit(&args, &global, &environment)),
        Command::Status(args) => status::status(&args, &global, &environment),
        Command::Table(args) => table::table(&args, &global, &environment),
        Command::Export(args) => export::export(&args, &global, &environment),
        Command::Catalog(args) => catalog::catalog(&args),
    }
}

fn block_on(command: impl Future<Output = Result<Ending, CommandError>>) -> Result<Ending, CommandError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::unexpected)?;
    let ending = runtime.block_on(command);
    // What still runs in the background has nothing to say any more.
    runtime.shutdown_background();
    ending
}
