//! What figures are drawn from: the cells of a study, and the epochs and weights of those that a figure wants them of.

use crate::error::CommandError;
use crate::label::Labels;
use crate::place::Place;
use crate::weights;
use gridsweep_common::figure::Matrix;
use gridsweep_common::figure::{self, Details, Drawing, FigureSpec, Subject, Wants};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::table::{CellResults, Replicate};
use std::collections::BTreeMap;

/// The pictures of a figure.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) drawings: Vec<Drawing>,
    /// What is not in them, and why.
    pub(crate) notes: Vec<String>,
}

/// Draws a figure of a study.
pub(crate) fn draw(
    place: &Place,
    open: &OpenSweep,
    study: usize,
    cells: &[CellResults],
    spec: &FigureSpec,
) -> Result<Drawn, CommandError> {
    let of = &open.sweep.studies[study];
    let kind = figure::by_name(spec.kind).expect("a checked request has a kind that there is");
    let mut notes = Vec::new();
    let details = details(place, open, cells, kind.wants(spec, cells), &mut notes)?;
    let title = of.title.as_deref().unwrap_or(&of.name);
    let subject = Subject { title, axes: &of.axes, cells, details: &details };
    let drawings = kind.draw(spec, &subject).map_err(CommandError::usage)?;
    Ok(Drawn { drawings, notes })
}

/// Reads what a figure wants, as far as it is stored.
fn details(
    place: &Place,
    open: &OpenSweep,
    cells: &[CellResults],
    wants: Wants,
    notes: &mut Vec<String>,
) -> Result<Details, CommandError> {
    let mut details = Details::default();
    match wants {
        Wants::Nothing => {}
        Wants::Weights(wanted) => details.weights = weights(place, open, cells, wanted, notes),
        Wants::Epochs(places) => {
            let reader = place.reader();
            for place in places {
                let cell = &cells[place];
                let epochs = (0u32..).zip(&cell.replicates).map(|(number, replicate)| match replicate {
                    Replicate::Finished(_) | Replicate::Pending => {
                        reader.epochs(open.trial_of(cell.choices.clone(), number).id())
                    }
                    Replicate::Missing => Ok(Vec::new()),
                });
                details.epochs.insert(place, epochs.collect::<Result<_, _>>()?);
            }
        }
    }
    Ok(details)
}

/// Reads weights. What is not to be had is told in a note, and its place in the figure stays empty.
fn weights(
    place: &Place,
    open: &OpenSweep,
    cells: &[CellResults],
    wanted: Vec<(usize, usize)>,
    notes: &mut Vec<String>,
) -> BTreeMap<(usize, usize), Vec<Matrix>> {
    let (mut found, mut missing) = (BTreeMap::new(), BTreeMap::<String, Vec<String>>::new());
    let labels = Labels::of(&open.sweep);
    for (cell, number) in wanted {
        let Some(Replicate::Finished(summary)) = cells[cell].replicates.get(number) else { continue };
        match weights::of_result(place, summary.evaluation.as_ref()) {
            Ok((_, weights)) => {
                let matrix = |layer: gridsweep_common::weights::Layer| Matrix {
                    inputs: layer.inputs,
                    units: layer.units,
                    values: layer.kernel,
                };
                found.insert((cell, number), weights.layers.into_iter().map(matrix).collect());
            }
            Err(error) => {
                missing.entry(error.to_string()).or_default().push(labels.cell(&cells[cell].choices));
            }
        }
    }
    notes.extend(missing.into_iter().map(|(why, cells)| format!("weights of {}: {why}", cells.join("; "))));
    found
}
