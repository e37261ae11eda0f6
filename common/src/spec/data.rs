//! `[data]`: a data set by name or by the paths of its files, what its inputs are made of, and what is held out.

use super::axis::plain_number;
use super::document::{Entry, Item, Problems, Table, any_of, shortened};
use super::suggest::did_you_mean;
use super::{Data, DataSource, Pick, Validation};
use crate::data::{CsvFormat, DataFormat, LabelColumn, Standardize};

/// What validates a classifier where the file does not say.
const DEFAULT_VALIDATION: Validation = Validation { fraction: 0.2, pick: Pick::Random };

/// The keys of an IDX data set's files, in the order of the format's roles.
const IDX_FILES: [&str; 4] = ["training_inputs", "training_labels", "test_inputs", "test_labels"];

/// The keys of a CSV data set's files, in the order of the format's roles.
const CSV_FILES: [&str; 2] = ["training", "test"];

/// The largest number of a column.
const COLUMN_MOST: i64 = 1 << 24;

impl Problems {
    /// Reads `[data]`.
    pub(super) fn data(&mut self, root: &Table<'_>) -> Option<Data> {
        let help = "add [data] with dataset = \"mnist\"";
        let entry = self.required(root, "the file", "data", help)?;
        let table = self.table(entry.item, "data")?;
        self.known_keys(&table, "[data]", &["dataset", "standardize", "validation"]);
        let validation = match table.get("validation") {
            Some(entry) => self.validation(&entry),
            None => Some(DEFAULT_VALIDATION),
        };
        let standardize = match table.get("standardize") {
            Some(entry) => self.standardize(entry.item),
            None => Some(Standardize::None),
        };
        let dataset = self.required(&table, "[data]", "dataset", "write dataset = \"mnist\"")?;
        let source = match dataset.item.get_ref().is_table() {
            true => self.files(dataset.item)?,
            false => DataSource::Named(self.name(&dataset, "dataset")?),
        };
        Some(Data { source, standardize: standardize?, validation: validation? })
    }

    /// Reads `dataset = { format = …, … }`.
    fn files(&mut self, item: Item<'_>) -> Option<DataSource> {
        let table = self.table(item, "dataset")?;
        let help = "write format = \"idx\" or format = \"csv\"";
        let format = self.required(&table, "`dataset`", "format", help)?;
        match self.text(format.item, "format")? {
            "idx" => {
                let what = "a `dataset` of format \"idx\"";
                self.known_keys(&table, what, &[&["format"], &IDX_FILES[..]].concat());
                Some(DataSource::Files {
                    format: DataFormat::Idx,
                    paths: self.file_paths(&table, what, &IDX_FILES)?,
                })
            }
            "csv" => {
                let what = "a `dataset` of format \"csv\"";
                let keys = [&["format"], &CSV_FILES[..], &["label", "header", "delimiter"]].concat();
                self.known_keys(&table, what, &keys);
                let (paths, format) = (self.file_paths(&table, what, &CSV_FILES), self.csv(&table, what));
                Some(DataSource::Files { format: DataFormat::Csv(format?), paths: paths? })
            }
            other => {
                let names = ["idx", "csv"];
                let message = format!("`format` must be {}, not `{}`", any_of(&names), shortened(other));
                self.add(format.item.span(), message, did_you_mean(other, names));
                None
            }
        }
    }

    /// Reads the paths that these keys name, reporting all that are wrong.
    fn file_paths(&mut self, table: &Table<'_>, what: &str, keys: &[&str]) -> Option<Vec<String>> {
        let paths: Vec<Option<String>> = keys.iter().map(|key| self.file_path(table, what, key)).collect();
        paths.into_iter().collect()
    }

    fn file_path(&mut self, table: &Table<'_>, what: &str, key: &str) -> Option<String> {
        let help = format!("name the file, relative to this one: {key} = \"data/…\"");
        let entry = self.required(table, what, key, &help)?;
        let path = self.text(entry.item, key)?;
        if path.is_empty() {
            self.add(entry.item.span(), format!("`{key}` is empty"), help);
            return None;
        }
        Some(path.to_owned())
    }

    fn csv(&mut self, table: &Table<'_>, what: &str) -> Option<CsvFormat> {
        let header = match table.get("header") {
            Some(entry) => self.flag(entry.item, "header"),
            None => Some(true),
        };
        let delimiter = match table.get("delimiter") {
            Some(entry) => self.delimiter(entry.item),
            None => Some(b','),
        };
        let help = "name the column with the classes, such as label = \"class\"";
        let label = self.required(table, what, "label", help)?;
        let label = self.label(label.item, header)?;
        Some(CsvFormat { header: header?, delimiter: delimiter?, label })
    }

