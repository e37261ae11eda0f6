//! CSV files: a line a sample, one column its class, every other column a number.

use super::DataError;
use ::csv::{Position, Reader, ReaderBuilder, StringRecord};
use gridsweep_common::data::{CsvFormat, DataRole, LabelColumn};
use gridsweep_engine::Dataset;
use std::collections::BTreeMap;

/// The most classes: a byte tells them apart.
const CLASSES_MOST: usize = 256;

/// How many names of columns a message lists.
const NAMES_SHOWN: usize = 12;

/// Makes a data set of the contents of its two files. Classes are in the order of the labels: of whole numbers if all
/// labels of the training set are whole numbers, else of their bytes.
pub(super) fn dataset(format: &CsvFormat, training: &[u8], test: &[u8]) -> Result<Dataset, DataError> {
    let malformed = |role| move |what| DataError::Malformed { role, what };
    let (of_training, of_test) = (malformed(DataRole::TrainTable), malformed(DataRole::TestTable));
    let mut training = Table::open(format, training).map_err(of_training)?;
    let labelled = training.read_labelled().map_err(of_training)?;
    let classes = Classes::of(&labelled.texts).map_err(of_training)?;
    let mut test = Table::open(format, test).map_err(of_test)?;
    test.check_against(&training).map_err(of_test)?;
    let (test_inputs, test_labels) = test.read_classed(&classes).map_err(of_test)?;
    let label = |text: &u16| classes.class(&labelled.texts[usize::from(*text)]).unwrap_or(0);
    Ok(Dataset::from_numbers(
        labelled.inputs,
        labelled.labels.iter().map(label).collect(),
        test_inputs,
        test_labels,
        training.columns.len() - 1,
        classes.count(),
    )?)
}

/// A file whose samples are about to be read.
struct Table<'a> {
    content: &'a [u8],
    lines: Reader<&'a [u8]>,
    /// What messages call the columns.
    columns: Columns,
    /// Which column has the classes, counted from 0.
    label: usize,
    /// The sample to come; the first of a file without a header has been read already.
    record: StringRecord,
    is_first_read: bool,
}

/// The columns of a file.
#[derive(PartialEq)]
enum Columns {
    Named(Vec<String>),
    Counted(usize),
}

/// The samples of the training set, before its classes are known.
struct Labelled {
    inputs: Vec<f32>,
    /// Of each sample, which of the texts it has.
    labels: Vec<u16>,
    texts: Vec<String>,
}

/// The labels of the classes, in order.
enum Classes {
    Whole(Vec<i64>),
    Texts(Vec<String>),
}

impl<'a> Table<'a> {
    /// Reads the first line: the columns' names, or how many there are.
    fn open(format: &CsvFormat, content: &'a [u8]) -> Result<Table<'a>, String> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(format.delimiter);
        let mut lines = builder.from_reader(content);
        let mut record = StringRecord::new();
        if !next(content, &mut lines, &mut record)? {
            return Err("it is empty".to_owned());
        }
        let columns = match format.header {
            true => Columns::Named(record.iter().map(str::to_owned).collect()),
            false => Columns::Counted(record.len()),
        };
        let label = columns.find(&format.label)?;
        if columns.len() < 2 {
            return Err("line 1: there is no column beside the label".to_owned());
        }
        Ok(Table { content, lines, columns, label, record, is_first_read: !format.header })
    }

    /// Refuses a test set with other columns than the training set.
    fn check_against(&self, training: &Table<'_>) -> Result<(), String> {
        if self.columns == training.columns {
            return Ok(());
        }
        let (own, others) = (&self.columns, &training.columns);
        let differs =
            (0..own.len().min(others.len())).find(|&column| own.name(column) != others.name(column));
        Err(match differs {
            Some(column) => format!(
                "line 1: {} is not {}, as in the training set",
                own.describe(column),
                others.describe(column)
            ),
            None => format!("line 1: there are {} columns, in the training set {}", own.len(), others.len()),
        })
    }

