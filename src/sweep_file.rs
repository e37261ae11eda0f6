//! From the file that the user names to a sweep that can be submitted.

use crate::args::SweepFileArgs;
use crate::error::CommandError;
use crate::settings::{Environment, data_places};
use anyhow::anyhow;
use gridsweep_common::catalogue::Catalogue;
use gridsweep_common::data::{DataFile, DataFormat, DataManifest, ROLES};
use gridsweep_common::frozen::{FrozenSweep, OpenSweep};
use gridsweep_common::id::Digest;
use gridsweep_common::spec::{self, Problem, Sweep};
use gridsweep_engine::{NUMERICS, catalogue};
use gridsweep_worker::dataset::{self, Source};
use std::path::PathBuf;
use toml_edit::{DocumentMut, Item, Value};

/// The largest sweep file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A sweep file that reads.
#[derive(Debug)]
pub(crate) struct SweepFile {
    path: PathBuf,
    text: String,
    catalogue: Catalogue,
    /// What it says.
    pub(crate) sweep: Sweep,
    /// The data set that it names.
    pub(crate) source: &'static dyn Source,
}

/// Reads a sweep file, applies `--set`, and checks all of it.
pub(crate) fn read(args: &SweepFileArgs) -> Result<SweepFile, CommandError> {
    let path = &args.file;
    let original = read_text(args)?;
    let text = apply_sets(&original, &args.set)?;
    let catalogue = catalogue();
    let name = path.display().to_string();
    let name = if args.set.is_empty() { name } else { format!("{name} with --set") };
    let sweep = spec::parse(&text, &catalogue).map_err(|problems| wrong(&problems, &name, &text))?;
    let source = dataset::named(&sweep.data.dataset).ok_or_else(|| {
        let known: Vec<_> = dataset::ALL.iter().map(|source| source.name()).collect();
        CommandError::usage(anyhow!("{name}: there is no data set \"{}\"", sweep.data.dataset))
            .hint(format!("known by name are: {}", known.join(", ")))
    })?;
    Ok(SweepFile { path: path.clone(), text, catalogue, sweep, source })
}

fn read_text(args: &SweepFileArgs) -> Result<String, CommandError> {
    let path = &args.file;
    let context = |error: std::io::Error| {
        CommandError::usage(anyhow::Error::new(error).context(format!("cannot read {}", path.display())))
    };
    let length = std::fs::metadata(path).map_err(context)?.len();
    if length > FILE_BYTES_MAX {
        return Err(CommandError::usage(anyhow!(
            "{} has {length} bytes; a sweep file has at most {FILE_BYTES_MAX}",
            path.display()
        )));
    }
    let bytes = std::fs::read(path).map_err(context)?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        CommandError::usage(anyhow!("{}:{line}: this is no UTF-8 text", path.display()))
            .hint("save the sweep file as UTF-8")
    })
}

fn wrong(problems: &[Problem], name: &str, text: &str) -> CommandError {
    let rendered: Vec<String> = problems.iter().map(|problem| problem.render(name, text)).collect();
    let count =
        if problems.len() == 1 { "a problem".to_owned() } else { format!("{} problems", problems.len()) };
    CommandError::usage(anyhow!("{name} has {count}\n\n{}", rendered.join("\n\n")))
}

/// Writes the changed settings into the text: everything after this sees an edited file.
fn apply_sets(text: &str, sets: &[String]) -> Result<String, CommandError> {
    if sets.is_empty() {
        return Ok(text.to_owned());
    }
    // A file that does not parse is reported by the reader of the unchanged text, with its place.
    let Ok(mut document) = text.parse::<DocumentMut>() else { return Ok(text.to_owned()) };
    for set in sets {
        apply_set(document.as_item_mut(), set).map_err(|what| {
            CommandError::usage(anyhow!("--set {set}: {what}")).hint("write it as --set replicates.count=1")
        })?;
    }
    Ok(document.to_string())
}

