//! Paths in documents: what they name is there.

use super::tree::Source;
use super::{Problem, TOP_FOLDERS};
use std::collections::BTreeSet;

/// A name without a folder is one of a file if it ends like this.
const ENDINGS: [&str; 5] = [".rs", ".toml", ".md", ".proto", ".sql"];

/// Checks that the paths in backticks and in code blocks exist: what begins with a folder of the root, and, where it is
/// all that the backticks hold, the name of a file.
pub(crate) fn paths(document: &Source, tree: &BTreeSet<String>) -> Vec<Problem> {
    let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut problems = Vec::new();
    let mut in_block = false;
    for (number, line) in (1..).zip(document.text.lines()) {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            continue;
        }
        let spans: Vec<&str> =
            if in_block { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        for span in spans {
            let is_alone = !in_block && !span.contains(char::is_whitespace);
            for path in span.split_whitespace().filter_map(|word| path_of(word, is_alone)) {
                if !alternatives(path).iter().all(|path| exists(path, folder, tree)) {
                    let what = format!(
                        "names {path}, which is not in the repository: correct it, or add what it names"
                    );
                    problems.push(document.problem(number, what));
                }
            }
        }
    }
    problems
}

/// Returns the path that a word is, without what clings to it; `None` where it is something else or a placeholder.
fn path_of(word: &str, is_alone: bool) -> Option<&str> {
    let word = word.trim_matches(|c: char| "()[],;:\"'".contains(c)).trim_end_matches('.');
    let word = word.split("::").next().unwrap_or(word).trim_end_matches(|c: char| c.is_ascii_digit());
    let word = word.trim_end_matches([':', '/']);
    if word.contains(['…', '<', '>', '$', '=', '\\']) {
        return None;
    }
    let is_ours = word.split_once('/').is_some_and(|(first, _)| TOP_FOLDERS.contains(&first));
    let is_file = is_alone
        && !word.contains('/')
        && ENDINGS.iter().any(|ending| word.len() > ending.len() && word.ends_with(ending));
    (is_ours || is_file).then_some(word)
}

/// Writes out `a/{b,c}.rs`.
fn alternatives(path: &str) -> Vec<String> {
    let braces = path.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?)));
    let Some((head, (inside, tail))) = braces else { return vec![path.to_owned()] };
    inside.split(',').flat_map(|part| alternatives(&format!("{head}{}{tail}", part.trim()))).collect()
}

/// Returns whether a path exists from the root or from the document's own folder, or, without a folder, anywhere.
fn exists(path: &str, folder: &str, tree: &BTreeSet<String>) -> bool {
    if !path.contains('/') {
        return tree.iter().any(|known| known.rsplit('/').next().is_some_and(|name| fits(path, name)));
    }
    let local = format!("{folder}/{path}");
    [path, local.as_str()].iter().any(|wanted| tree.iter().any(|known| fits_path(wanted, known)))
}

fn fits_path(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    let reach = pattern.iter().position(|part| *part == "**");
    let of = reach.unwrap_or(pattern.len());
    let is_long_enough = if reach.is_some() { path.len() > of } else { path.len() == of };
    is_long_enough && pattern[..of].iter().zip(&path).all(|(pattern, part)| fits(pattern, part))
}

/// Returns whether a name fits a pattern with `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| fits(tail, rest)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        let tree = [
            "Cargo.toml",
            "common",
            "common/src",
            "common/src/id.rs",
            "common/src/seed.rs",
            "sweeps/quick.toml",
        ];
        let tree = tree.iter().map(|path| (*path).to_owned()).collect();
        paths(&Source::new(path, text), &tree).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn a_path_that_is_not_there_is_rejected() {
        for bad in [
            "see `common/src/idd.rs`",
            "see `common/src/{id,sead}.rs`",
            "see `common/src/*.sql`",
            "see `common/lib/`",
            "see `common/lib/**`",
            "see `Kargo.toml`, and `common/src/id.rs`",
            "run `gridsweep run sweeps/slow.toml`",
            "`common/src/idd.rs::Id`, `common/src/idd.rs:12`",
        ] {
            assert!(!found("README.md", bad).is_empty(), "{bad}");
        }
        assert_eq!(found("README.md", "```\ncommon/src/id.rs\ngridsweep run sweeps/slow.toml\n```"), [3]);
    }

    #[test]
    fn a_path_that_is_there_and_what_is_no_path_are_not() {
        for good in [
            "`common/src/id.rs`, `common/src/{id,seed}.rs`, `common/src/*.rs`, `common/`, `common/src/**`",
            "`Cargo.toml`, `id.rs`, `common/src/id.rs::Id`, `common/src/id.rs:12`",
            "`gridsweep run sweep.toml`, `a/b`, `.rs`, `sweeps/NAME=<x>`, `worker/src/…`",
            "common/src/idd.rs without backticks",
            "`gridsweep run sweeps/quick.toml --report DIR`",
        ] {
            assert!(found("README.md", good).is_empty(), "{good}");
        }
        assert!(found("common/README.md", "`src/id.rs`").is_empty());
        assert_eq!(found("README.md", "`src/id.rs`"), [1]);
    }
}
