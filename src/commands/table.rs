//! `gridsweep table`: the tables of a sweep, also while it runs; those of its file, or others over the same axes.

use crate::args::{Global, TableArgs};
use crate::error::{CommandError, Ending};
use crate::output::{print_result, result_width};
use crate::place::Place;
use crate::results;
use crate::settings::Environment;
use crate::tables::{Shown, Tables};
use anyhow::anyhow;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::report;
use gridsweep_common::spec::{AskedWrongly, TableRequest};
use gridsweep_common::table::TableSpec;

pub(crate) fn table(
    args: &TableArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let place = Place::open(&args.server, global, environment)?;
    let stored = results::find(place.reader(), &args.sweep)?;
    let is_cancelled = stored.is_cancelled;
    let open = results::open(stored)?;
    // What was asked for wrongly is said before anything is read.
    let asked = asked(args, &open)?;
    let tables = Tables::read(place.reader(), &open, is_cancelled)?;
    let shown: Vec<Shown> = asked.iter().flat_map(|(study, specs)| tables.study(*study, specs)).collect();
    print_result(&render(&shown, &args.format)?)?;
    Ok(Ending::Done)
}

/// Returns the studies, each with the tables that are asked for.
fn asked(args: &TableArgs, open: &OpenSweep) -> Result<Vec<(usize, Vec<TableSpec>)>, CommandError> {
    let request = TableRequest {
        rows: args.rows.clone(),
        columns: args.columns.clone(),
        cells: args.cells.clone(),
        baseline: args.baseline.clone(),
        effects: args.effects,
    };
    let studies = studies(args, open)?;
    let is_one_of_several = studies.len() > 1;
    let tables = |study: usize| {
        let of = &open.sweep.studies[study];
        let tables = request.tables(of, open.sweep.grid().study(study));
        let tables = tables.map_err(|AskedWrongly { message, help }| {
            let error = CommandError::usage(anyhow!("study \"{}\": {message}", of.name)).hint(help);
            if !is_one_of_several {
                return error;
            }
            error.hint(format!("name one study: gridsweep table {} STUDY …", open.sweep.name))
        })?;
        Ok((study, tables))
    };
    studies.into_iter().map(tables).collect()
}

fn studies(args: &TableArgs, open: &OpenSweep) -> Result<Vec<usize>, CommandError> {
    let studies = &open.sweep.studies;
    let Some(name) = &args.study else { return Ok((0..studies.len()).collect()) };
    let found = studies.iter().position(|study| study.name == *name);
    found.map(|study| vec![study]).ok_or_else(|| {
        let names: Vec<_> = studies.iter().map(|study| study.name.as_str()).collect();
        CommandError::usage(anyhow!("sweep \"{}\" has no study \"{name}\"", open.sweep.name))
            .hint(format!("it has: {}", names.join(", ")))
    })
}

fn render(shown: &[Shown], format: &str) -> Result<String, CommandError> {
    let format = report::by_name(format).ok_or_else(|| CommandError::usage(anyhow!("no such format")))?;
    let written = |shown: &Shown| match format.name() {
        "table" => shown.render_for_terminal(result_width()),
        _ => shown.render(format),
    };
    Ok(shown.iter().map(written).collect::<Vec<_>>().join("\n"))
}
