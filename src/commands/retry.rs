//! `gridsweep retry`: new attempts for what failed, at the coordinator or in a state folder that no coordinator holds.

use crate::args::{Global, PlanFormat, SweepArgs};
use crate::change::{self, Asked};
use crate::error::{CommandError, Ending};
use crate::output::{counted, print_result};
use crate::settings::Environment;
use gridsweep_coordinator::core::{Answer, RetryReport};
use gridsweep_coordinator::offline;
use serde::Serialize;

#[derive(Serialize, Debug)]
struct Retried {
    schema: u32,
    sweep: String,
    /// Failed and quarantined trials that get new attempts.
    reopened: u64,
    /// Whether it was cancelled: it goes on.
    was_cancelled: bool,
    /// Whether a coordinator is at work on it now.
    is_served: bool,
}

pub(crate) fn retry(
    args: &SweepArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let asked = change::find(args, global, environment)?;
    let is_served = asked.route.is_some();
    let RetryReport { reopened, was_cancelled } = match &asked.route {
        Some(_) => {
            let reply = super::block_on(async { asked.client().await?.retry(asked.sweep.0).await })?;
            RetryReport { reopened: reply.reopened, was_cancelled: reply.was_cancelled }
        }
        None => match asked.offline(global, offline::retry)? {
            Answer::Retried(report) => report,
            other => return Err(Asked::misunderstood(other)),
        },
    };
    let done = Retried { schema: 1, sweep: asked.name, reopened, was_cancelled, is_served };
    print_result(&match args.format {
        PlanFormat::Table => render(&done),
        PlanFormat::Json => serde_json::to_string(&done).map_err(CommandError::unexpected)? + "\n",
    })?;
    Ok(Ending::Done)
}

fn render(done: &Retried) -> String {
    let Retried { sweep, reopened, was_cancelled, is_served, .. } = done;
    let mut text = match reopened {
        0 => format!("{sweep}: no trial has failed"),
        reopened => format!(
            "{sweep}: {} new attempts",
            counted(*reopened, "trial") + if *reopened == 1 { " gets" } else { " get" }
        ),
    };
    if *was_cancelled {
        text.push_str("; it is not cancelled any more");
    }
    if !is_served && (*reopened > 0 || *was_cancelled) {
        text.push_str("; run it again, or serve, to go on");
    }
    text + "\n"
}
