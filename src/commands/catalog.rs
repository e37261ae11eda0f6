//! `gridsweep catalog`: every setting with its range, every family with its formula, every data set and metric.

use crate::args::{CatalogArgs, PlanFormat};
use crate::error::{CommandError, Ending};
use crate::output::print_result;
use gridsweep_common::catalogue::{Catalogue, Setting};
use gridsweep_common::metric;
use gridsweep_engine::catalogue;
use gridsweep_worker::dataset;
use std::fmt::Write;

pub(crate) fn catalog(args: &CatalogArgs) -> Result<Ending, CommandError> {
    let catalogue = catalogue();
    let text = match args.format {
        PlanFormat::Json => {
            serde_json::to_string_pretty(&catalogue).map_err(CommandError::unexpected)? + "\n"
        }
        PlanFormat::Table => render(&catalogue),
    };
    print_result(&text)?;
    Ok(Ending::Done)
}

fn render(catalogue: &Catalogue) -> String {
    let mut text = String::from("Settings of [base], set and axes\n");
    let width = catalogue.settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
    for setting in &catalogue.settings {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {:width$}  {}", setting.name, describe(setting));
        let _ = writeln!(text, "  {:width$}  {}", "", setting.description);
    }
    for table in &catalogue.optional_tables {
        let _ = writeln!(text, "  {table} may be absent or false: then it is off");
    }
    text.push_str("\nFamilies\n");
    let name =
        |family: &gridsweep_common::catalogue::Family| format!("{} = \"{}\"", family.setting, family.name);
    let width = catalogue.families.iter().map(|family| name(family).len()).max().unwrap_or(0);
    for family in &catalogue.families {
        let _ = writeln!(text, "  {:width$}  {}", name(family), family.formula);
        let _ = writeln!(text, "  {:width$}  {}", "", family.source);
    }
    text.push_str("\nData sets\n");
    for source in dataset::ALL {
        let _ = writeln!(text, "  {}  {}", source.name(), source.description());
    }
    text.push_str(DATA_BY_PATH);
    text.push_str("\nMetrics of `cells`\n  sparsity  one column a weight matrix: the share of |w| < 1e-4\n");
    for metric in metric::ALL {
        let _ = writeln!(text, "  {}", metric.name());
    }
    text
}

/// What `[data]` takes beside names.
const DATA_BY_PATH: &str = "
Data sets by path, relative to the sweep file, gzip or not
  dataset = { format = \"idx\", training_inputs = PATH, training_labels = PATH, test_inputs = PATH, test_labels = PATH }
    unsigned bytes; inputs of any number of dimensions are v / 255
  dataset = { format = \"csv\", training = PATH, test = PATH, label = COLUMN }
    label: the name of the column with the classes, or its number from 1; every other column is a number
    header = true (the first line has the names) | false; delimiter = \",\" or another ASCII character
    classes are in the order of the labels: of whole numbers if all are, else of their bytes; 2 to 256
  standardize = \"columns\" in [data] gives each input mean 0 and deviation 1 over the training set; default \"none\"
";

fn describe(setting: &Setting) -> String {
    let mut parts = vec![setting.kind.describe()];
    match &setting.default {
        Some(default) => parts.push(format!("default {default}")),
        None => parts.push("must be given".to_owned()),
    }
    if let Some(applies) = &setting.applies {
        parts.push(format!("with {} = {}", applies.setting, applies.values.join(" | ")));
    }
    parts.join("; ")
}