    /// Reads all samples, and which labels there are.
    fn read_labelled(&mut self) -> Result<Labelled, String> {
        let (mut inputs, mut labels) = (Vec::new(), Vec::new());
        let mut known: BTreeMap<String, u16> = BTreeMap::new();
        while self.next_sample()? {
            self.inputs(&mut inputs)?;
            let count = known.len();
            let text = &self.record[self.label];
            if let Some(label) = known.get(text) {
                labels.push(*label);
            } else if count == CLASSES_MOST {
                let place = self.place(self.label);
                return Err(format!(
                    "{place}: {text:?} would be one more class than {CLASSES_MOST}, the most"
                ));
            } else {
                known.insert(text.to_owned(), count as u16);
                labels.push(count as u16);
            }
        }
        let mut texts = vec![String::new(); known.len()];
        known.into_iter().for_each(|(text, label)| texts[usize::from(label)] = text);
        Ok(Labelled { inputs, labels, texts })
    }

    /// Reads all samples of classes that are known.
    fn read_classed(&mut self, classes: &Classes) -> Result<(Vec<f32>, Vec<u8>), String> {
        let (mut inputs, mut labels) = (Vec::new(), Vec::new());
        while self.next_sample()? {
            self.inputs(&mut inputs)?;
            let text = &self.record[self.label];
            let class = classes.class(text).ok_or_else(|| {
                format!("{}: no sample of the training set has the label {text:?}", self.place(self.label))
            })?;
            labels.push(class);
        }
        Ok((inputs, labels))
    }

    /// Goes to the next sample and checks that it is as long as the first line and has a label.
    fn next_sample(&mut self) -> Result<bool, String> {
        if !std::mem::take(&mut self.is_first_read) && !next(self.content, &mut self.lines, &mut self.record)?
        {
            return Ok(false);
        }
        let (found, expected) = (self.record.len(), self.columns.len());
        if found != expected {
            let line = self.line();
            return Err(format!("line {line}: there are {found} fields, in the first line {expected}"));
        }
        if self.record[self.label].is_empty() {
            return Err(format!("{}: there is no label", self.place(self.label)));
        }
        Ok(true)
    }

    /// Adds the sample's inputs: the columns in order, the label left out.
    fn inputs(&self, inputs: &mut Vec<f32>) -> Result<(), String> {
        for (column, field) in self.record.iter().enumerate().filter(|(column, _)| *column != self.label) {
            match field.parse::<f32>() {
                Ok(number) if number.is_finite() => inputs.push(number),
                Ok(_) => return Err(format!("{}: {field:?} is no finite 32-bit number", self.place(column))),
                Err(_) => return Err(format!("{}: {field:?} is no number", self.place(column))),
            }
        }
        Ok(())
    }

    /// Returns the line of the sample, counted from 1.
    fn line(&self) -> u64 {
        self.record.position().map_or(0, |position| line(self.content, position))
    }

    /// Says where a field of the sample stands.
    fn place(&self, column: usize) -> String {
        format!("line {}, {}", self.line(), self.columns.describe(column))
    }
}

/// Reads the next line that is not empty, without the blanks around its fields.
fn next(content: &[u8], lines: &mut Reader<&[u8]>, record: &mut StringRecord) -> Result<bool, String> {
    let found = lines.read_record(record).map_err(|error| match error.position() {
        Some(position) => format!("line {}: this is no UTF-8 text", line(content, position)),
        None => error.to_string(),
    })?;
    record.trim();
    Ok(found)
}

/// Returns the line of what was read from a position on. Empty lines come first, which the reader passes over.
fn line(content: &[u8], position: &Position) -> u64 {
    let rest = content.get(position.byte() as usize..).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    position.line() + empty.filter(|byte| **byte == b'\n').count() as u64
}

impl Columns {
    fn len(&self) -> usize {
        match self {
            Columns::Named(names) => names.len(),
            Columns::Counted(count) => *count,
        }
    }

    fn name(&self, column: usize) -> Option<&str> {
        match self {
            Columns::Named(names) => Some(&names[column]),
            Columns::Counted(_) => None,
        }
    }

    /// Says which column it is: its number, counted from 1, and its name.
    fn describe(&self, column: usize) -> String {
        match self.name(column) {
            Some(name) => format!("column {} ({name:?})", column + 1),
            None => format!("column {}", column + 1),
        }
    }

