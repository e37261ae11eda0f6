//! Where exported rows go: to standard output or into a file, as JSON lines, CSV or Parquet.

use crate::args::ExportFormat;
use crate::error::CommandError;
use crate::output::print_bytes;
use anyhow::{Context, anyhow};
use gridsweep_common::frame::{Datum, Field, csv, parquet};
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How many bytes gather before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// Rows on their way out.
pub(crate) struct Sink {
    form: Form,
    gathered: Vec<u8>,
    file: Option<(File, PathBuf)>,
}

enum Form {
    Lines,
    Csv,
    Parquet(Box<parquet::Writer>),
}

impl Sink {
    /// Begins with what stands before the first row. `fields` are the columns of the forms that have any.
    pub(crate) fn open(
        format: ExportFormat,
        fields: Vec<Field>,
        path: Option<&Path>,
    ) -> Result<Sink, CommandError> {
        let to_terminal = path.is_none() && console::Term::stdout().is_term();
        if format == ExportFormat::Parquet && to_terminal {
            return Err(CommandError::usage(anyhow!("Parquet is no text for a terminal"))
                .hint("give a file with --out FILE, or redirect the output"));
        }
        let file = path.map(|path| Ok::<_, CommandError>((create(path)?, path.to_owned()))).transpose()?;
        let mut sink = Sink { form: Form::Lines, gathered: Vec::new(), file };
        match format {
            ExportFormat::Jsonl => {}
            ExportFormat::Csv => {
                sink.form = Form::Csv;
                sink.gathered.extend(csv::header(&fields).bytes());
            }
            ExportFormat::Parquet => {
                let metadata = vec![("gridsweep.schema".to_owned(), crate::exported::SCHEMA.to_string())];
                let mut writer = Box::new(parquet::Writer::new(fields, metadata));
                sink.gathered = writer.begin();
                sink.form = Form::Parquet(writer);
            }
        }
        Ok(sink)
    }

    /// Writes one row: its JSON line, or its data, each made only where it is needed.
    pub(crate) fn push<T: Serialize>(
        &mut self,
        line: impl FnOnce() -> T,
        row: impl FnOnce() -> Vec<Datum>,
    ) -> Result<(), CommandError> {
        match &mut self.form {
            Form::Lines => {
                serde_json::to_writer(&mut self.gathered, &line()).map_err(CommandError::unexpected)?;
                self.gathered.push(b'\n');
            }
            Form::Csv => self.gathered.extend(csv::row(&row()).bytes()),
            Form::Parquet(writer) => self.gathered.extend(writer.push(row())),
        }
        if self.gathered.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes how it ends; a file has its name from then on.
    pub(crate) fn finish(mut self) -> Result<(), CommandError> {
        if let Form::Parquet(writer) = std::mem::replace(&mut self.form, Form::Lines) {
            self.gathered.extend(writer.finish());
        }
        self.flush()?;
        let Some((file, path)) = self.file else { return Ok(()) };
        let named = file.sync_all().and_then(|()| std::fs::rename(partial(&path), &path));
        named.with_context(|| format!("cannot write {}", path.display())).map_err(CommandError::unexpected)
    }

    fn flush(&mut self) -> Result<(), CommandError> {
        let bytes = std::mem::take(&mut self.gathered);
        match &mut self.file {
            None => print_bytes(&bytes),
            Some((file, path)) => file
                .write_all(&bytes)
                .with_context(|| format!("cannot write {}", path.display()))
                .map_err(CommandError::unexpected),
        }
    }
}

/// Makes the file under another name: half a result never stands under its own.
fn create(path: &Path) -> Result<File, CommandError> {
    File::create(partial(path))
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(CommandError::usage)
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}
