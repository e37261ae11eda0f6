//! What is said about mistakes: message, place and remedy of each, in one snapshot.

use super::parse;
use crate::sample::{SWEEP, catalogue};

/// A change of the example of the documentation that makes it wrong: what it shows, a text in it, another text.
type Mistake = (&'static str, &'static str, &'static str);

const AXES: &str = "coefficient  = { logspace = { base = 10, from = 0, to = -4 } }";
const MNIST: &str = "dataset    = \"mnist\"";
const WHEN: &str = "coefficient  = { regularizer = [\"l1\", \"l2\"] }";
const RATES: &str = "dropout_rate = [0.2, 0.5]";
const WHERE: &str = "where  = { activation = [\"tanh\"], hidden = [[512]] }";
const FIGURE_X: &str = "x = \"coefficient\"";
const CELLS: &str = "cells   = [\"epochs\", \"test_accuracy\", \"sparsity_mean\"]";
const SET: &str = "set  = { regularizer = \"l1\", coefficient = 0.0001 }";
const ACTIVATIONS: &str = "activation = [\"relu\", \"tanh\"]";
const ROWS: &str = "rows    = [\"shape\"]";
const COLUMNS: &str = "columns = [\"activation\"]";

const MISTAKES: &[Mistake] = &[
    ("no TOML", "count = 3", "count = = 3"),
    ("a list that does not end", "rows    = [\"shape\"]", "rows    = [\"shape\""),
    ("a key given twice", "seed  = 2016", "count = 4"),
    ("no schema", "schema = 1\n", ""),
    ("another schema", "schema = 1", "schema = 2"),
    ("a schema of another type", "schema = 1", "schema = \"1\""),
    ("a misspelt key", "title  =", "titel  ="),
    ("a misspelt table", "[replicates]", "[replicate]"),
    ("a wrong name", "\"example\"", "\"My Sweep\""),
    ("a name that means something else", "\"example\"", "\"last\""),
    ("no name", "name   = \"example\"\n", ""),
    ("a text that is none", "title  = \"Regularization and structure of MNIST classifiers\"", "title = 5"),
    ("random search", "[data]", "search = { kind = \"random\", trials = 10 }\n[data]"),
    ("IDX files by other keys", MNIST, "dataset = { format = \"idx\", train = \"x\", test_inputs = \"y\" }"),
    ("files without a format", MNIST, "dataset = { training = \"x.csv\" }"),
    ("files of no format", MNIST, "dataset = { format = \"cvs\" }"),
    ("a CSV file without a label", MNIST, "dataset = { format = \"csv\", training = \"x\", test = \"y\" }"),
    (
        "a name where there is no header",
        MNIST,
        "dataset = { format = \"csv\", training = \"x\", test = \"y\", label = \"z\", header = false }",
    ),
    (
        "everything wrong of a CSV file",
        MNIST,
        "dataset = { format = \"csv\", training = \"\", test = 1, label = 0, header = 1, delimiter = \"||\", sep = 1 }",
    ),
    ("another standardisation", MNIST, "dataset = \"mnist\"\nstandardize = \"column\""),
    ("no data set", "dataset    = \"mnist\"\n", ""),
    ("all data for validation", "fraction = 0.2", "fraction = 1.0"),
    ("another pick", "pick = \"random\"", "pick = \"first\""),
    (
        "weights of others",
        "[data]",
        "[artifacts]\nweights = \"firts_replicate\"\ntrials_max = 0\nsize = 1\n[data]",
    ),
    ("a publication without its source", "[base]", "[publication]\n[base]"),
    (
        "everything wrong of a printed number",
        "[base]",
        "[publication]\nsource = \"a\"\n[[publication.number]]\nstudy = \"structures\"\nvalues = { test_acuracy = 1 }\n[base]",
    ),
    (
        "a printed number of several cells, and of none",
        "[base]",
        "[publication]\nsource = \"a\"\n[[publication.number]]\nstudy = \"structure\"\nwhere = { activation = \"relu\" }\n\
         values = { sparsity_1 = \"1\" }\n[[publication.number]]\nstudy = \"regularization\"\nwhere = { coefficient = 2 }\n\
         values = {}\n[base]",
    ),
    (
        "everything wrong of a claim",
        "[base]",
        "[publication]\nsource = \"a\"\n[[publication.claim]]\ntext = \"b\"\nholds = []\n[[publication.claim]]\ntext = \"c\"\n\
         holds = [{ metric = \"epochs\", study = \"regularization\", where = { regularizer = \"none\" }, is = \"hihger\", \
         than = \"1\" }]\n[[publication.claim]]\ntext = \"d\"\nholds = [{ metric = \"epochs\", study = \"regularization\", \
         where = { regularizer = \"none\" }, is = \"about\", than = 1 }, { metric = \"epochs\", study = \"regularization\", \
         where = { regularizer = \"none\" }, is = \"higher\", than = 1, margin = 0 }]\n[base]",
    ),
    ("no replicates", "count = 3", "count = 0"),
    ("a seed that is too large", "seed  = 2016", "seed = 9007199254740993"),
    ("a negative seed", "seed  = 2016", "seed = -1"),
    ("a misspelt setting in the base", "batch_size  = 128", "batchsize = 128"),
    ("a part without its table", "batch_size  = 128", "learning_rate = 0.1"),
    ("a misspelt part of a table", "learning_rate = 1e-3", "learnig_rate = 1e-3"),
    ("a misspelt family", "activation  = \"relu\"", "activation = \"rleu\""),
    ("a value out of its range", "epochs      = 200", "epochs = 0"),
    ("a value of another type", "epochs      = 200", "epochs = \"200\""),
    ("nothing but nan", "factor = 0.1", "factor = nan"),
    ("a date", "epochs      = 200", "epochs = 2016-01-01"),
    (
        "a table switched off that cannot be",
        "optimizer   = { kind = \"adam\", learning_rate = 1e-3 }",
        "optimizer = false",
    ),
    ("a setting of another family", "learning_rate = 1e-3 }", "learning_rate = 1e-3, momentum = 0.9 }"),
    ("a part of a table that is off", SET, "set = { early_stop = false, \"early_stop.patience\" = 3 }"),
    ("a value given twice", SET, "set = { optimizer = { kind = \"sgd\" }, \"optimizer.kind\" = \"adam\" }"),
    ("a required setting left out", "epochs      = 200\n", ""),
    ("a required part left out", "patience = 3, ", ""),
    ("a coefficient without a regularizer", SET, "set = { coefficient = 0.0001 }"),
    ("a regularizer without its coefficient", SET, "set = { regularizer = \"l1\" }"),
    ("an axis without a condition", "coefficient  = { regularizer = [\"l1\", \"l2\"] }\n", ""),
    ("an axis of one value without a list", RATES, "dropout_rate = 0.2"),
    ("an axis that varies a part, unquoted", RATES, "optimizer.learning_rate = [0.1, 0.2]"),
    ("an axis without values", RATES, "dropout_rate = []"),
    ("an axis with a repeated value", RATES, "dropout_rate = [0.2, 0.5, 2e-1]"),
    ("a whole number is the number", ACTIVATIONS, "epochs = [1, 1.0]"),
    ("an axis that is no setting", RATES, "dropout_rat = [0.2, 0.5]"),
    ("a logspace without its end", AXES, "coefficient = { logspace = { base = 10, from = 0 } }"),
    (
        "a logspace out of all numbers",
        AXES,
        "coefficient = { logspace = { base = 10, from = 0, to = -400 } }",
    ),
    ("a logspace of another base", AXES, "coefficient = { logspace = { base = 0.5, from = 0, to = -4 } }"),
    ("a logspace for whole numbers", AXES, "epochs = { logspace = { base = 10, from = 2, to = -1 } }"),
    ("a condition for no axis", WHEN, "coeficient = { regularizer = [\"l1\"] }"),
    ("a condition on no setting", WHEN, "coefficient = { regulariser = [\"l1\"] }"),
    ("a condition with a misspelt value", WHEN, "coefficient = { regularizer = [\"l1\", \"l22\"] }"),
    ("a condition without a list", WHEN, "coefficient = { regularizer = \"l1\" }"),
    ("a condition that never holds", WHEN, "coefficient = { regularizer = [\"elastic_net\"] }"),
    ("a condition without anything", WHEN, "coefficient = {}"),
    ("a condition on itself", WHEN, "coefficient = { coefficient = [1] }"),
    (
        "conditions in a circle",
        "coefficient  = { regularizer = [\"l1\", \"l2\"] }",
        "coefficient = { dropout_rate = [0.2] }\nregularizer = { coefficient = [1] }",
    ),
    ("an exclusion of nothing", WHERE, "where = { activation = [\"sigmoid\"] }"),
    ("an exclusion of everything", WHERE, "where = { activation = [\"relu\", \"tanh\"] }"),
    ("an exclusion of one shape without a list", WHERE, "where = { hidden = [512] }"),
    ("an exclusion by a zip", WHERE, "where = { shape = [1] }"),
    ("an exclusion without a reason", "reason = \"not wanted\"\n", ""),
    ("a zip row that is too short", "[[512], 64]", "[[512]]"),
    ("a zip with a wrong value", "[[512], 64]", "[[512], 0]"),
    ("a zip of one column", "columns = [\"hidden\", \"batch_size\"]", "columns = [\"hidden\"]"),
    ("a zip with the name of an axis", "name    = \"shape\"", "name = \"activation\""),
    ("a setting of two axes", ACTIVATIONS, "hidden = [[512], [256]]"),
    ("a zip instead of zips", "[[study.zip]]", "[study.zip]"),
    ("two studies of one name", "name = \"structure\"", "name = \"regularization\""),
    ("a row that is no axis", ROWS, "rows = [\"shap\"]"),
    ("a row that a zip varies", ROWS, "rows = [\"hidden\"]"),
    ("an axis that the table leaves out", COLUMNS, "columns = []"),
    ("an axis in rows and columns", COLUMNS, "columns = [\"activation\", \"shape\"]"),
    ("a metric that is none", CELLS, "cells = [\"epochs\", \"accuracy\"]"),
    ("a misspelt metric", CELLS, "cells = [\"test_acuracy\"]"),
    ("a table without cells", CELLS, ""),
    ("a figure of no kind", "kind = \"lines\"", "kind = \"pie\""),
    ("a figure over an axis that is misspelt", FIGURE_X, "x = \"coeficient\""),
    ("a figure on a scale that there is not", FIGURE_X, "x = \"depth\"\nx_scale = \"lin\""),
    ("a figure with a key of another kind", FIGURE_X, "x = \"coefficient\"\nreplicate = 0"),
    ("a figure of cells that do not vary so", FIGURE_X, "x = \"coefficient\"\nwhere = { epochs = [200] }"),
    ("a figure without its x", FIGURE_X, ""),
    ("an unknown key of a study", SET, "sets = { regularizer = \"l1\" }"),
    ("a baseline that no cell has", ROWS, "rows = [\"shape\"]\nbaseline = { activation = \"sigmoid\" }"),
    ("a baseline of what does not vary", ROWS, "rows = [\"shape\"]\nbaseline = { epochs = 200 }"),
    ("a baseline of several settings", ROWS, "rows = [\"shape\"]\nbaseline = { shape = 1 }"),
    (
        "a baseline of a whole table",
        ROWS,
        "rows = [\"shape\"]\nbaseline = { optimizer = { kind = \"adam\" } }",
    ),
    ("a baseline of several values", ROWS, "rows = [\"shape\"]\nbaseline = { activation = [\"relu\"] }"),
    ("a baseline of nothing", ROWS, "rows = [\"shape\"]\nbaseline = {}"),
    ("effects that are neither on nor off", ROWS, "rows = [\"shape\"]\neffects = \"yes\""),
];

/// Files that are wrong as a whole.
const FILES: &[(&str, &str)] = &[
    ("an empty file", ""),
    ("no study", "schema = 1\nname = \"x\"\n[data]\ndataset = \"mnist\"\n[replicates]\ncount = 1\n"),
    (
        "too many trials",
        "schema = 1\nname = \"x\"\n[data]\ndataset = \"mnist\"\n[replicates]\ncount = 10000\n[base]\nhidden = [8]\n\
         epochs = 1\nregularizer = \"elastic_net\"\n[[study]]\nname = \"s\"\n[study.axes]\n\
         l1_coefficient = { logspace = { base = 10, from = -300, to = 300 } }\n\
         l2_coefficient = { logspace = { base = 10, from = -300, to = 300 } }\n\
         \"optimizer.learning_rate\" = { logspace = { base = 10, from = -300, to = 300 } }\n\
         \"optimizer.beta1\" = { logspace = { base = 10, from = -300, to = 300 } }\n\
         \"optimizer.epsilon\" = { logspace = { base = 10, from = -300, to = 300 } }\n\
         \"optimizer.beta2\" = { logspace = { base = 10, from = -300, to = 300 } }\n",
    ),
    (
        "a part varied where its table is off",
        "schema = 1\nname = \"x\"\n[data]\ndataset = \"mnist\"\n[replicates]\ncount = 1\n[base]\nhidden = [8]\n\
         epochs = 1\nearly_stop = { patience = 1 }\n[[study]]\nname = \"s\"\n[study.axes]\n\
         batch_size = [1, 2]\nearly_stop = [false, { patience = 2 }]\n\"early_stop.patience\" = [1, 2]\n",
    ),
    (
        "an axis with repeated defaults",
        "schema = 1\nname = \"x\"\n[data]\ndataset = \"mnist\"\n[replicates]\ncount = 1\n[base]\nhidden = [8]\n\
         epochs = 1\n[[study]]\nname = \"s\"\n[study.axes]\n\
         optimizer = [{ kind = \"adam\" }, { kind = \"sgd\" }, { beta1 = 0.9 }]\n",
    ),
    (
        "problems of several studies at once",
        "schema = 1\nname = \"X\"\ntitel = 1\n[data]\ndataset = \"mnist\"\n[replicates]\ncount = 0\n[base]\n\
         hidden = [8]\nepochs = 1\n[[study]]\nname = \"s\"\n[study.axes]\nbatch_size = [1, 2, 1]\nfigure = [1]\n\
         [[study]]\nset = { coefficient = 1 }\n[[study]]\nname = \"t\"\nset = { epochs = 0, hidden = 3 }\n\
         [[study.table]]\ncells = [\"loss\"]\n",
    ),
];

fn explained(title: &str, text: &str) -> String {
    let problems = match parse(text, &catalogue()) {
        Ok(_) => panic!("{title}: accepted"),
        Err(problems) => problems,
    };
    assert!(!problems.is_empty(), "{title}: refused without a word");
    let shown: Vec<String> = problems.iter().map(|problem| problem.render("sweep.toml", text)).collect();
    format!("## {title}\n{}\n", shown.join("\n\n"))
}

#[test]
fn every_mistake_is_told_with_its_place_and_its_remedy() {
    let mut all = Vec::new();
    for (title, from, to) in MISTAKES {
        assert_eq!(SWEEP.matches(from).count().min(1), 1, "{title}: the example has no {from}");
        all.push(explained(title, &SWEEP.replacen(from, to, 1)));
    }
    all.extend(FILES.iter().map(|(title, text)| explained(title, text)));
    insta::assert_snapshot!(all.join("\n"));
}
