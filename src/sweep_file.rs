//! From the file that the user names to a sweep that can be submitted.

use crate::args::SweepFileArgs;
use crate::data::Data;
use crate::error::CommandError;
use crate::settings::Environment;
use anyhow::anyhow;
use gridsweep_common::catalogue::Catalogue;
use gridsweep_common::choice::Value as ChoiceValue;
use gridsweep_common::data::DataManifest;
use gridsweep_common::frozen::{FrozenSweep, OpenSweep};
use gridsweep_common::spec::{self, Problem, Sweep};
use gridsweep_engine::{NUMERICS, catalogue};
use std::io::Read;
use std::path::PathBuf;
use toml_edit::{DocumentMut, InlineTable, Item, Key, TableLike, Value};

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
    /// The data that it names.
    pub(crate) data: Data,
}

/// Reads a sweep file, applies `--set`, and checks all of it, the files of its data too where it gives their paths.
pub(crate) fn read(args: &SweepFileArgs) -> Result<SweepFile, CommandError> {
    let path = &args.file;
    let original = read_text(args)?;
    let text = apply_sets(&original, &args.set)?;
    let catalogue = catalogue();
    let name = path.display().to_string();
    let name = if args.set.is_empty() { name } else { format!("{name} with --set") };
    let sweep = spec::parse(&text, &catalogue).map_err(|problems| wrong(&problems, &name, &text))?;
    let pairs = pairs_out_of_order(&sweep, &text);
    if !pairs.is_empty() {
        return Err(wrong(&pairs, &name, &text));
    }
    let data = Data::of(&sweep.data, path, &name)?;
    Ok(SweepFile { path: path.clone(), text, catalogue, sweep, data })
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
    let mut bytes = Vec::new();
    // Not every file that can be read tells its length.
    let file = std::fs::File::open(path).map_err(context)?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(context)?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        CommandError::usage(anyhow!("{}:{line}: this is no UTF-8 text", path.display()))
            .hint("save the sweep file as UTF-8")
    })
}

/// Finds cells in which a setting is not below the one that bounds it. Grids are not enumerated for it.
fn pairs_out_of_order(sweep: &Sweep, text: &str) -> Vec<Problem> {
    let of_pair = |(below, above): &(&str, &str)| {
        let counted = sweep.grid().tally(&[below, above]);
        let number = |value: &Option<ChoiceValue>| value.as_ref().and_then(ChoiceValue::as_number);
        let is_wrong = |values: &[Option<ChoiceValue>]| match [number(&values[0]), number(&values[1])] {
            [Some(small), Some(large)] => small >= large,
            _ => false,
        };
        let mut wrong = counted.iter().filter(|(values, _)| is_wrong(values));
        let (values, _) = wrong.next()?;
        let [small, large] = [0, 1].map(|at| number(&values[at]).unwrap_or_default());
        Some(Problem {
            span: place_of(below, text),
            message: format!("{below} = {small} is not below {above} = {large}"),
            help: Some(format!("write a {below} below {above} in every cell")),
        })
    };
    gridsweep_engine::BELOW.iter().filter_map(of_pair).collect()
}

/// Returns where a file gives a setting first, outside of comments; the beginning where it cannot be told.
fn place_of(setting: &str, text: &str) -> std::ops::Range<usize> {
    let key = setting.rsplit('.').next().unwrap_or(setting);
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let code = line.split('#').next().unwrap_or_default();
        if let Some(at) = code.find(key) {
            return line_start + at..line_start + at + key.len();
        }
        line_start += line.len();
    }
    0..0
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
        apply_set(document.as_table_mut(), set).map_err(|what| {
            CommandError::usage(anyhow!("--set {set}: {what}")).hint("write it as --set replicates.count=1")
        })?;
    }
    Ok(document.to_string())
}

fn apply_set(root: &mut dyn TableLike, set: &str) -> Result<(), String> {
    let (path, value) = set.split_once('=').ok_or("there is no \"=\"")?;
    let value = value.trim();
    let is_word = value.starts_with(|c: char| c.is_alphabetic());
    let value = match value.parse::<Value>() {
        Ok(value) => value,
        // A bare word is a text: --set base.activation=tanh.
        Err(_) if is_word => Value::from(value),
        Err(error) => return Err(format!("the value does not read: {}", error.to_string().trim())),
    };
    let path = Key::parse(path.trim())
        .map_err(|error| format!("the name does not read: {}", error.to_string().trim()))?;
    let path: Vec<&str> = path.iter().map(Key::get).collect();
    set_in(root, &path, value)
}

