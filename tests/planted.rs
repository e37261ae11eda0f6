//! The bugs of `tests/planted-bugs.sh` can still be planted.

#![allow(clippy::unwrap_used, reason = "all of it is a test")]

use std::path::{Path, PathBuf};
use std::process::Command;

const LAYERS: [&str; 5] = ["core", "driver", "store", "worker", "sim"];

/// Returns what is wrong with a patch, if anything is.
fn problem(patch: &Path) -> Option<String> {
    let text = std::fs::read_to_string(patch).expect("a patch that was just listed can be read");
    let mut lines = text.lines();
    let says_what = lines.next().is_some_and(|line| line.ends_with('.') || line.ends_with(':'));
    let layers = lines.find_map(|line| line.strip_prefix("layers: ")).unwrap_or_default();
    if !says_what || layers.is_empty() || !layers.split(' ').all(|layer| LAYERS.contains(&layer)) {
        return Some(format!("it does not begin with what is wrong then, and `layers:` of {LAYERS:?}"));
    }
    let applied = Command::new("git")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["apply", "--check"])
        .arg(patch)
        .output();
    let applied = applied.expect("git is there: the patches cannot be checked without it");
    (!applied.status.success()).then(|| String::from_utf8_lossy(&applied.stderr).into_owned())
}

fn patches() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted");
    let entries = std::fs::read_dir(folder).expect("the patches' folder is in the repository");
    let paths = entries.map(|entry| entry.expect("a folder can be read to its end").path());
    paths.filter(|path| !path.ends_with("README.md")).collect()
}

#[test]
fn every_planted_bug_still_applies() {
    let patches = patches();
    assert!(patches.len() >= 8, "hardly any: {patches:?}");
    for patch in patches {
        assert_eq!(problem(&patch), None, "{}: make it anew", patch.display());
    }
}

#[test]
fn one_that_does_not_apply_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.patch");
    let right = std::fs::read_to_string(&patches()[0]).unwrap();
    std::fs::write(&path, right.replace("\n ", "\n something else ")).unwrap();
    assert!(problem(&path).is_some_and(|what| what.contains("does not apply")));
    std::fs::write(&path, right.replace("layers: ", "layers: nobody ")).unwrap();
    assert!(problem(&path).is_some_and(|what| what.contains("layers")));
}
