//! `gridsweep submit`: gives a sweep to a coordinator that serves.

use crate::args::{Global, SubmitArgs};
use crate::client::{Client, describe};
use crate::error::{CommandError, Ending};
use crate::output::{note, print_result};
use crate::progress::{Detail, Progress, ended, last_words};
use crate::settings::Environment;
use crate::sweep_file;
use std::time::Instant;

pub(crate) async fn submit(
    args: &SubmitArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let file = sweep_file::read(&args.sweep)?;
    let (open, data) = file.freeze(environment)?;
    let mut client = Client::connect(&args.server).await?;
    let submitted = client.submit(&open, &data).await?;
    note(global.quiet, &describe(&open.sweep.name, &submitted));
    print_result(&format!("{}\n", submitted.sweep))?;
    if !args.wait {
        return Ok(Ending::Done);
    }
    let began = Instant::now();
    let mut display = Progress::new(global.quiet);
    let mut stream = client.watch(submitted.sweep).await?;
    while let Some(progress) = stream.message().await.map_err(|status| client.error(&status))? {
        let share_done = ended(&progress) as f64 / progress.trials.max(1) as f64;
        let replicates = u64::from(open.sweep.replicates.count);
        let cells = (ended(&progress) / replicates, progress.trials / replicates);
        display.show(&progress, &Detail { cells, best: None, share_done }, &|_| String::new());
        if progress.ended {
            display.clear();
            note(global.quiet, &last_words(&open.sweep.name, &progress, began.elapsed().as_secs_f64()));
            return Ok(if progress.failed > 0 { Ending::FailedTrials } else { Ending::Done });
        }
    }
    Err(CommandError::infrastructure(anyhow::anyhow!("the coordinator at {} has stopped", args.server))
        .hint("the sweep is stored: it goes on when the coordinator serves again"))
}
