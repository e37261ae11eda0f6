//! What figures are drawn from: the cells of a study, and the epochs of those that a figure wants them of.

use crate::error::CommandError;
use gridsweep_common::figure::{self, Details, Drawing, FigureSpec, Subject, Wants};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::table::{CellResults, Replicate};
use gridsweep_coordinator::store::Reader;

/// Draws a figure of a study.
pub(crate) fn draw(
    reader: &dyn Reader,
    open: &OpenSweep,
    study: usize,
    cells: &[CellResults],
    spec: &FigureSpec,
) -> Result<Vec<Drawing>, CommandError> {
    let of = &open.sweep.studies[study];
    let kind = figure::by_name(spec.kind).expect("a checked request has a kind that there is");
    let details = details(reader, open, cells, kind.wants(spec, cells))?;
    let title = of.title.as_deref().unwrap_or(&of.name);
    let subject = Subject { title, axes: &of.axes, cells, details: &details };
    kind.draw(spec, &subject).map_err(CommandError::usage)
}

/// Reads what a figure wants, as far as it is stored.
fn details(
    reader: &dyn Reader,
    open: &OpenSweep,
    cells: &[CellResults],
    wants: Wants,
) -> Result<Details, CommandError> {
    let mut details = Details::default();
    match wants {
        Wants::Nothing | Wants::Weights(_) => {}
        Wants::Epochs(places) => {
            for place in places {
                let cell = &cells[place];
                let epochs = (0u32..).zip(&cell.replicates).map(|(number, replicate)| match replicate {
                    Replicate::Finished(_) => reader.epochs(open.trial_of(cell.choices.clone(), number).id()),
                    Replicate::Pending | Replicate::Missing => Ok(Vec::new()),
                });
                details.epochs.insert(place, epochs.collect::<Result<_, _>>()?);
            }
        }
    }
    Ok(details)
}
