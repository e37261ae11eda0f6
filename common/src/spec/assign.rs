//! Settings given values: `[base]`, `set`, and the alternatives of an axis, flattened to leaves.

use super::document::{Entry, Item, Problems, describe, shortened};
use super::suggest::{did_you_mean, nearest};
use crate::catalogue::Kind;
use crate::choice::Value;
use crate::search::settings::{Leaf, Settings, is_under};
use std::ops::Range;

/// What `[base]` and `set` give, one entry a leaf.
#[derive(Clone)]
pub(super) struct Fixed {
    pub(super) values: Vec<Option<Value>>,
    /// Where each value stands.
    pub(super) spans: Vec<Range<usize>>,
}

/// What a dotted path stands for.
pub(super) struct Path<'s> {
    pub(super) name: String,
    pub(super) kind: PathKind<'s>,
    /// All leaves that a value for it decides about.
    pub(super) leaves: Vec<Leaf>,
}

/// What a dotted path stands for.
pub(super) enum PathKind<'s> {
    /// One setting.
    Setting(Leaf, &'s Kind),
    /// A table of settings, with the leaf that says whether it is there if it may be switched off.
    Table(Option<Leaf>),
}

/// One leaf that was given a value.
pub(super) struct Given {
    pub(super) leaf: Leaf,
    pub(super) value: Value,
    pub(super) span: Range<usize>,
}

impl Path<'_> {
    /// Returns how specific the path is.
    pub(super) fn depth(&self) -> usize {
        self.name.split('.').count()
    }
}