    fn find(&self, label: &LabelColumn) -> Result<usize, String> {
        match (label, self) {
            (LabelColumn::Number(number), _) => {
                let at = (*number as usize).checked_sub(1).filter(|column| *column < self.len());
                at.ok_or_else(|| format!("line 1: there is no column {number}, there are {}", self.len()))
            }
            (LabelColumn::Name(name), Columns::Named(names)) => {
                let mut places = (0..names.len()).filter(|column| names[*column] == *name);
                match (places.next(), places.next()) {
                    (Some(column), None) => Ok(column),
                    (Some(_), Some(_)) => Err(format!("line 1: two columns are named {name:?}")),
                    (None, _) => {
                        Err(format!("line 1: no column is named {name:?}; there are {}", list(names)))
                    }
                }
            }
            (LabelColumn::Name(name), Columns::Counted(_)) => {
                Err(format!("the label is called {name:?}, and the columns have no names"))
            }
        }
    }
}

fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| format!("{name:?}")).collect();
    let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
    shown.join(", ") + more
}

impl Classes {
    /// Puts the labels of the training set in order.
    fn of(labels: &[String]) -> Result<Classes, String> {
        let whole: Option<Vec<i64>> = labels.iter().map(|label| label.parse().ok()).collect();
        let classes = match whole {
            Some(mut whole) => {
                whole.sort_unstable();
                whole.dedup();
                Classes::Whole(whole)
            }
            None => {
                let mut texts = labels.to_vec();
                texts.sort_unstable();
                Classes::Texts(texts)
            }
        };
        match (classes.count(), labels) {
            (0, _) => Err("there is no line with a sample".to_owned()),
            (1, [label, ..]) => {
                Err(format!("all samples have the label {label:?}; two classes are the fewest"))
            }
            _ => Ok(classes),
        }
    }

    fn count(&self) -> usize {
        match self {
            Classes::Whole(whole) => whole.len(),
            Classes::Texts(texts) => texts.len(),
        }
    }