fn apply_set(root: &mut Item, set: &str) -> Result<(), String> {
    let (path, value) = set.split_once('=').ok_or("there is no \"=\"")?;
    // A bare word is a text: --set base.activation=tanh.
    let value = value.trim().parse::<Value>().unwrap_or_else(|_| Value::from(value.trim()));
    let mut item = root;
    for key in path.split('.').map(str::trim) {
        if key.is_empty() {
            return Err("an empty name in the path".to_owned());
        }
        item = match item {
            Item::ArrayOfTables(tables) => {
                let index: usize = key.parse().map_err(|_| format!("\"{key}\" is no number of a table"))?;
                let table = tables.get_mut(index).ok_or(format!("there is no table number {index}"))?;
                // A table of an array is no item of its own: go on inside it.
                return apply_in_table(table, path, key, value);
            }
            Item::Value(Value::InlineTable(_)) | Item::Table(_) | Item::None => &mut item[key],
            Item::Value(_) => return Err(format!("what stands before \"{key}\" is no table")),
        };
    }
    *item = Item::Value(value);
    Ok(())
}

fn apply_in_table(table: &mut toml_edit::Table, path: &str, key: &str, value: Value) -> Result<(), String> {
    let marker = format!("{key}.");
    let rest = path.split_once(&marker).map(|(_, rest)| rest).ok_or("the path ends at a table")?;
    let mut parts = rest.split('.').map(str::trim).peekable();
    let first = parts.next().filter(|part| !part.is_empty()).ok_or("an empty name in the path")?;
    let mut item = &mut table[first];
    for part in parts {
        item = &mut item[part];
    }
    *item = Item::Value(value);
    Ok(())
}

impl SweepFile {
    /// Finds the data set's files and freezes the sweep with them.
    pub(crate) fn freeze(
        &self,
        environment: &Environment,
    ) -> Result<(OpenSweep, [PathBuf; 4]), CommandError> {
        let places = data_places(&self.path, environment);
        let data_error = |error: dataset::DataError| {
            CommandError::usage(error)
                .hint("put the files into one of these folders, or name theirs in GRIDSWEEP_DATA")
        };
        let paths = dataset::locate(self.source, &places).map_err(data_error)?;
        let manifest = dataset::manifest(self.source, &paths).map_err(data_error)?;
        Ok((self.open_with(manifest), paths))
    }

    /// Freezes the sweep without its data's files: enough to tell its trials, not to run them.
    pub(crate) fn freeze_without_files(&self) -> OpenSweep {
        let files = ROLES.into_iter().zip(self.source.files()).map(|(role, (_, content_sha256))| DataFile {
            role,
            content_sha256,
            blob: Digest([0; 32]),
            stored_bytes: 0,
        });
        self.open_with(DataManifest { format: DataFormat::Idx, files: files.collect() })
    }

    fn open_with(&self, data: DataManifest) -> OpenSweep {
        let (text, catalogue) = (self.text.clone(), self.catalogue.clone());
        let frozen = FrozenSweep { text, catalogue, data, numerics: NUMERICS };
        frozen.open().expect("the text was read a moment ago")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_an_edit_of_the_file() {
        let text = "schema = 1\n[base]\noptimizer = { kind = \"adam\" }\n[[study]]\nname = \"a\"\n";
        let edit = |set: &str| apply_sets(text, &[set.to_owned()]);
        assert!(edit("replicates.count=1").unwrap().contains("count = 1"));
        assert!(edit("base.activation=tanh").unwrap().contains("activation = \"tanh\""));
        assert!(edit("base.optimizer.learning_rate=0.1").unwrap().contains("learning_rate = 0.1"));
        assert!(edit("study.0.name=\"b\"").unwrap().contains("name = \"b\""));
        for wrong in ["replicates.count", "schema.x=1", ".=1", "study.7.name=1", "study.x.name=1"] {
            let error = edit(wrong).unwrap_err();
            assert!(error.source.to_string().contains(wrong), "{error:?}");
        }
    }
}
