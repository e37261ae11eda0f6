//! The house rules that neither the compiler nor clippy checks, read from the tables below. Every rule is a function
//! over a file and has, beside it in `tests/tidy/`, a counter-example that it must reject.

mod tidy {
    pub(crate) mod code;
    pub(crate) mod documents;
    pub(crate) mod layers;
    pub(crate) mod registers;
    pub(crate) mod size;
    pub(crate) mod text;
    pub(crate) mod tree;
    pub(crate) mod unsafety;

    pub(crate) use super::{Names, Problem, Register, TOP_FOLDERS};
}

use tidy::tree::{Source, Tree};
use tidy::{documents, layers, registers, size, text, unsafety};

/// The folders of the root that belong to the repository.
pub(crate) const TOP_FOLDERS: [&str; 9] =
    [".ci", "common", "coordinator", "deploy", "proto", "src", "sweeps", "tests", "worker"];

/// Which crates of the repository each crate may import.
const IMPORTS: [(&str, &[&str]); 7] = [
    ("Cargo.toml", &["coordinator", "worker", "engine", "proto", "common"]),
    ("tests/sim/Cargo.toml", &["coordinator", "worker", "engine", "proto", "common"]),
    ("worker/Cargo.toml", &["engine", "proto", "common"]),
    ("coordinator/Cargo.toml", &["proto", "common"]),
    ("worker/engine/Cargo.toml", &["common"]),
    ("proto/Cargo.toml", &["common"]),
    ("common/Cargo.toml", &[]),
];

/// Names that some code must not have.
pub(crate) struct Names {
    /// Paths that begin like this …
    pub(crate) under: &'static [&'static str],
    /// … but not like this.
    pub(crate) except: &'static [&'static str],
    /// A name, several in a row, or a macro with its `!`.
    pub(crate) names: &'static [&'static str],
    /// Whether tests may have them.
    pub(crate) tests_may: bool,
    /// What to do instead.
    pub(crate) instead: &'static str,
}

const NAMES: [Names; 5] = [
    Names {
        under: &["coordinator/src/core/"],
        except: &[],
        names: &["crate::grpc", "crate::driver", "tokio", "HashMap", "HashSet", "Instant", "SystemTime"],
        tests_may: false,
        instead: "the core is pure, ordered and handed the time: make it an event or an effect, or a BTreeMap",
    },
    Names {
        under: &["coordinator/src/core/"],
        except: &[],
        names: &["crate::store"],
        tests_may: true,
        instead: "the core does not know that it is stored: return an event, which the driver commits",
    },
    Names {
        under: &["common/src/", "worker/engine/src/"],
        except: &[],
        names: &[
            "std::fs",
            "std::env",
            "std::net",
            "std::process",
            "Instant",
            "SystemTime",
            "HashMap",
            "HashSet",
            "tokio",
        ],
        tests_may: false,
        instead: "this crate is pure and ordered: take bytes and times as arguments, and a BTreeMap",
    },
    Names {
        under: &[""],
        except: &[
            "src/",
            "coordinator/src/driver.rs",
            "coordinator/src/grpc/",
            "coordinator/src/observe/",
            "worker/src/session",
            "worker/src/pool",
        ],
        names: &["Instant::now", "SystemTime::now"],
        tests_may: true,
        instead: "clocks are read by the driver, grpc, observe, session and pool alone: take the time as an argument",
    },
    Names {
        under: &[""],
        except: &["src/"],
        names: &["anyhow", "clap", "println!", "print!", "std::env", "process::exit"],
        tests_may: true,
        instead: "only src/ knows the command line, the environment and the terminal: return a value or an error",
    },
];

/// The one folder that may have `unsafe`.
const UNSAFE_UNDER: &str = "worker/engine/src/kernel/";

/// A folder in which a new thing is one file and one line in the `ALL` of its `mod.rs`. The rule holds for every folder
/// with an `ALL`; a row says what is special.
pub(crate) struct Register {
    pub(crate) folder: &'static str,
    /// Files that are not a thing of the kind that `ALL` lists.
    pub(crate) helpers: &'static [&'static str],
    /// Whether the folder must be there once its crate is written.
    pub(crate) must_exist: bool,
}

