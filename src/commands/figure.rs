//! `gridsweep figure`: one figure of a study, also while the sweep runs, as SVG or PNG.

use crate::args::{FigureArgs, Global};
use crate::error::{CommandError, Ending};
use crate::figures;
use crate::output::{note, print_result};
use crate::picture;
use crate::place::Place;
use crate::results;
use crate::settings::Environment;
use crate::tables::Tables;
use anyhow::anyhow;
use gridsweep_common::choice::Value;
use gridsweep_common::figure::{Asked, Drawing, FigureSpec};
use gridsweep_common::frozen::OpenSweep;
use std::path::{Path, PathBuf};

pub(crate) fn figure(
    args: &FigureArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    if args.out.as_deref().is_some_and(|out| ending_of(out).is_none()) {
        return Err(CommandError::usage(anyhow!("--out names no SVG and no PNG file"))
            .hint("its name ends in .svg or in .png"));
    }
    let place = Place::open(&args.server, global, environment)?;
    let stored = results::find(place.reader(), &args.sweep)?;
    let is_cancelled = stored.is_cancelled;
    let open = results::open(stored)?;
    // What was asked for wrongly is said before anything is read.
    let study = study(args, &open)?;
    let spec = asked(args, &open, study)?;
    let cells = match spec.kind {
        // These show the histograms of the weights, which tables are read without.
        "weights" => {
            let stored = results::find(place.reader(), &args.sweep)?;
            results::load_stored(place.reader(), stored)?.tables().cells(study)
        }
        _ => Tables::read(place.reader(), &open, is_cancelled)?.cells(study),
    };
    let drawn = figures::draw(&place, &open, study, &cells, &spec)?;
    drawn.notes.iter().for_each(|missing| note(global.quiet, missing));
    let drawings = drawn.drawings;
    match &args.out {
        Some(out) => write(&drawings, out)?,
        None => match drawings.as_slice() {
            [only] => print_result(&only.svg)?,
            several => {
                let what = format!("this gives {} drawings, one file each", several.len());
                let hint =
                    "name the files with --out: FILE.svg, FILE-2.svg …; or show fewer cells with --where";
                return Err(CommandError::usage(anyhow!(what)).hint(hint));
            }
        },
    }
    Ok(Ending::Done)
}

fn study(args: &FigureArgs, open: &OpenSweep) -> Result<usize, CommandError> {
    let studies = &open.sweep.studies;
    let names = || studies.iter().map(|study| study.name.as_str()).collect::<Vec<_>>().join(", ");
    match &args.study {
        None if studies.len() == 1 => Ok(0),
        None => Err(CommandError::usage(anyhow!("sweep \"{}\" has several studies", open.sweep.name))
            .hint(format!("name one of them: {}", names()))),
        Some(name) => studies.iter().position(|study| study.name == *name).ok_or_else(|| {
            CommandError::usage(anyhow!("sweep \"{}\" has no study \"{name}\"", open.sweep.name))
                .hint(format!("it has: {}", names()))
        }),
    }
}

/// Returns what was asked for, checked by the rules of sweep files.
fn asked(args: &FigureArgs, open: &OpenSweep, study: usize) -> Result<FigureSpec, CommandError> {
    let one =
        |value: &Option<String>| value.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>();
    let many = |values: &[String]| values.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>();
    let mut keys = vec![
        ("x".to_owned(), one(&args.x)),
        ("y".to_owned(), many(&args.y)),
        ("cells".to_owned(), many(&args.cells)),
        ("panels".to_owned(), one(&args.panels)),
        ("cell".to_owned(), one(&args.cell)),
        ("by".to_owned(), one(&args.by)),
        ("x_scale".to_owned(), one(&args.x_scale)),
        ("y_scale".to_owned(), one(&args.y_scale)),
        (
            "replicate".to_owned(),
            args.replicate.iter().map(|number| Value::from(f64::from(*number))).collect(),
        ),
    ];
    keys.retain(|(_, values)| !values.is_empty());
    let only = conditions(args, open, study)?;
    let asked = Asked { kind: args.kind.clone(), title: args.title.clone(), keys, only };
    asked.check(&open.sweep.studies[study].axes).map_err(|faults| {
        let first = &faults[0];
        let option = first.key.split('.').next().unwrap_or_default().replace('_', "-");
        CommandError::usage(anyhow!("--{option}: {}", first.message)).hint(first.help.clone())
    })
}

/// Reads every `--where SETTING=VALUE`; several values of one setting stand beside one another.
fn conditions(
    args: &FigureArgs,
    open: &OpenSweep,
    study: usize,
) -> Result<Vec<(String, Vec<Value>)>, CommandError> {
    let mut only: Vec<(String, Vec<Value>)> = Vec::new();
    let grid = open.sweep.grid().study(study);
    for condition in &args.only {
        let (setting, text) = condition.split_once('=').ok_or_else(|| {
            CommandError::usage(anyhow!("--where {condition}: there is no \"=\""))
                .hint("write it as --where regularizer=l1")
        })?;
        let levels = grid.levels();
        let levels = levels.iter().find(|(name, _)| *name == setting).map_or(&[][..], |(_, levels)| levels);
        let value = levels.iter().find(|level| level.to_string() == text);
        if value.is_none() && !levels.is_empty() {
            let all: Vec<String> = levels.iter().map(ToString::to_string).collect();
            return Err(CommandError::usage(anyhow!("--where {condition}: no cell has this value"))
                .hint(format!("{setting} is one of {}", all.join(", "))));
        }
        let value = value.map_or_else(|| Value::from(text), |value| (*value).clone());
        match only.iter_mut().find(|(name, _)| name == setting) {
            Some((_, values)) => values.push(value),
            None => only.push((setting.to_owned(), vec![value])),
        }
    }
    Ok(only)
}

/// What a file's name asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Svg,
    Png,
}

fn ending_of(path: &Path) -> Option<FileKind> {
    match path.extension()?.to_str()? {
        "svg" => Some(FileKind::Svg),
        "png" => Some(FileKind::Png),
        _ => None,
    }
}

/// Writes the drawings: the first into the file that was named, others beside it with numbers.
fn write(drawings: &[Drawing], out: &Path) -> Result<(), CommandError> {
    for (number, drawing) in drawings.iter().enumerate() {
        let path = numbered(out, number + 1);
        let bytes = match ending_of(out) {
            Some(FileKind::Png) => picture::png(&drawing.svg).map_err(CommandError::unexpected)?,
            Some(FileKind::Svg) | None => drawing.svg.clone().into_bytes(),
        };
        std::fs::write(&path, bytes).map_err(|error| {
            CommandError::usage(anyhow::Error::new(error).context(format!("cannot write {}", path.display())))
        })?;
    }
    Ok(())
}

fn numbered(out: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return out.to_owned();
    }
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    out.with_file_name(format!("{}-{number}.{}", part(out.file_stem()), part(out.extension())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_drawings_have_numbers_before_the_ending() {
        assert_eq!(numbered(Path::new("a/b.svg"), 1), Path::new("a/b.svg"));
        assert_eq!(numbered(Path::new("a/b.svg"), 12), Path::new("a/b-12.svg"));
        assert!(ending_of(Path::new("b.pdf")).is_none() && ending_of(Path::new("b")).is_none());
    }
}
