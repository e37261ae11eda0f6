//! The repository as the rules see it: its texts, what Rust code says once comments and strings are taken out, and
//! which of it is tests.

use super::code::{Token, Views, closing, tokens, views};
use super::{Problem, TOP_FOLDERS};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A text file.
pub(crate) struct Source {
    /// From the root on, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Of a Rust file: the text with comments and the insides of strings blanked, line by line and column by column.
    pub(crate) code: String,
    /// Of a Rust file: its comments, in their places.
    pub(crate) comments: String,
    /// Whether all of it is tests: declared under `#[cfg(test)]`, or in a folder that cargo builds for tests alone.
    pub(crate) is_test: bool,
}

impl Source {
    /// Takes a file apart by its text alone.
    pub(crate) fn new(path: &str, text: &str) -> Source {
        let Views { code, comments } = views(if path.ends_with(".rs") { text } else { "" });
        Source { path: path.to_owned(), text: text.to_owned(), code, comments, is_test: is_test_path(path) }
    }

    /// Returns whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Returns a problem of this file; lines count from 1.
    pub(crate) fn problem(&self, line: usize, what: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), line, what: what.into() }
    }

    /// Returns for every line whether it is part of tests.
    pub(crate) fn test_lines(&self) -> Vec<bool> {
        let mut lines = vec![self.is_test; self.text.lines().count() + 1];
        for (from, to) in test_items(&self.code) {
            lines[from - 1..to].fill(true);
        }
        lines
    }
}

/// The whole repository.
pub(crate) struct Tree {
    /// Every text file, sorted by path.
    pub(crate) sources: Vec<Source>,
    /// Every file and folder.
    pub(crate) paths: BTreeSet<String>,
}

impl Tree {
    /// Reads the files at the root and the folders in [`TOP_FOLDERS`].
    pub(crate) fn read() -> Tree {
        let mut tree = Tree { sources: Vec::new(), paths: BTreeSet::new() };
        tree.add_folder(Path::new(env!("CARGO_MANIFEST_DIR")), "");
        tree.sources.sort_by(|a, b| a.path.cmp(&b.path));
        tree.mark_tests();
        assert!(tree.rust().count() > 20, "the walk found hardly any code: every rule would pass");
        tree
    }

    /// Makes a tree of texts.
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let sources = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        let paths = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        let mut tree = Tree { sources, paths };
        tree.mark_tests();
        tree
    }

    /// Iterates over the Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.is_rust())
    }

    /// Returns a text file.
    pub(crate) fn source(&self, path: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().unwrap_or_else(|error| panic!("{path}: {error}"));
            if kind.is_dir() && is_ours(prefix, &name) {
                self.add_folder(&entry.path(), &format!("{path}/"));
                self.paths.insert(path);
            } else if kind.is_file() {
                let bytes = fs::read(entry.path()).unwrap_or_else(|error| panic!("{path}: {error}"));
                // What is no text is data.
                if let Ok(text) = String::from_utf8(bytes) {
                    self.sources.push(Source::new(&path, &text));
                }
                self.paths.insert(path);
            }
        }
    }

    /// Marks the files of modules that are declared under `#[cfg(test)]`.
    fn mark_tests(&mut self) {
        let stems: Vec<String> = self.rust().flat_map(test_modules).collect();
        for source in &mut self.sources {
            let is_part_of = |stem: &String| {
                source.path.strip_prefix(stem.as_str()).is_some_and(|rest| rest.starts_with(['/', '.']))
            };
            source.is_test |= stems.iter().any(is_part_of);
        }
    }
}

/// Folders that are built or kept locally are not the repository's.
fn is_ours(prefix: &str, name: &str) -> bool {
    if prefix.is_empty() { TOP_FOLDERS.contains(&name) } else { !["target", ".gridsweep"].contains(&name) }
}

