//! Writing a report: every file as a whole, the page last, so that a page never names what is not there.

use super::Files;
use crate::atomic;
use crate::error::CommandError;
use std::collections::BTreeSet;
use std::path::Path;

/// The folders that are the report's own: what an earlier one left there goes.
const OWN: [&str; 2] = ["tables", "figures"];
/// What a report writes there; anything else is not touched.
const ENDINGS: [&str; 6] = ["csv", "md", "tex", "json", "svg", "png"];
/// What is written last.
const PAGE: &str = "index.html";

/// Writes a report into `folder`, which is made where it is absent.
///
/// # Errors
/// Where a file cannot be written: the files before it are new, the others as they were, none is half.
pub(crate) fn write(folder: &Path, files: &Files) -> Result<(), CommandError> {
    let unwritable = |path: &Path, error: std::io::Error| {
        let error =
            anyhow::Error::new(error).context(format!("cannot write the report to {}", path.display()));
        CommandError::infrastructure(error).hint(
            "the results are not touched: make room or name another folder, and ask for the report again",
        )
    };
    for own in OWN {
        let path = folder.join(own);
        std::fs::create_dir_all(&path).map_err(|error| unwritable(&path, error))?;
    }
    let (page, others): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| *path == PAGE);
    for (path, bytes) in others.into_iter().chain(page) {
        let path = folder.join(path);
        if std::fs::read(&path).is_ok_and(|there| there == *bytes) {
            continue;
        }
        atomic::write(&path, bytes).map_err(|error| unwritable(&path, error))?;
    }
    for own in OWN {
        remove_stale(folder, own, files);
    }
    Ok(())
}

fn remove_stale(folder: &Path, own: &str, files: &Files) {
    let names: BTreeSet<&str> =
        files.keys().filter_map(|path| path.strip_prefix(own)?.strip_prefix('/')).collect();
    let entries = std::fs::read_dir(folder.join(own)).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let name = path.file_name().and_then(|name| name.to_str());
        if ending.is_some_and(|ending| ENDINGS.contains(&ending))
            && name.is_some_and(|name| !names.contains(name))
        {
            // One that stays is of no report any more, and named by none.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Files {
        names.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_report_takes_the_place_of_an_earlier_one_and_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a/b");
        write(&out, &files(&["index.html", "tables/old.csv", "tables/both.csv"])).unwrap();
        std::fs::write(out.join("tables/mine.xlsx"), b"x").unwrap();
        std::fs::write(out.join("notes.md"), b"x").unwrap();
        write(&out, &files(&["index.html", "tables/both.csv", "figures/new.svg"])).unwrap();
        let there = |name: &str| out.join(name).is_file();
        assert!(
            ["index.html", "tables/both.csv", "figures/new.svg", "tables/mine.xlsx", "notes.md"]
                .iter()
                .all(|name| there(name))
        );
        assert!(!there("tables/old.csv"));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_and_no_page_is_made() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tables"), b"a file").unwrap();
        let error = write(folder.path(), &files(&["index.html"])).unwrap_err();
        assert!(error.source.to_string().contains("cannot write the report"));
        assert!(!folder.path().join("index.html").exists());
    }
}
