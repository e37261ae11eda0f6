//! The sections of a sweep file: its head, `[replicates]`, `[base]` and the list of studies.

use super::assign::Fixed;
use super::document::{Entry, Problems, Table, shortened};
use super::explain;
use super::{Replicates, SCHEMA, Study, Sweep};
use crate::search::check::Fault;
use crate::search::settings::Settings;
use crate::search::{Grid, StudyGrid};
use std::sync::Arc;

/// The keys of a sweep file.
const KEYS: [&str; 10] =
    ["schema", "name", "title", "data", "replicates", "artifacts", "base", "study", "publication", "search"];

/// The most characters of a name.
const NAME_MOST: usize = 64;

/// The most replicates of a cell: more than any interval needs.
const REPLICATES_MOST: i64 = 10_000;

/// The largest seed: what every tool that reads JSON holds exactly.
const SEED_MOST: i64 = 1 << 53;

impl Problems {
    /// Reads a whole file; `None` where there are problems.
    pub(super) fn sweep(&mut self, root: &Table<'_>, settings: &Arc<Settings>) -> Option<Sweep> {
        self.schema(root)?;
        self.known_keys(root, "a sweep file", &KEYS);
        let help = "name it, such as name = \"example\"";
        let name = self.required(root, "the file", "name", help).and_then(|entry| self.sweep_name(&entry));
        let title = self.optional_text(root, "title");
        self.search(root);
        let data = self.data(root);
        let replicates = self.replicates(root);
        let artifacts = self.artifacts(root);
        let base = self.base(root, settings);
        let tables = self.tables(root, "study", "study");
        if root
            .get("study")
            .is_none_or(|entry| entry.item.get_ref().as_array().is_some_and(|list| list.is_empty()))
        {
            let help = "add [[study]] with a name; without axes it is one cell".to_owned();
            self.add(0..0, "the file has no study", help);
        }
        let read: Vec<_> = tables.iter().map(|table| self.study(settings, base.as_ref(), table)).collect();
        self.check_study_names(&tables, &read);
        let (studies, grids): (Vec<Option<Study>>, Vec<Option<StudyGrid>>) = read.into_iter().unzip();
        let (studies, grids): (Vec<Study>, Vec<StudyGrid>) =
            (studies.into_iter().collect::<Option<_>>()?, grids.into_iter().collect::<Option<_>>()?);
        let (name, data, replicates) = (name?, data?, replicates?);
        if !self.0.is_empty() {
            return None;
        }
        match Grid::unite(grids, replicates.count) {
            Ok(grid) => {
                let publication = self.publication(root, &studies, &grid);
                Some(Sweep { name, title, data, replicates, artifacts, studies, publication, grid })
            }
            Err((index, fault)) => {
                self.cannot_unite(&tables[index], &fault);
                None
            }
        }
    }

    fn cannot_unite(&mut self, study: &Table<'_>, fault: &Fault) {
        let (span, message, help) = match fault {
            Fault::TooLarge => explain::too_large(study.span.clone()),
            _ => explain::too_many_parts(study.span.clone()),
        };
        self.add(span, message, help);
    }

    /// Checks the version of the format. Nothing else of a file of another version is looked at.
    fn schema(&mut self, root: &Table<'_>) -> Option<()> {
        let help = format!("write schema = {SCHEMA} at the top of the file");
        let Some(entry) = root.get("schema") else {
            self.add(0..0, "the file has no `schema`", help);
            return Some(());
        };
        let Some(schema) = entry.item.get_ref().as_integer() else {
            self.expected(entry.item, "schema", "a whole number");
            return None;
        };
        if schema.as_str() != SCHEMA.to_string() {
            let schema = shortened(schema.as_str());
            let message =
                format!("this file has schema {schema}, and this version of gridsweep reads {SCHEMA}");
            let help = "use a version of gridsweep that reads it".to_owned();
            self.add(entry.item.span(), message, help);
            return None;
        }
        Some(())
    }

    /// Reads the name of the sweep. Commands take `last` for the sweep submitted last.
    fn sweep_name(&mut self, entry: &Entry<'_>) -> Option<String> {
        let name = self.name(entry, "name")?;
        if name == "last" {
            let message = "commands take `last` for the sweep submitted last".to_owned();
            self.add(entry.item.span(), message, "give the sweep another name".to_owned());
            return None;
        }
        Some(name)
    }

    /// Reads the name of a sweep, a study or a data set.
    pub(super) fn name(&mut self, entry: &Entry<'_>, what: &str) -> Option<String> {
        let name = self.text(entry.item, what)?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > NAME_MOST || !name.chars().all(allowed) {
            let message = format!("`{}` is not a name", shortened(name));
            let help = format!("names have 1 to {NAME_MOST} of the characters a-z 0-9 - _");
            self.add(entry.item.span(), message, help);
            return None;
        }
        Some(name.to_owned())
    }

    /// Checks that the search is one that this version knows.
    fn search(&mut self, root: &Table<'_>) {
        let Some(table) = root.get("search").and_then(|entry| self.table(entry.item, "search")) else {
            return;
        };
        let Some(kind) = self.required(&table, "search", "kind", "write search = { kind = \"grid\" }") else {
            return;
        };
        match self.text(kind.item, "search.kind") {
            None => {}
            Some("grid") => self.known_keys(&table, "search", &["kind"]),
            Some(other) => {
                let message = format!("this version searches grids only, not `{}`", shortened(other));
                self.add(kind.item.span(), message, "leave `search` out, or write \"grid\"".to_owned());
            }
        }
    }

    fn replicates(&mut self, root: &Table<'_>) -> Option<Replicates> {
        let help = "add [replicates] with count = 3 and seed = 1";
        let entry = self.required(root, "the file", "replicates", help)?;
        let table = self.table(entry.item, "replicates")?;
        self.known_keys(&table, "[replicates]", &["count", "seed"]);
        let seed = match table.get("seed") {
            Some(entry) => self.whole(entry.item, "seed", 0..SEED_MOST + 1),
            None => Some(0),
        };
        let count = self.required(&table, "[replicates]", "count", "write count = 3")?;
        let count = self.whole(count.item, "count", 1..REPLICATES_MOST + 1)?;
        Some(Replicates { count: count as u32, seed: seed? as u64 })
    }

    /// Reads `[base]`; `None` where it has problems, because studies cannot be judged without it.
    fn base(&mut self, root: &Table<'_>, settings: &Settings) -> Option<Fixed> {
        let before = self.0.len();
        let mut base = Fixed::empty(settings);
        if let Some(table) = root.get("base").and_then(|entry| self.table(entry.item, "base")) {
            base.apply(settings, table.entries(), self);
        }
        (self.0.len() == before).then_some(base)
    }

    fn check_study_names(&mut self, tables: &[Table<'_>], read: &[(Option<Study>, Option<StudyGrid>)]) {
        let names: Vec<Option<&str>> =
            read.iter().map(|(study, _)| study.as_ref().map(|study| study.name.as_str())).collect();
        for (index, (table, name)) in tables.iter().zip(&names).enumerate() {
            let Some(repeated) = name.filter(|_| names[..index].contains(name)) else { continue };
            let span = table.get("name").map_or(table.span.clone(), |entry| entry.item.span());
            let message = format!("there is another study named `{repeated}`");
            self.add(span, message, "give each study its own name".to_owned());
        }
    }
}