impl Problems {
    /// Finds what a dotted path stands for.
    pub(super) fn path<'s>(
        &mut self,
        settings: &'s Settings,
        name: &str,
        span: Range<usize>,
    ) -> Option<Path<'s>> {
        let leaves = settings.covered_by(name);
        let kind = match settings.setting(name) {
            Some(leaf) => PathKind::Setting(leaf, &settings.rule(leaf).kind),
            None if leaves.is_empty() => {
                self.unknown_setting(settings, name, span);
                return None;
            }
            None => PathKind::Table(settings.optional_table(name)),
        };
        Some(Path { name: name.to_owned(), kind, leaves })
    }

    /// Reports a setting that does not exist.
    pub(super) fn unknown_setting(&mut self, settings: &Settings, name: &str, span: Range<usize>) {
        let tables = settings.setting_names().filter_map(|name| Some(name.rsplit_once('.')?.0));
        let names: Vec<&str> = settings.setting_names().chain(tables).collect();
        let part =
            names.iter().copied().find(|known| known.rsplit_once('.').is_some_and(|(_, last)| last == name));
        let help = part
            .map(|whole| format!("did you mean `{whole}`?"))
            .or_else(|| did_you_mean(name, names))
            .unwrap_or_else(|| "`gridsweep catalog` lists the settings".to_owned());
        self.add(span, format!("unknown setting `{}`", shortened(name)), help);
    }

    /// Reads what a path is given.
    pub(super) fn given(
        &mut self,
        settings: &Settings,
        path: &Path<'_>,
        item: Item<'_>,
    ) -> Option<Vec<Given>> {
        match path.kind {
            PathKind::Setting(leaf, kind) => {
                let value = self.setting_value(&path.name, kind, item)?;
                Some(vec![Given { leaf, value, span: item.span() }])
            }
            PathKind::Table(presence) => match (item.get_ref().as_bool(), presence) {
                (Some(false), Some(leaf)) => {
                    Some(vec![Given { leaf, value: Value::Bool(false), span: item.span() }])
                }
                _ if !item.get_ref().is_table() => {
                    let wanted = if presence.is_some() { "a table or `false`" } else { "a table" };
                    self.expected(item, &path.name, wanted);
                    None
                }
                _ => self.given_table(settings, &path.name, presence, item),
            },
        }
    }

    /// Reads what a table gives to the leaves under it.
    fn given_table(
        &mut self,
        settings: &Settings,
        name: &str,
        presence: Option<Leaf>,
        item: Item<'_>,
    ) -> Option<Vec<Given>> {
        let table = self.table(item, name)?;
        let mut given: Vec<Given> = presence
            .map(|leaf| Given { leaf, value: Value::Bool(true), span: item.span() })
            .into_iter()
            .collect();
        let mut complete = true;
        for entry in table.entries() {
            let inner = format!("{name}.{}", entry.key);
            if settings.covered_by(&inner).is_empty() {
                let parts = settings
                    .setting_names()
                    .filter(|setting| is_under(setting, name))
                    .map(|setting| &setting[name.len() + 1..]);
                let parts: Vec<&str> = parts.collect();
                self.unknown_part(name, &entry, &parts);
                complete = false;
                continue;
            }
            // Only known paths get here, so nesting is as deep as the catalogue at most.
            let path = self.path(settings, &inner, entry.key_span.clone())?;
            match self.given(settings, &path, entry.item) {
                Some(inner) => given.extend(inner),
                None => complete = false,
            }
        }
        complete.then_some(given)
    }

    fn unknown_part(&mut self, table: &str, entry: &Entry<'_>, parts: &[&str]) {
        let help = did_you_mean(entry.key, parts.iter().copied())
            .unwrap_or_else(|| format!("`{table}` has {}", super::document::list_of(parts)));
        let message = format!("unknown key `{}` in `{table}`", shortened(entry.key));
        self.add(entry.key_span.clone(), message, help);
    }

    /// Reads a value of one setting and checks it.
    pub(super) fn setting_value(&mut self, name: &str, kind: &Kind, item: Item<'_>) -> Option<Value> {
        if item.get_ref().is_table() || item.get_ref().is_datetime() {
            self.expected(item, name, &kind.describe());
            return None;
        }
        let value = self.value(item, name)?;
        self.check_value(name, kind, &value, item)?;
        Some(value)
    }

    /// Checks that a value is one of a setting's.
    pub(super) fn check_value(
        &mut self,
        name: &str,
        kind: &Kind,
        value: &Value,
        item: Item<'_>,
    ) -> Option<()> {
        let Err(wanted) = kind.check(value) else {
            return Some(());
        };
        let help = match (kind, value) {
            (Kind::Family { names }, Value::Text(text)) => {
                let meant = nearest(text, names.iter().map(String::as_str));
                meant.map(|name| format!("did you mean \"{name}\"?"))
            }
            _ => None,
        };
        let found = match value {
            Value::Text(text) => format!("\"{}\"", shortened(text)),
            Value::Number(number) => number.to_string(),
            _ => describe(item.get_ref()).to_owned(),
        };
        self.add(item.span(), format!("`{name}` must be {wanted}, not {found}"), help);
        None
    }
}

impl Fixed {
    /// Nothing given.
    pub(super) fn empty(settings: &Settings) -> Fixed {
        Fixed { values: vec![None; settings.len()], spans: vec![0..0; settings.len()] }
    }

    /// Puts the entries of `[base]` or `set` over what is there: a table replaces the whole table, a quoted dotted key
    /// a part.
    pub(super) fn apply<'a>(
        &mut self,
        settings: &Settings,
        entries: impl Iterator<Item = Entry<'a>>,
        problems: &mut Problems,
    ) {
        let mut read: Vec<(Path<'_>, Vec<Given>)> = Vec::new();
        for entry in entries {
            let Some(path) = problems.path(settings, entry.key, entry.key_span.clone()) else {
                continue;
            };
            if let Some(given) = problems.given(settings, &path, entry.item) {
                read.push((path, given));
            }
        }
        // A part goes over its table, wherever it stands.
        read.sort_by_key(|(path, _)| path.depth());
        let mut set_here = vec![false; settings.len()];
        for (path, given) in read {
            for &leaf in &path.leaves {
                self.values[leaf] = None;
            }
            for Given { leaf, value, span } in given {
                if std::mem::replace(&mut set_here[leaf], true) {
                    let name = &settings.rule(leaf).name;
                    problems.add(
                        span.clone(),
                        format!("`{name}` is given twice"),
                        "leave one out".to_owned(),
                    );
                }
                self.values[leaf] = Some(value);
                self.spans[leaf] = span;
            }
        }
    }
}
