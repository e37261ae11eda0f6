//! One command a file. Each computes what it has to say, then prints it.

mod cancel;
mod catalog;
mod check;
mod completions;
mod export;
mod export_weights;
mod figure;
mod plan;
mod report;
mod retry;
mod run;
mod serve;
mod show;
mod status;
mod submit;
mod table;
mod verify;
mod wait;
mod worker;

pub(crate) use verify::{Sample, sample};

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
        Command::Show(args) => show::show(&args, &global, &environment),
        Command::Cancel(args) => cancel::cancel(&args, &global, &environment),
        Command::Retry(args) => retry::retry(&args, &global, &environment),
        Command::Verify(args) => verify::verify(&args, &global, &environment),
        Command::Completions(args) => completions::completions(&args),
        Command::Report(args) => report::report(&args, &global, &environment),
        Command::Table(args) => table::table(&args, &global, &environment),
        Command::Figure(args) => figure::figure(&args, &global, &environment),
        Command::Export(args) => export::export(&args, &global, &environment),
        Command::Catalog(args) => catalog::catalog(&args),
    }
}

fn block_on<T>(command: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::unexpected)?;
    let ending = runtime.block_on(command);
    // What still runs in the background has nothing to say any more.
    runtime.shutdown_background();
    ending
}