/// Sets what stands at the end of a path below a table; tables of an array are numbered from 0.
fn set_in(table: &mut dyn TableLike, path: &[&str], value: Value) -> Result<(), String> {
    let [key, rest @ ..] = path else { return Err("the name is empty".to_owned()) };
    let item = table.entry(key).or_insert(Item::None);
    match (rest, item) {
        ([], item) => {
            *item = Item::Value(value);
            Ok(())
        }
        ([number, rest @ ..], Item::ArrayOfTables(tables)) => {
            let count = tables.len();
            let inner = number.parse().ok().and_then(|number: usize| tables.get_mut(number));
            let inner =
                inner.ok_or_else(|| format!("\"{key}\" has tables 0 to {}, not \"{number}\"", count - 1))?;
            set_in(inner, rest, value)
        }
        (rest, item @ Item::None) => {
            *item = Item::Value(Value::InlineTable(InlineTable::new()));
            set_in(item.as_table_like_mut().expect("an inline table was put there"), rest, value)
        }
        (rest, item) => match item.as_table_like_mut() {
            Some(inner) => set_in(inner, rest, value),
            None => Err(format!("\"{key}\" is no table")),
        },
    }
}

impl SweepFile {
    /// Finds the data set's files and freezes the sweep with them.
    pub(crate) fn freeze(
        &self,
        environment: &Environment,
    ) -> Result<(OpenSweep, Vec<PathBuf>), CommandError> {
        let (manifest, paths) = self.data.files(&self.path, environment)?;
        Ok((self.open_with(manifest), paths))
    }

    /// Freezes the sweep without its data's files: enough to tell its trials, not to run them.
    pub(crate) fn freeze_without_files(&self) -> OpenSweep {
        self.open_with(self.data.outline())
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
        let text = "schema = 1\n[base]\noptimizer = { kind = \"adam\" }\n[[study]]\nname = \"a\"\n[[study.table]]\nrows = []\n";
        let edit = |set: &str| apply_sets(text, &[set.to_owned()]);
        assert!(edit("replicates.count=1").unwrap().contains("count = 1"));
        assert!(edit("base.activation=tanh").unwrap().contains("activation = \"tanh\""));
        assert!(edit("base.optimizer.learning_rate=0.1").unwrap().contains("learning_rate = 0.1"));
        assert!(edit("study.0.name=\"b\"").unwrap().contains("name = \"b\""));
        assert!(
            edit("study.0.axes.\"optimizer.learning_rate\"=[0.1]")
                .unwrap()
                .contains("\"optimizer.learning_rate\" = [0.1]")
        );
        assert!(edit("study.0.table.0.cells=[\"epochs\"]").unwrap().contains("cells = [\"epochs\"]"));
        for wrong in [
            "replicates.count",
            "schema.x=1",
            ".=1",
            "study.7.name=1",
            "study.x.name=1",
            "study.0.name.x=1",
            "replicates.seed=99999999999999999999",
        ] {
            let error = edit(wrong).unwrap_err();
            assert!(error.source.to_string().contains(wrong), "{error:?}");
        }
    }

    fn problems(base: &str, axes: &str) -> Vec<Problem> {
        let text = format!(
            "schema = 1\nname = \"x\"\n[data]\ndataset = \"mnist\"\n[replicates]\ncount = 1\n[base]\nhidden = [8]\n\
             # warm_up_epochs\n{base}\n[[study]]\nname = \"s\"\n[study.axes]\nactivation = [\"relu\", \"tanh\"]\n{axes}\n"
        );
        let sweep = spec::parse(&text, &catalogue()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let found = pairs_out_of_order(&sweep, &text);
        found.iter().for_each(|problem| assert_eq!(&text[problem.span.clone()], "warm_up_epochs"));
        found
    }

    #[test]
    fn a_warm_up_that_outlasts_the_training_is_told_before_anything_runs() {
        let schedule = |warm_up: u32| {
            format!("epochs = 5\nschedule = {{ kind = \"cosine\", warm_up_epochs = {warm_up} }}")
        };
        assert_eq!(problems(&schedule(4), ""), []);
        assert_eq!(problems("epochs = 5", ""), []);
        let found = problems(&schedule(5), "");
        assert_eq!(found[0].message, "schedule.warm_up_epochs = 5 is not below epochs = 5");
        // One cell of many is enough.
        let base = "schedule = { kind = \"constant\", warm_up_epochs = 3 }";
        assert_eq!(problems(base, "epochs = [9, 4]"), []);
        assert_eq!(
            problems(base, "epochs = [9, 2]")[0].message,
            "schedule.warm_up_epochs = 3 is not below epochs = 2"
        );
    }
}
