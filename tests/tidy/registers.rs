//! Folders where a new thing is one file and one line: every file of such a folder is named in its `ALL`.

use super::code::{closing, tokens};
use super::tree::{Source, Tree};
use super::{Problem, Register};

/// Checks every folder whose `mod.rs` declares `ALL`.
pub(crate) fn registers(tree: &Tree, table: &[Register]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in tree.rust() {
        let Some(folder) = source.path.strip_suffix("/mod.rs") else { continue };
        let Some(all) = initialiser(source) else { continue };
        let row = table.iter().find(|row| row.folder == folder);
        let helpers = row.map_or(&[][..], |row| row.helpers);
        let files = files(tree, folder);
        for stale in helpers.iter().filter(|helper| !files.contains(&(**helper).to_owned())) {
            let what =
                format!("{stale} is a helper in REGISTERS of tests/tidy.rs and no file: take it out there");
            problems.push(source.problem(1, what));
        }
        for file in files.iter().filter(|file| !helpers.contains(&file.as_str()) && !is_in(&all, file)) {
            let what = format!("{file} is not in ALL: add its line, or name it as a helper in tests/tidy.rs");
            problems.push(source.problem(all.line, what));
        }
    }
    problems
}

/// Checks that the folders of the table are there once their crate is more than a stub.
pub(crate) fn missing(tree: &Tree, table: &[Register]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for row in table.iter().filter(|row| row.must_exist) {
        let crate_root = row.folder.split("/src/").next().map(|name| format!("{name}/src/lib.rs"));
        let root = crate_root.and_then(|path| tree.source(&path));
        let is_written = root.is_some_and(|root| root.text.lines().count() > 5);
        let module = tree.source(&format!("{}/mod.rs", row.folder));
        if is_written && module.and_then(initialiser).is_none() {
            let path = format!("{}/mod.rs", row.folder);
            let what = "there is no ALL: declare it, or change REGISTERS of tests/tidy.rs".to_owned();
            problems.push(Problem { path, line: 1, what });
        }
    }
    problems
}

/// What `ALL` is set to.
struct Initialiser {
    line: usize,
    words: Vec<String>,
    text: String,
}

fn initialiser(source: &Source) -> Option<Initialiser> {
    let all = tokens(&source.code);
    let declares = |at: &usize| ["const", "static"].contains(&all[*at - 1].text) && all[*at].text == "ALL";
    let start = (1..all.len()).find(declares)?;
    let mut equals = start;
    while all.get(equals)?.text != "=" {
        equals = if ["[", "("].contains(&all[equals].text) { closing(&all, equals) } else { equals } + 1;
    }
    let mut end = equals;
    while all.get(end)?.text != ";" {
        end = if ["[", "(", "{"].contains(&all[end].text) { closing(&all, end) } else { end } + 1;
    }
    let lines = source.text.lines().skip(all[equals].line - 1).take(all[end].line - all[equals].line + 1);
    Some(Initialiser {
        line: all[start].line,
        words: all[equals..end].iter().map(|token| token.text.to_owned()).collect(),
        text: lines.collect::<Vec<_>>().join("\n"),
    })
}

/// Returns what stands in a folder beside `mod.rs`: modules by name, texts with their ending. Tests are left out.
fn files(tree: &Tree, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for source in tree.sources.iter().filter(|source| !source.is_test) {
        let Some(rest) = source.path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) else {
            continue;
        };
        let name = rest.split('/').next().unwrap_or_default();
        let name = name.strip_suffix(".rs").unwrap_or(name).to_owned();
        if name != "mod" && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn is_in(all: &Initialiser, file: &str) -> bool {
    if file.contains('.') {
        return all.text.contains(&format!("\"{file}\""));
    }
    let camel: String = file.split('_').map(capitalised).collect();
    let is_module = |pair: &[String]| pair[0] == file && pair[1] == "::";
    all.words.contains(&camel) || all.words.windows(2).any(is_module)
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Register = Register { folder: "engine/src/curve", helpers: &["lanes"], must_exist: true };

    fn found(module: &str, files: &[&str]) -> Vec<String> {
        let mut texts = vec![("engine/src/curve/mod.rs", module)];
        texts.extend(files.iter().map(|file| (*file, "")));
        registers(&Tree::of(&texts), &[ROW]).into_iter().map(|problem| problem.what).collect()
    }

    const FILES: [&str; 4] = [
        "engine/src/curve/relu.rs",
        "engine/src/curve/elastic_net.rs",
        "engine/src/curve/lanes.rs",
        "engine/src/curve/0001.sql",
    ];

    #[test]
    fn every_form_of_a_line_is_understood() {
        let all = "const ALL: [&dyn Curve; 3] = [&relu::Relu, &ElasticNet, include_str!(\"0001.sql\")];";
        assert!(found(all, &FILES).is_empty());
        let wrong = ["engine/src/curve/wrong.rs"];
        assert!(
            found("#[cfg(test)]\nmod wrong;\nconst ALL: [u8; 0] = [];\n", &wrong)[0].starts_with("lanes")
        );
    }

    #[test]
    fn a_file_that_is_not_in_all_is_rejected() {
        let all = "mod relu;\nconst ALL: [&dyn Curve; 0] = [\n// relu::Relu, ElasticNet\n];\nuse relu::Relu;";
        let problems = found(all, &FILES);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.starts_with("relu is not in ALL")));
    }

    #[test]
    fn a_folder_without_all_is_rejected_once_its_crate_is_written() {
        let stub = Tree::of(&[("engine/src/lib.rs", "//! Nothing yet.")]);
        assert!(missing(&stub, &[ROW]).is_empty());
        let lib = ("engine/src/lib.rs", "mod a;\n\n\n\n\n\n");
        assert_eq!(missing(&Tree::of(&[lib]), &[ROW]).len(), 1);
        let without = Tree::of(&[lib, ("engine/src/curve/mod.rs", "fn f() { g(ALL); }")]);
        assert_eq!(missing(&without, &[ROW]).len(), 1);
        let with = Tree::of(&[lib, ("engine/src/curve/mod.rs", "static ALL: &[u8] = &[];")]);
        assert!(missing(&with, &[ROW]).is_empty());
    }
}
