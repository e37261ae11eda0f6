//! `gridsweep check`: is this sweep file right?

use crate::args::{Global, SweepFileArgs};
use crate::error::{CommandError, Ending};
use crate::output::{counted, print_result};
use crate::sweep_file;
use gridsweep_common::search::Search;

pub(crate) fn check(args: &SweepFileArgs, global: &Global) -> Result<Ending, CommandError> {
    let file = sweep_file::read(args)?;
    let grid = file.sweep.grid();
    let studies = match file.sweep.studies.len() {
        1 => "1 study".to_owned(),
        count => format!("{count} studies"),
    };
    if !global.quiet {
        let (cells, trials) = (counted(grid.cells(), "cell"), counted(grid.trials(), "trial"));
        print_result(&format!("{}: right; {studies}, {cells}, {trials}\n", args.file.display()))?;
    }
    Ok(Ending::Done)
}