const REGISTERS: [Register; 9] = [
    Register { folder: "worker/engine/src/activation", helpers: &[], must_exist: true },
    Register { folder: "worker/engine/src/regularizer", helpers: &[], must_exist: true },
    Register { folder: "worker/engine/src/optimizer", helpers: &[], must_exist: true },
    Register { folder: "worker/engine/src/schedule", helpers: &[], must_exist: true },
    Register { folder: "worker/src/dataset", helpers: &["csv", "files", "idx"], must_exist: true },
    Register { folder: "common/src/report", helpers: &[], must_exist: true },
    Register {
        folder: "common/src/figure",
        helpers: &["ask", "cells", "heat", "plot", "series", "sheet"],
        must_exist: true,
    },
    Register {
        folder: "common/src/search",
        helpers: &["check", "overlap", "region", "settings", "space", "split", "tally"],
        must_exist: false,
    },
    Register { folder: "coordinator/src/store/migrations", helpers: &[], must_exist: true },
];

/// Files that may be long, and why.
const LONG_FILES: [(&str, &str); 0] = [];

/// Documents whose paths are checked.
const DOCUMENTS: [&str; 7] = [
    "ARCHITECTURE.md",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "BENCHMARKS.md",
    "worker/engine/README.md",
    "deploy/README.md",
];

/// What is wrong, where, and what to do.
pub(crate) struct Problem {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

/// Fails with every problem on a line of its own.
fn expect_none(problems: impl IntoIterator<Item = Problem>) {
    let lines: Vec<String> =
        problems.into_iter().map(|Problem { path, line, what }| format!("{path}:{line}: {what}")).collect();
    assert!(lines.is_empty(), "{} to tidy up:\n{}\n", lines.len(), lines.join("\n"));
}

#[test]
fn crates_import_only_whom_they_may() {
    let tree = Tree::read();
    let manifests: Vec<&Source> = tree
        .sources
        .iter()
        .filter(|source| source.path.split('/').next_back() == Some("Cargo.toml"))
        .collect();
    assert_eq!(manifests.len(), IMPORTS.len(), "every crate of IMPORTS is there");
    expect_none(manifests.iter().flat_map(|manifest| layers::imports(manifest, &IMPORTS)));
}

#[test]
fn code_names_only_what_it_may() {
    let tree = Tree::read();
    for prefix in NAMES.iter().flat_map(|rule| rule.under) {
        assert!(tree.rust().any(|source| source.path.starts_with(prefix)), "nothing is under {prefix}");
    }
    expect_none(
        tree.rust().flat_map(|source| NAMES.iter().flat_map(move |rule| layers::names(source, rule))),
    );
}

#[test]
fn unsafe_stands_in_the_kernels_alone_and_says_why_it_is_sound() {
    expect_none(Tree::read().rust().flat_map(|source| unsafety::unsafety(source, UNSAFE_UNDER)));
}

#[test]
fn what_has_a_register_is_in_it() {
    let tree = Tree::read();
    expect_none(
        registers::missing(&tree, &REGISTERS).into_iter().chain(registers::registers(&tree, &REGISTERS)),
    );
}

#[test]
fn functions_are_short() {
    expect_none(Tree::read().rust().flat_map(size::functions));
}

#[test]
fn files_are_short() {
    expect_none(Tree::read().rust().flat_map(|source| size::file(source, &LONG_FILES)));
}

#[test]
fn documents_name_what_is_there() {
    let tree = Tree::read();
    let documents = DOCUMENTS.iter().filter_map(|path| tree.source(path));
    assert!(documents.clone().count() > 2, "there are documents");
    expect_none(documents.flat_map(|document| documents::paths(document, &tree.paths)));
}

#[test]
fn nothing_is_left_over() {
    expect_none(Tree::read().sources.iter().flat_map(text::leftovers));
}

#[test]
fn the_protocol_is_explained() {
    let tree = Tree::read();
    let protocols = tree.sources.iter().filter(|source| source.path.ends_with(".proto"));
    assert!(protocols.clone().count() > 0, "there is a protocol");
    expect_none(protocols.flat_map(text::protocol));
}

#[test]
fn sweeps_say_what_they_ask_and_how_long_it_takes() {
    let tree = Tree::read();
    let is_sweep = |path: &str| path.starts_with("sweeps/") && path.ends_with(".toml");
    let sweeps = tree.sources.iter().filter(|source| is_sweep(&source.path));
    assert!(sweeps.clone().count() > 0, "there are sweeps");
    expect_none(sweeps.flat_map(text::sweep));
}
