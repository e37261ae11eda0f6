//! The figures of a study, each with the names of its files.

use crate::error::CommandError;
use crate::figures::{self, Drawn};
use crate::picture;
use crate::place::Place;
use crate::results::Results;
use gridsweep_common::figure::Drawing;
use gridsweep_common::table::CellResults;
use std::collections::BTreeMap;

/// One figure, or why there is none.
#[derive(Debug)]
pub(super) struct Picture {
    /// The stem of its files.
    pub(super) stem: String,
    pub(super) drawing: Option<Drawing>,
    pub(super) png: Option<Vec<u8>>,
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
    let of = &results.open.sweep.studies[study];
    let mut pictures = Vec::new();
    for spec in &of.figures {
        match figures::draw(place, &results.open, study, cells, spec) {
            Ok(drawn) => pictures.extend(named(&of.name, drawn)),
            // A figure that fits no cell leaves the others as they are.
            Err(error) if error.kind == crate::error::Kind::Usage => pictures.push(Picture {
                stem: format!("{}-{}", of.name, spec.kind),
                drawing: None,
                png: None,
                notes: vec![format!("{}: {}", spec.kind, error.source)],
            }),
            Err(error) => return Err(error),
        }
    }
    number_equal_stems(&mut pictures);
    Ok(pictures)
}

fn named(study: &str, drawn: Drawn) -> Vec<Picture> {
    let picture = |drawing: Drawing| {
        let (png, notes) = match picture::png(&drawing.svg) {
            Ok(png) => (Some(png), Vec::new()),
            Err(error) => (None, vec![error.to_string()]),
        };
        Picture { stem: format!("{study}-{}", drawing.name), drawing: Some(drawing), png, notes }
    };
    let mut pictures: Vec<Picture> = drawn.drawings.into_iter().map(picture).collect();
    if let Some(last) = pictures.last_mut() {
        last.notes.extend(drawn.notes);
    }
    pictures
}

/// Tells two figures of one kind apart.
fn number_equal_stems(pictures: &mut [Picture]) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for picture in pictures {
        let number = seen.entry(picture.stem.clone()).or_default();
        *number += 1;
        if *number > 1 {
            picture.stem += &format!("-again-{number}");
        }
    }
}