    /// Reads which column has the classes: its name, if the file has names, or its number.
    fn label(&mut self, item: Item<'_>, header: Option<bool>) -> Option<LabelColumn> {
        let Some(name) = item.get_ref().as_str() else {
            return match item.get_ref().as_integer() {
                Some(_) => {
                    let number = self.whole(item, "label", 1..COLUMN_MOST + 1)?;
                    Some(LabelColumn::Number(number as u32))
                }
                None => {
                    self.expected(item, "label", "the name of a column or its number, counted from 1");
                    None
                }
            };
        };
        if header == Some(false) {
            let message = "`label` must be the number of a column where there is no header";
            self.add(item.span(), message, "columns are counted from 1: label = 1".to_owned());
            return None;
        }
        Some(LabelColumn::Name(name.to_owned()))
    }

    fn delimiter(&mut self, item: Item<'_>) -> Option<u8> {
        match *self.text(item, "delimiter")?.as_bytes() {
            [byte] if CsvFormat::is_delimiter(byte) => Some(byte),
            _ => {
                let message = "`delimiter` must be one ASCII character, such as \",\", \";\" or \"\\t\"";
                self.add(item.span(), message, None);
                None
            }
        }
    }

    fn standardize(&mut self, item: Item<'_>) -> Option<Standardize> {
        let text = self.text(item, "standardize")?;
        let all = [Standardize::None, Standardize::Columns];
        let found = all.into_iter().find(|standardize| standardize.name() == text);
        if found.is_none() {
            let names = all.map(Standardize::name);
            let message = format!("`standardize` must be {}, not `{}`", any_of(&names), shortened(text));
            self.add(item.span(), message, did_you_mean(text, names));
        }
        found
    }

    fn validation(&mut self, entry: &Entry<'_>) -> Option<Validation> {
        let table = self.table(entry.item, "validation")?;
        self.known_keys(&table, "validation", &["fraction", "pick"]);
        let mut validation = DEFAULT_VALIDATION;
        if let Some(entry) = table.get("fraction") {
            validation.fraction = plain_number(entry.item, "fraction", self)?;
            if !(validation.fraction > 0.0 && validation.fraction < 1.0) {
                let message = "`fraction` must be a number with 0 < x < 1";
                self.add(
                    entry.item.span(),
                    message,
                    "it is the share of the training part held out".to_owned(),
                );
                return None;
            }
        }
        if let Some(entry) = table.get("pick") {
            validation.pick = match self.text(entry.item, "pick")? {
                "random" => Pick::Random,
                "last" => Pick::Last,
                other => {
                    let names = ["random", "last"];
                    let message = format!("`pick` must be {}, not `{}`", any_of(&names), shortened(other));
                    self.add(entry.item.span(), message, did_you_mean(other, names));
                    return None;
                }
            };
        }
        Some(validation)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::sample::{SWEEP, catalogue};

    fn data(dataset: &str) -> Data {
        let text = SWEEP.replacen("dataset    = \"mnist\"", dataset, 1);
        parse(&text, &catalogue()).unwrap().data
    }

    #[test]
    fn a_data_set_has_a_name_or_files() {
        let named = data("dataset = \"mnist\"");
        assert_eq!(
            (named.source, named.standardize),
            (DataSource::Named("mnist".to_owned()), Standardize::None)
        );
        let idx = data(
            "dataset = { format = \"idx\", test_labels = \"d\", training_inputs = \"a\", training_labels = \"b\", \
             test_inputs = \"../c.gz\" }\nstandardize = \"columns\"",
        );
        let paths = ["a", "b", "../c.gz", "d"].map(str::to_owned).to_vec();
        assert_eq!(idx.source, DataSource::Files { format: DataFormat::Idx, paths });
        assert_eq!(idx.standardize, Standardize::Columns);
    }

    #[test]
    fn a_csv_file_has_a_header_and_commas_unless_it_says_otherwise() {
        let format = |rest: &str| {
            let files = format!("dataset = {{ format = \"csv\", training = \"a\", test = \"b\", {rest} }}");
            match data(&files).source {
                DataSource::Files { format: DataFormat::Csv(format), .. } => format,
                other => panic!("{other:?}"),
            }
        };
        let label = LabelColumn::Name("class".to_owned());
        assert_eq!(format("label = \"class\""), CsvFormat { header: true, delimiter: b',', label });
        let label = LabelColumn::Number(5);
        let bare = CsvFormat { header: false, delimiter: b'\t', label };
        assert_eq!(format("label = 5, header = false, delimiter = \"\\t\""), bare);
    }
}
