//! `gridsweep cancel`: stops a sweep, at its coordinator or in a state folder that no coordinator holds.

use crate::args::{Global, PlanFormat, SweepArgs};
use crate::change::{self, Asked};
use crate::error::{CommandError, Ending};
use crate::output::{counted, print_result};
use crate::settings::Environment;
use gridsweep_coordinator::core::{Answer, CancelReport};
use gridsweep_coordinator::offline;
use serde::Serialize;

#[derive(Serialize, Debug)]
struct Cancelled {
    schema: u32,
    sweep: String,
    state: &'static str,
    /// Whether it was cancelled before.
    was_cancelled: bool,
    /// Attempts that were live.
    revoked: u64,
}

pub(crate) fn cancel(
    args: &SweepArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let asked = change::find(args, global, environment)?;
    let CancelReport { was_cancelled, revoked } = match &asked.route {
        Some(_) => {
            let reply = super::block_on(async { asked.client().await?.cancel(asked.sweep.0).await })?;
            CancelReport { was_cancelled: reply.was_cancelled, revoked: reply.revoked }
        }
        None => match asked.offline(global, offline::cancel)? {
            Answer::Cancelled(report) => report,
            other => return Err(Asked::misunderstood(other)),
        },
    };
    let done = Cancelled { schema: 1, sweep: asked.name, state: "cancelled", was_cancelled, revoked };
    print_result(&match args.format {
        PlanFormat::Table => render(&done),
        PlanFormat::Json => serde_json::to_string(&done).map_err(CommandError::unexpected)? + "\n",
    })?;
    Ok(Ending::Done)
}

fn render(done: &Cancelled) -> String {
    let Cancelled { sweep, was_cancelled, revoked, .. } = done;
    match was_cancelled {
        true => format!("{sweep}: was cancelled before\n"),
        false if *revoked == 0 => format!("{sweep}: cancelled; nothing of it ran\n"),
        false => format!(
            "{sweep}: cancelled; {} revoked, what had ended is kept\n",
            counted(*revoked, "running attempt") + if *revoked == 1 { " is" } else { " are" }
        ),
    }
}
