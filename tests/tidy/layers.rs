//! Who may import whom, and who may name what.

use super::code::{Named, paths};
use super::tree::Source;
use super::{Names, Problem};

/// Checks that a manifest depends on no crate of this repository but those that `table` allows it.
pub(crate) fn imports(manifest: &Source, table: &[(&str, &[&str])]) -> Vec<Problem> {
    let Some((_, allowed)) = table.iter().find(|(path, _)| *path == manifest.path) else {
        return vec![
            manifest
                .problem(1, "this crate is not in IMPORTS of tests/tidy.rs: say there whom it may import"),
        ];
    };
    let mut problems = Vec::new();
    let mut in_dependencies = false;
    for (number, line) in (1..).zip(manifest.text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies") && !line.starts_with("[workspace");
        }
        for name in crates_named(line).filter(|name| in_dependencies && !allowed.contains(name)) {
            let allowed =
                if allowed.is_empty() { "nothing of this repository".to_owned() } else { allowed.join(", ") };
            let what = format!("imports {name}, and may import {allowed}: move what both need to common");
            problems.push(manifest.problem(number, what));
        }
    }
    problems
}

fn crates_named(line: &str) -> impl Iterator<Item = &str> {
    let name = |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '-').unwrap_or(rest.len());
    line.split("gridsweep-").skip(1).map(move |rest| &rest[..name(rest)])
}

/// Checks that a file names nothing that a row of the table forbids it.
pub(crate) fn names(source: &Source, rule: &Names) -> Vec<Problem> {
    let starts_with = |prefix: &&str| source.path.starts_with(prefix);
    if !rule.under.iter().any(starts_with) || rule.except.iter().any(starts_with) {
        return Vec::new();
    }
    let test_lines = source.test_lines();
    let is_allowed = |line: usize| rule.tests_may && test_lines[line - 1];
    let mut problems = Vec::new();
    for named in paths(&source.code) {
        let forbidden = rule.names.iter().find(|name| is_named(&named, name));
        if let (Some(name), false) = (forbidden, is_allowed(named.line)) {
            problems.push(source.problem(named.line, format!("names {name}: {}", rule.instead)));
        }
    }
    problems
}

/// Returns whether a path has `name`, or all of `name` in a row.
fn is_named(named: &Named<'_>, name: &str) -> bool {
    let wanted: Vec<&str> = name.trim_end_matches('!').split("::").collect();
    let fits = !name.ends_with('!') || named.macro_call;
    fits && named.segments.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [(&str, &[&str]); 2] = [("engine/Cargo.toml", &["common"]), ("common/Cargo.toml", &[])];

    fn found(path: &str, text: &str) -> Vec<usize> {
        imports(&Source::new(path, text), &TABLE).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn an_import_that_the_table_does_not_have_is_rejected() {
        let good =
            "[package]\nname = \"gridsweep-engine\"\n[dependencies]\ngridsweep-common.workspace = true";
        assert!(found("engine/Cargo.toml", good).is_empty());
        for bad in [
            "[dependencies]\ngridsweep-worker.workspace = true",
            "[dev-dependencies]\nw = { package = \"gridsweep-worker\", path = \"..\" }",
            "[target.'cfg(unix)'.dependencies]\n\"gridsweep-worker\" = \"1\"",
            "[package]\n[dependencies.gridsweep-worker]",
        ] {
            assert_eq!(found("engine/Cargo.toml", bad), [2], "{bad}");
        }
        assert_eq!(
            found("common/Cargo.toml", "[build-dependencies]\ngridsweep-common.workspace = true"),
            [2]
        );
        assert_eq!(found("new/Cargo.toml", ""), [1], "a crate that the table does not know");
    }

    fn lines(path: &str, text: &str, tests_may: bool) -> Vec<usize> {
        let rule = Names {
            under: &["core/"],
            except: &["core/grpc"],
            names: &["crate::store", "tokio", "Instant::now", "std::fs", "print!", "anyhow"],
            tests_may,
            instead: "hand it in",
        };
        names(&Source::new(path, text), &rule).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn every_way_to_name_what_is_forbidden_is_rejected() {
        for bad in [
            "use tokio::sync::mpsc;",
            "use crate::{id, store::{Batch, Store}};",
            "fn f() { super::super::store::open(); }",
            "use std::{io, fs};",
            "fn f() { let t = std::time::Instant::now(); }",
            "fn f() { print!(\"\") }",
            "fn f() -> anyhow::Result<()> { anyhow!(\"\") }",
            "#[tokio::test]\nfn f() {}",
        ] {
            assert!(!lines("core/a.rs", bad, false).is_empty(), "{bad}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        for good in [
            "// tokio, and std::fs\n/// crate::store\nfn f() { g(\"tokio\") }",
            "use crate::restore::store;",
            "use std::time::Instant;",
            "fn f(print: bool) -> bool { print != false }",
            "use std::fmt; use std::io::{self, fsync};",
        ] {
            assert!(lines("core/a.rs", good, false).is_empty(), "{good}");
        }
    }

    #[test]
    fn only_the_table_s_files_and_tests_are_excepted() {
        let text = "#[cfg(test)]\nmod tests {\nuse crate::store::Store;\n}\nuse crate::store::Batch;";
        assert_eq!(lines("core/a.rs", text, true), [5]);
        assert_eq!(lines("core/a.rs", text, false), [3, 5]);
        assert!(lines("core/grpc/a.rs", text, false).is_empty());
        assert!(lines("other/a.rs", text, false).is_empty());
    }
}
