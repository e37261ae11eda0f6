//! `gridsweep completions`: what a shell needs to complete a command line.

use crate::args::{Args, CompletionsArgs};
use crate::error::{CommandError, Ending};
use crate::output::print_result;
use clap::CommandFactory;

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Ending, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "gridsweep", &mut script);
    print_result(&String::from_utf8_lossy(&script))?;
    Ok(Ending::Done)
}