    fn class(&self, label: &str) -> Option<u8> {
        let place = match self {
            Classes::Whole(whole) => whole.binary_search(&label.parse().ok()?).ok(),
            Classes::Texts(texts) => texts.binary_search_by(|text| text.as_str().cmp(label)).ok(),
        };
        place.map(|place| place as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn format(header: bool, delimiter: u8, label: LabelColumn) -> CsvFormat {
        CsvFormat { header, delimiter, label }
    }

    fn by_name() -> CsvFormat {
        format(true, b',', LabelColumn::Name("class".to_owned()))
    }

    fn labels(data: &Dataset) -> (Vec<u8>, Vec<u8>) {
        (data.training_labels().to_vec(), data.test_labels().to_vec())
    }

    #[test]
    fn lines_become_samples_and_labels_classes_in_order() {
        let training = "x, class ,y\n1,b,2.5\r\n-3e2, a,0\n\n\" 7 \",b,.5";
        let data = dataset(&by_name(), training.as_bytes(), b"x,class,y\n1,a,1\n").unwrap();
        assert_eq!((data.inputs_per_sample(), data.classes()), (2, 2));
        assert_eq!(labels(&data), (vec![1, 0, 1], vec![0]));
        assert_eq!(data.density(), 5.0 / 6.0);
    }

    #[test]
    fn whole_numbers_are_in_their_own_order_and_texts_in_that_of_their_bytes() {
        let bare = format(false, b';', LabelColumn::Number(2));
        let data = dataset(&bare, b"1;10\n2;9\n3;-1\n4;010\n", b"1;9\n").unwrap();
        assert_eq!((labels(&data), data.classes()), ((vec![2, 1, 0, 2], vec![1]), 3));
        let data = dataset(&bare, b"1;10\n2;9\n3;x\n", b"1;9\n").unwrap();
        assert_eq!(labels(&data), (vec![0, 1, 2], vec![1]));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_column() {
        const RIGHT: &str = "x,class\n1,a\n2,b\n";
        let many: String = (0..257).map(|n| format!("1,{n}\n")).collect();
        let many = format!("x,class\n{many}");
        let cases: &[(&str, &str, &str)] = &[
            ("", RIGHT, "train_table: it is empty"),
            ("x,class\n", RIGHT, "no line with a sample"),
            ("x,kind\n1,a\n", RIGHT, "no column is named \"class\"; there are \"x\", \"kind\""),
            ("class,class\n1,a\n", RIGHT, "two columns are named \"class\""),
            ("class\na\nb\n", RIGHT, "no column beside the label"),
            ("x,class\n1,a\n2,b,3\n", RIGHT, "line 3: there are 3 fields, in the first line 2"),
            ("x,class\n1,a\n2\n", RIGHT, "line 3: there are 1 fields"),
            ("x,class\n1,a\n\n\none,b\n", RIGHT, "line 5, column 1 (\"x\"): \"one\" is no number"),
            ("x,class\n,a\n1,b\n", RIGHT, "line 2, column 1 (\"x\"): \"\" is no number"),
            ("x,class\nnan,a\n1,b\n", RIGHT, "\"nan\" is no finite"),
            ("x,class\n1,a\n1e39,b\n", RIGHT, "\"1e39\" is no finite"),
            ("x,class\n-inf,a\n1,b\n", RIGHT, "\"-inf\" is no finite"),
            ("x,class\n1,a\n1,\n", RIGHT, "line 3, column 2 (\"class\"): there is no label"),
            ("x,class\n1,a\n1,a\n", RIGHT, "two classes are the fewest"),
            (&many, RIGHT, "line 258, column 2 (\"class\"): \"256\" would be one more class than 256"),
            (RIGHT, "", "test_table: it is empty"),
            (
                RIGHT,
                "x,class\n1,c\n",
                "test_table: line 2, column 2 (\"class\"): no sample of the training set has",
            ),
            (RIGHT, "y,class\n1,a\n", "column 1 (\"y\") is not column 1 (\"x\")"),
            (RIGHT, "x,class,z\n1,a,2\n", "there are 3 columns, in the training set 2"),
            (RIGHT, "x,class\n", "0 samples are too few"),
            ("x,class\n1,a\n2,b\n\"3,b\n", RIGHT, "line 4: there are 1 fields"),
        ];
        for (training, test, says) in cases {
            let error = dataset(&by_name(), training.as_bytes(), test.as_bytes()).unwrap_err();
            let text = match error {
                DataError::Malformed { role, what } => format!("{}: {what}", role.name()),
                other => other.to_string(),
            };
            assert!(text.contains(says), "{training:?} and {test:?}: {text}");
        }
        let no_text = dataset(&by_name(), b"x,class\n1,a\n2,\xff\n", RIGHT.as_bytes()).unwrap_err();
        assert!(no_text.to_string().contains("line 3: this is no UTF-8 text"), "{no_text}");
        let beyond = format(false, b',', LabelColumn::Number(3));
        let error = dataset(&beyond, b"1,a\n", b"1,a\n").unwrap_err();
        assert!(error.to_string().contains("no column 3, there are 2"), "{error}");
    }

    #[test]
    fn a_mark_of_the_byte_order_is_no_part_of_the_first_name() {
        let with_mark = b"\xef\xbb\xbfclass,x\na,1\nb,2\n";
        assert!(dataset(&by_name(), with_mark, b"class,x\na,1\n").is_ok());
    }

    /// Bytes as CSV files have them, and others.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let some = prop::sample::select(b"0123456789.e-,,;\n\n\"\r abx\xff\0".to_vec());
        prop_oneof![prop::collection::vec(some, 0..120), prop::collection::vec(any::<u8>(), 0..120)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn arbitrary_bytes_never_panic(
            training in content(),
            test in content(),
            header: bool,
            number in 0_u32..4,
            delimiter in prop::sample::select(b",;\t 0a".to_vec()),
        ) {
            let numbered = format(header, delimiter, LabelColumn::Number(number));
            let _ = dataset(&numbered, &training, &test);
            let _ = dataset(&numbered, &training, &training);
            let named = format(header, delimiter, LabelColumn::Name("a".to_owned()));
            let _ = dataset(&named, &[b"a,b\n", &training[..]].concat(), &[b"a,b\n", &test[..]].concat());
        }
    }
}
