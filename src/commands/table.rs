//! `gridsweep table`: the tables of a sweep, also while it runs.

use crate::args::{Global, TableArgs};
use crate::error::{CommandError, Ending};
use crate::output::print_result;
use crate::place::Place;
use crate::results;
use crate::settings::Environment;
use anyhow::anyhow;
use gridsweep_common::report;

pub(crate) fn table(
    args: &TableArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let place = Place::open(&args.server, global, environment)?;
    let reader = place.reader();
    let stored = results::find(reader, &args.sweep)?;
    let results = results::load_stored(reader, stored)?;
    let open = &results.open;
    let studies = match &args.study {
        None => (0..open.sweep.studies.len()).collect(),
        Some(name) => {
            vec![open.sweep.studies.iter().position(|study| study.name == *name).ok_or_else(|| {
                let names: Vec<_> = open.sweep.studies.iter().map(|study| study.name.as_str()).collect();
                CommandError::usage(anyhow!("sweep \"{}\" has no study \"{name}\"", open.sweep.name))
                    .hint(format!("it has: {}", names.join(", ")))
            })?]
        }
    };
    let text = if args.format == "table" {
        results.render_for_terminal(&studies)
    } else {
        let format =
            report::by_name(&args.format).ok_or_else(|| CommandError::usage(anyhow!("no such format")))?;
        results.render_as(&studies, format)
    };
    print_result(&text)?;
    Ok(Ending::Done)
}