fn is_test_path(path: &str) -> bool {
    let folders = path.split('/').rev().skip(1);
    path.ends_with("build.rs")
        || folders.into_iter().any(|name| ["tests", "benches", "examples"].contains(&name))
}

/// Returns the paths, without `.rs`, of the modules that a file declares under `#[cfg(test)]`.
fn test_modules(source: &Source) -> Vec<String> {
    let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let folder = match file {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        other => format!("{folder}/{}", other.trim_end_matches(".rs")),
    };
    let lines: Vec<&str> = source.code.lines().collect();
    let mut stems = Vec::new();
    for (from, to) in test_items(&source.code) {
        let item = lines[from - 1..to].join("\n");
        let words: Vec<&str> = tokens(&item).iter().map(|token| token.text).collect();
        for window in words.windows(3).filter(|window| window[0] == "mod" && window[2] == ";") {
            stems.push(format!("{folder}/{}", window[1]));
        }
    }
    stems
}

/// What an item that has attributes can begin with; anything else (a variant, an arm, a field) ends at a comma.
const ITEM_WORDS: [&str; 15] = [
    "pub",
    "mod",
    "fn",
    "use",
    "impl",
    "struct",
    "enum",
    "const",
    "static",
    "type",
    "trait",
    "unsafe",
    "async",
    "extern",
    "macro_rules",
];

/// Returns the first and last line of everything under a `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let all = tokens(code);
    let is = |at: usize, text: &str| all.get(at).is_some_and(|token| token.text == text);
    let mut items = Vec::new();
    for at in 0..all.len() {
        let is_cfg = is(at, "#") && is(at + 1, "[") && is(at + 2, "cfg") && is(at + 3, "(");
        if is_cfg && (is(at + 4, "test") || is(at + 4, "all") && is(at + 6, "test")) {
            let mut start = at;
            while is(start, "#") && is(start + 1, "[") {
                start = closing(&all, start + 1) + 1;
            }
            let end = item_end(&all, start);
            items.push((all[at].line, all.get(end).or(all.last()).map_or(1, |token| token.line)));
        }
    }
    items
}

/// Returns the index of the last token of what begins at `start`.
fn item_end(all: &[Token<'_>], start: usize) -> usize {
    let is_item = all.get(start).is_some_and(|token| ITEM_WORDS.contains(&token.text));
    let mut at = start;
    while at < all.len() {
        match all[at].text {
            "{" => return closing(all, at),
            "(" | "[" => at = closing(all, at),
            ";" | "}" | ")" | "]" => return at,
            "," if !is_item => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

#[test]
fn tests_are_told_from_what_they_test() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n";
    assert_eq!(
        Source::new("common/src/a.rs", text).test_lines()[..6],
        [false, true, true, true, true, false]
    );
    let text = "enum A {\n#[cfg(test)]\nB,\nC,\n}\n#[cfg(test)]\nimpl<A, B> C<A, B> {\n}\nfn d() {}";
    let lines = Source::new("common/src/a.rs", text).test_lines();
    assert_eq!(lines[..9], [false, true, true, false, false, true, true, true, false]);
}

#[test]
fn a_module_is_a_test_by_its_declaration_not_by_its_name() {
    let tree = Tree::of(&[
        ("common/src/lib.rs", "#[cfg(test)]\nmod sample;\nmod testing;\n"),
        ("common/src/sample.rs", ""),
        ("common/src/sampler.rs", ""),
        ("common/src/testing.rs", ""),
        ("common/src/table.rs", "#[cfg(test)]\npub(crate) mod fixture;\n"),
        ("common/src/table/fixture.rs", ""),
        ("worker/engine/benches/epoch.rs", ""),
    ]);
    let tests: Vec<&str> = tree.rust().filter(|source| source.is_test).map(|source| &*source.path).collect();
    let expected = ["common/src/sample.rs", "common/src/table/fixture.rs", "worker/engine/benches/epoch.rs"];
    assert_eq!(tests, expected);
}
