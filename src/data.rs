//! The data that a sweep file names: known by name and looked up, or files beside it and read.

use crate::error::CommandError;
use crate::settings::{Environment, data_places};
use anyhow::anyhow;
use gridsweep_common::data::{DataManifest, Standardize};
use gridsweep_common::spec::{self, DataSource};
use gridsweep_worker::dataset::{self, Files, Shape, Source};
use std::path::{Path, PathBuf};

/// Where a sweep's data come from.
#[derive(Debug)]
pub(crate) enum Data {
    /// A data set known by name, whose files may be anywhere.
    Named(&'static dyn Source, Standardize),
    /// Files that were read.
    Files(Files),
}

impl Data {
    /// Finds out what a sweep file's `[data]` means. Files are read and checked; the error begins with the sweep file.
    pub(crate) fn of(data: &spec::Data, sweep_file: &Path, name: &str) -> Result<Data, CommandError> {
        match &data.source {
            DataSource::Named(source) => {
                let found = dataset::named(source).map(|source| Data::Named(source, data.standardize));
                found.ok_or_else(|| unknown(source, name))
            }
            DataSource::Files { format, paths } => {
                let folder = sweep_file.parent().unwrap_or(Path::new(""));
                let paths = paths.iter().map(|path| folder.join(path)).collect();
                let files = dataset::read(format, paths, data.standardize);
                files.map(Data::Files).map_err(|error| {
                    let error = anyhow::Error::new(error).context(format!("{name}: the data cannot be used"));
                    CommandError::usage(error).hint("paths are relative to the sweep file")
                })
            }
        }
    }

    /// Returns how much there is of it.
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Data::Named(source, _) => source.shape(),
            Data::Files(files) => files.shape,
        }
    }

    /// Returns what tells the data from others, without looking for files.
    pub(crate) fn outline(&self) -> DataManifest {
        match self {
            Data::Named(source, standardize) => dataset::outline(*source, *standardize),
            Data::Files(files) => files.manifest.clone(),
        }
    }

    /// Returns the files, with what they hold, in order of the manifest.
    pub(crate) fn files(
        &self,
        sweep_file: &Path,
        environment: &Environment,
    ) -> Result<(DataManifest, Vec<PathBuf>), CommandError> {
        match self {
            Data::Named(source, standardize) => {
                let data_error = |error: dataset::DataError| {
                    CommandError::usage(error)
                        .hint("put the files into one of these folders, or name theirs in GRIDSWEEP_DATA")
                };
                let places = data_places(sweep_file, environment);
                let paths = dataset::locate(*source, &places).map_err(data_error)?;
                let manifest = dataset::manifest(*source, *standardize, &paths).map_err(data_error)?;
                Ok((manifest, paths))
            }
            Data::Files(files) => Ok((files.manifest.clone(), files.paths.clone())),
        }
    }
}

fn unknown(source: &str, name: &str) -> CommandError {
    let known: Vec<_> = dataset::ALL.iter().map(|source| source.name()).collect();
    CommandError::usage(anyhow!("{name}: there is no data set \"{source}\""))
        .hint(format!("known by name are: {}", known.join(", ")))
}
