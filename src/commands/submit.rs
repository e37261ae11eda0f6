//! `gridsweep submit`: gives a sweep to a coordinator that serves.

use super::wait::{self, Waited};
use crate::args::{Global, SubmitArgs};
use crate::client::{Client, describe};
use crate::error::{CommandError, Ending};
use crate::output::{note, print_result};
use crate::progress::last_words;
use crate::route::route;
use crate::settings::Environment;
use crate::sweep_file;

pub(crate) async fn submit(
    args: &SubmitArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let file = sweep_file::read(&args.sweep)?;
    let (open, data) = file.freeze(environment)?;
    let route = route(&args.server, &args.credentials, environment)?;
    let mut client = Client::connect(&route).await?;
    let submitted = client.submit(&open, &data, args.priority).await?;
    note(global.quiet, &describe(&open.sweep.name, &submitted));
    print_result(&format!("{}\n", submitted.sweep))?;
    if !args.wait {
        return Ok(Ending::Done);
    }
    let name = &open.sweep.name;
    match wait::until_the_end(client, &route, submitted.sweep, args.wait_for_workers, global.quiet).await? {
        Waited::Ended { last, seconds } => {
            note(global.quiet, &last_words(name, &last, seconds));
            Ok(if last.ended.lacks_results() { Ending::FailedTrials } else { Ending::Done })
        }
        Waited::Interrupted => {
            let server = &args.server;
            note(false, &format!("{name}: no longer waiting; the sweep goes on at {server}"));
            note(
                false,
                &format!(
                    "to wait again:  gridsweep submit {} --server {server} --wait",
                    args.sweep.file.display()
                ),
            );
            note(false, &format!("to stop it:     gridsweep cancel {name} --server {server}"));
            Ok(Ending::Interrupted)
        }
    }
}
