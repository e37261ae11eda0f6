//! The figures of a study, with what they need from the store: epochs and weights, each read once.

use crate::error::CommandError;
use crate::place::Place;
use crate::results::Results;
use crate::weights;
use gridsweep_common::figure::{self, Details, Drawing, FigureSpec, Matrix, Subject, Wants};
use gridsweep_common::search::Search;
use gridsweep_common::table::CellResults;
use gridsweep_coordinator::store::StoredTrial;

/// One figure, or why there is none.
#[derive(Debug)]
pub(super) struct Picture {
    /// The stem of its files.
    pub(super) stem: String,
    pub(super) drawing: Option<Drawing>,
    /// What a reader must know.
    pub(super) notes: Vec<String>,
}

/// Draws every figure that a study asks for.
pub(super) fn of_study(
    place: &Place,
    results: &Results,
    study: usize,
    cells: &[CellResults],
) -> Result<Vec<Picture>, CommandError> {
    let mut pictures: Vec<Picture> = Vec::new();
    for spec in &results.open.sweep.studies[study].figures {
        pictures.extend(draw(place, results, study, cells, spec)?);
    }
    let mut seen = std::collections::BTreeMap::new();
    for picture in &mut pictures {
        // Two figures of one kind.
        let number: &mut u32 = seen.entry(picture.stem.clone()).or_default();
        *number += 1;
        if *number > 1 {
            picture.stem += &format!("-again-{number}");
        }
    }
    Ok(pictures)
}

fn draw(
    place: &Place,
    results: &Results,
    study: usize,
    cells: &[CellResults],
    spec: &FigureSpec,
) -> Result<Vec<Picture>, CommandError> {
    let of = &results.open.sweep.studies[study];
    let stem = |name: &str| format!("{}-{name}", of.name);
    let lacking = |why: String| vec![Picture { stem: stem(spec.kind), drawing: None, notes: vec![why] }];
    let Some(kind) = figure::by_name(spec.kind) else {
        return Ok(lacking(format!("this version draws no `{}`", spec.kind)));
    };
    let mut notes = Vec::new();
    let details = details(place, results, cells, kind.wants(spec, cells), &mut notes)?;
    let subject = Subject { title: super::title(of), axes: &of.axes, cells, details: &details };
    let drawings = match kind.draw(spec, &subject) {
        Ok(drawings) => drawings,
        Err(error) => return Ok(lacking(format!("{}: {error}", spec.kind))),
    };
    let picture =
        |drawing: Drawing| Picture { stem: stem(&drawing.name), drawing: Some(drawing), notes: Vec::new() };
    let mut pictures: Vec<Picture> = drawings.into_iter().map(picture).collect();
    if let Some(last) = pictures.last_mut() {
        last.notes = notes;
    }
    Ok(pictures)
}

/// Reads what a figure wants. What is not to be had is told in a note, and its place in the figure stays empty.
fn details(
    place: &Place,
    results: &Results,
    cells: &[CellResults],
    wants: Wants,
    notes: &mut Vec<String>,
) -> Result<Details, CommandError> {
    let mut details = Details::default();
    match wants {
        Wants::Nothing => {}
        Wants::Epochs(places) => {
            for cell in places {
                let replicates = 0..cells[cell].replicates.len();
                let epochs = replicates.map(|replicate| match trial(results, &cells[cell], replicate) {
                    Some(trial) if trial.summary.is_some() => place.reader().epochs(trial.id),
                    _ => Ok(Vec::new()),
                });
                details.epochs.insert(cell, epochs.collect::<Result<_, _>>()?);
            }
        }
        Wants::Weights(wanted) => {
            let mut missing: std::collections::BTreeMap<String, Vec<String>> = Default::default();
            for (cell, replicate) in wanted {
                let Some(trial) = trial(results, &cells[cell], replicate) else { continue };
                match weights::of_trial(place, trial) {
                    Ok((_, weights)) => {
                        let matrices = weights.layers.into_iter().map(|layer| Matrix {
                            inputs: layer.inputs,
                            units: layer.units,
                            values: layer.kernel,
                        });
                        details.weights.insert((cell, replicate), matrices.collect());
                    }
                    Err(error) => {
                        let name = results.labels.cell(&cells[cell].choices);
                        missing.entry(error.to_string()).or_default().push(name);
                    }
                }
            }
            notes.extend(
                missing.into_iter().map(|(why, cells)| format!("weights of {}: {why}", cells.join("; "))),
            );
        }
    }
    Ok(details)
}

fn trial<'a>(results: &'a Results, cell: &CellResults, replicate: usize) -> Option<&'a StoredTrial> {
    let replicate = u32::try_from(replicate).ok()?;
    let index = results.open.sweep.grid().index_of(&cell.choices, replicate)?;
    results.trials.get(&index)
}
