//! `gridsweep submit`: gives a sweep to a coordinator that serves.

use crate::args::{Global, SubmitArgs};
use crate::client::{Client, describe};
use crate::error::{CommandError, Ending};
use crate::output::{note, print_result};
use crate::progress::{Glance, Progress, last_words};
use crate::route::route;
use crate::settings::Environment;
use crate::sweep_file;
use gridsweep_coordinator::core::Counts;
use gridsweep_proto::v1;
use std::time::Instant;

pub(crate) async fn submit(
    args: &SubmitArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let file = sweep_file::read(&args.sweep)?;
    let (open, data) = file.freeze(environment)?;
    let route = route(&args.server, &args.credentials, environment)?;
    let mut client = Client::connect(&route).await?;
    let submitted = client.submit(&open, &data).await?;
    note(global.quiet, &describe(&open.sweep.name, &submitted));
    print_result(&format!("{}\n", submitted.sweep))?;
    if !args.wait {
        return Ok(Ending::Done);
    }
    let began = Instant::now();
    let mut display = Progress::new(global.quiet);
    let mut stream = client.watch(submitted.sweep).await?;
    while let Some(progress) = stream.message().await.map_err(|_| lost(&args.server))? {
        let glance = glance(&progress);
        display.show(&glance);
        if progress.ended {
            display.clear();
            note(global.quiet, &last_words(&open.sweep.name, &glance, began.elapsed().as_secs_f64()));
            return Ok(if glance.ended.without_result() > 0 { Ending::FailedTrials } else { Ending::Done });
        }
    }
    Err(lost(&args.server))
}

fn lost(server: &str) -> CommandError {
    CommandError::infrastructure(anyhow::anyhow!("the coordinator at {server} has stopped"))
        .hint("the sweep is stored: it goes on when the coordinator serves again")
}

/// Makes what is shown of what the coordinator says; it knows nothing of cells.
fn glance(progress: &v1::SweepProgress) -> Glance {
    let &v1::SweepProgress { trials, succeeded, diverged, failed, cancelled, quarantined, workers, .. } =
        progress;
    let ended = Counts { succeeded, diverged, failed, cancelled, quarantined };
    let share_done = ended.total() as f64 / trials.max(1) as f64;
    let trouble = (!progress.trouble.is_empty()).then(|| progress.trouble.clone());
    Glance { trials, ended, share_done, workers, trouble, ..Glance::default() }
}
