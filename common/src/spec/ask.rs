//! Tables that someone asks for beside those of the file: on a command line.

use super::Study;
use super::presentation::{Unknown, find_axis, find_column, no_such_level, not_varied};
use crate::choice::Value;
use crate::search::StudyGrid;
use crate::table::{Column, Heading, TableSpec};

/// What is asked for. What is left out is as in the study's own tables.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableRequest {
    /// Names of axes.
    pub rows: Vec<String>,
    /// Names of axes.
    pub columns: Vec<String>,
    /// Names of metrics, or `sparsity`.
    pub cells: Vec<String>,
    /// What the cells are compared with, each as `setting=value`.
    pub baseline: Vec<String>,
    /// Whether the shares of the axes in the variance are wanted.
    pub effects: bool,
}

/// Why a table cannot be as it is asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct AskedWrongly {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl From<Unknown> for AskedWrongly {
    fn from(unknown: Unknown) -> AskedWrongly {
        AskedWrongly { message: unknown.message, help: unknown.help }
    }
}

impl TableRequest {
    /// Returns the tables of a study as they are asked for: with rows or columns, one table in place of the study's own.
    /// Axes that neither names are added to the rows: a table never takes cells together.
    pub fn tables(&self, study: &Study, grid: &StudyGrid) -> Result<Vec<TableSpec>, AskedWrongly> {
        let mut tables = study.tables.clone();
        if !self.rows.is_empty() || !self.columns.is_empty() {
            tables.truncate(1);
            for table in &mut tables {
                (table.rows, table.columns) = self.headings(&study.axes)?;
            }
        }
        let cells: Vec<Column> = self.cells.iter().map(|name| find_column(name)).collect::<Result<_, _>>()?;
        let baseline = self.baseline(grid)?;
        for table in &mut tables {
            if !cells.is_empty() {
                table.cells.clone_from(&cells);
            }
            if !baseline.is_empty() {
                table.baseline.clone_from(&baseline);
            }
            table.effects |= self.effects;
        }
        Ok(tables)
    }

    fn headings(&self, axes: &[Heading]) -> Result<(Vec<Heading>, Vec<Heading>), AskedWrongly> {
        let find = |names: &[String]| -> Result<Vec<Heading>, Unknown> {
            names.iter().map(|name| find_axis(name, axes).cloned()).collect()
        };
        let (mut rows, columns) = (find(&self.rows)?, find(&self.columns)?);
        let named: Vec<&Heading> = rows.iter().chain(&columns).collect();
        if let Some(twice) = named.iter().enumerate().find(|(n, heading)| named[..*n].contains(heading)) {
            return Err(AskedWrongly {
                message: format!("the axis `{}` is asked for twice", twice.1.name),
                help: "name each axis once, in rows or in columns".to_owned(),
            });
        }
        let rest: Vec<Heading> = axes.iter().filter(|axis| !named.contains(axis)).cloned().collect();
        rows.extend(rest);
        Ok((rows, columns))
    }

    fn baseline(&self, grid: &StudyGrid) -> Result<Vec<(String, Value)>, AskedWrongly> {
        self.baseline.iter().map(|named| baseline_value(named, &grid.levels())).collect()
    }
}

/// Reads `setting=value`; the value as it stands in tables.
fn baseline_value(named: &str, levels: &[(&str, Vec<&Value>)]) -> Result<(String, Value), AskedWrongly> {
    let Some((name, wanted)) = named.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
        let help = "write it as setting=value, such as regularizer=none".to_owned();
        return Err(AskedWrongly { message: format!("the baseline \"{named}\" has no \"=\""), help });
    };
    let Some((_, values)) = levels.iter().find(|(setting, _)| *setting == name) else {
        let varied: Vec<&str> = levels.iter().map(|(setting, _)| *setting).collect();
        return Err(not_varied(name, &varied).into());
    };
    let number = wanted.parse::<f64>().ok();
    let is_wanted =
        |value: &&&Value| value.to_string() == wanted || number.is_some() && value.as_number() == number;
    match values.iter().find(is_wanted) {
        Some(value) => Ok((name.to_owned(), (*value).clone())),
        None => {
            let levels: Vec<String> = values.iter().map(|value| value.to_string()).collect();
            Err(no_such_level(name, wanted, &levels).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::sample::{SWEEP, catalogue};
    use crate::spec::{Sweep, parse};

    fn sweep() -> Sweep {
        parse(SWEEP, &catalogue()).unwrap()
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn ask(study: usize, request: &TableRequest) -> Result<Vec<TableSpec>, AskedWrongly> {
        let sweep = sweep();
        request.tables(&sweep.studies[study], sweep.grid().study(study))
    }

    fn names(headings: &[Heading]) -> Vec<&str> {
        headings.iter().map(|heading| heading.name.as_str()).collect()
    }

    #[test]
    fn nothing_asked_for_is_the_study_s_own() {
        assert_eq!(ask(1, &TableRequest::default()).unwrap(), sweep().studies[1].tables);
    }

    #[test]
    fn axes_that_are_not_named_stand_in_the_rows() {
        let request = TableRequest { columns: words(&["regularizer"]), ..TableRequest::default() };
        let table = ask(0, &request).unwrap().remove(0);
        assert_eq!(names(&table.rows), ["coefficient", "dropout_rate"]);
        assert_eq!(names(&table.columns), ["regularizer"]);
    }

    #[test]
    fn cells_baseline_and_effects_replace_those_of_the_file() {
        let request = TableRequest {
            cells: words(&["epochs", "sparsity"]),
            baseline: words(&["coefficient = 1e-4", "regularizer=l2"]),
            effects: true,
            ..TableRequest::default()
        };
        let table = ask(0, &request).unwrap().remove(0);
        assert_eq!(table.cells, [Column::Metric(Metric::Epochs), Column::Sparsity]);
        let named = [("coefficient".to_owned(), 0.0001.into()), ("regularizer".to_owned(), "l2".into())];
        assert_eq!(table.baseline, named);
        assert!(table.effects);
        let shape = TableRequest { baseline: words(&["hidden=256-256"]), ..TableRequest::default() };
        assert_eq!(ask(1, &shape).unwrap()[0].baseline[0].1, vec![256.0, 256.0].into());
    }

    #[test]
    fn what_does_not_exist_is_named_with_what_may_be_meant() {
        let (none, default) = (Vec::new(), TableRequest::default());
        let wrong = [
            (
                words(&["regulariser"]),
                none.clone(),
                none.clone(),
                "not an axis",
                "did you mean `regularizer`?",
            ),
            (words(&["depth"]), none.clone(), none.clone(), "not an axis", "the axes of this study"),
            (words(&["coefficient", "coefficient"]), none.clone(), none.clone(), "twice", "once"),
            (none.clone(), words(&["test_acuracy"]), none.clone(), "unknown metric", "`test_accuracy`?"),
            (none.clone(), none.clone(), words(&["regularizer"]), "has no \"=\"", "setting=value"),
            (none.clone(), none.clone(), words(&["activation=relu"]), "not varied", "coefficient"),
            (none.clone(), none.clone(), words(&["regularizer=l3"]), "never l3", "did you mean `l1`?"),
            (none.clone(), none, words(&["coefficient=7"]), "never 7", "it takes"),
        ];
        for (rows, cells, baseline, message, help) in wrong {
            let request = TableRequest { rows, cells, baseline, ..default.clone() };
            let error = ask(0, &request).unwrap_err();
            assert!(error.message.contains(message) && error.help.contains(help), "{error:?}");
        }
    }
}
