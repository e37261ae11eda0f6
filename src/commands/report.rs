//! `gridsweep report`: the folder with tables, figures and findings of a sweep, also while it runs.

use crate::args::{Global, ReportArgs};
use crate::error::{CommandError, Ending};
use crate::output::note;
use crate::place::Place;
use crate::report::{self, Report};
use crate::results::{self, Results};
use crate::settings::Environment;
use std::path::{Path, PathBuf};

pub(crate) fn report(
    args: &ReportArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let place = Place::open(&args.server, global, environment)?;
    let stored = results::find(place.reader(), &args.sweep)?;
    let results = results::load_stored(place.reader(), stored)?;
    let folder = args.out.clone().unwrap_or_else(|| usual(global, &results));
    write(&place, &results, &folder, global.quiet)?;
    Ok(Ending::Done)
}

/// Returns where the report of a sweep goes that nobody gave a place.
pub(super) fn usual(global: &Global, results: &Results) -> PathBuf {
    global.state.join("reports").join(&results.open.sweep.name)
}

/// Writes the report of what is known.
pub(super) fn write(
    place: &Place,
    results: &Results,
    folder: &Path,
    is_quiet: bool,
) -> Result<(), CommandError> {
    let files = Report::build(place, results)?.files()?;
    report::write(folder, &files)?;
    note(is_quiet, &format!("report:  {}", folder.join("index.html").display()));
    Ok(())
}
