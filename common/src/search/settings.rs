//! The catalogue as a grid uses it: every setting is a leaf, known by its index.

use crate::catalogue::{Catalogue, Kind};
use crate::choice::Value;
use std::collections::BTreeMap;

/// The index of a leaf in [`Settings`].
pub(crate) type Leaf = usize;

/// How many settings may apply because of another that applies because of another, and so on. The engine needs two;
/// a catalogue arrives over the network, and what walks such a chain is recursive.
const CHAIN_MOST: usize = 16;

/// All leaves: the settings in the catalogue's order, then one for each optional table, which says whether it is there.
#[derive(Debug)]
pub(crate) struct Settings {
    leaves: Vec<LeafRule>,
    setting_count: usize,
    by_name: BTreeMap<String, Leaf>,
}

/// What is known of one leaf.
#[derive(Debug)]
pub(crate) struct LeafRule {
    /// The dotted name of the setting or the optional table.
    pub(crate) name: String,
    /// What values it takes; an optional table is there or not.
    pub(crate) kind: Kind,
    /// Its value where nothing gives one and all of `needs` hold.
    pub(crate) default: Option<Value>,
    /// Where it applies: all of these hold.
    pub(crate) needs: Vec<Condition>,
}

/// A leaf has one of these values.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Condition {
    /// The leaf.
    pub(crate) leaf: Leaf,
    /// Its values under which the condition holds.
    pub(crate) values: Vec<Value>,
}

impl Condition {
    /// Returns whether it holds for this value of its leaf.
    pub(crate) fn accepts(&self, value: Option<&Value>) -> bool {
        value.is_some_and(|value| self.values.contains(value))
    }
}

impl Settings {
    /// Indexes a catalogue, or says what is inconsistent in it.
    pub(crate) fn new(catalogue: &Catalogue) -> Result<Settings, String> {
        let mut by_name = BTreeMap::new();
        let names = catalogue.settings.iter().map(|setting| &setting.name).chain(&catalogue.optional_tables);
        for (leaf, name) in names.enumerate() {
            if by_name.insert(name.clone(), leaf).is_some() {
                return Err(format!("the catalogue has `{name}` twice"));
            }
        }
        let mut leaves = Vec::with_capacity(by_name.len());
        for setting in &catalogue.settings {
            let mut needs = Vec::new();
            if let Some(applies) = &setting.applies {
                let leaf = *by_name.get(&applies.setting).ok_or_else(|| {
                    format!(
                        "in the catalogue `{}` depends on the unknown `{}`",
                        setting.name, applies.setting
                    )
                })?;
                let values = applies.values.iter().map(|value| Value::Text(value.clone())).collect();
                needs.push(Condition { leaf, values });
            }
            for table in &catalogue.optional_tables {
                if is_under(&setting.name, table) {
                    needs.push(Condition { leaf: by_name[table], values: vec![Value::Bool(true)] });
                }
            }
            let (name, kind) = (setting.name.clone(), setting.kind.clone());
            leaves.push(LeafRule { name, kind, default: setting.default.clone(), needs });
        }
        leaves.extend(catalogue.optional_tables.iter().map(|table| LeafRule {
            name: table.clone(),
            kind: Kind::Bool,
            default: Some(Value::Bool(false)),
            needs: Vec::new(),
        }));
        let settings = Settings { leaves, setting_count: catalogue.settings.len(), by_name };
        settings.check_chains()?;
        Ok(settings)
    }

    fn check_chains(&self) -> Result<(), String> {
        for (start, rule) in self.leaves.iter().enumerate() {
            let mut leaf = start;
            let mut length = 0;
            // Only the first need is a setting that may have needs itself; the others are tables, which have none.
            while let Some(need) = self.leaves[leaf].needs.first() {
                leaf = need.leaf;
                length += 1;
                if length > CHAIN_MOST {
                    return Err(format!("in the catalogue it is unclear where `{}` applies", rule.name));
                }
            }
        }
        Ok(())
    }

    /// Returns how many leaves there are, optional tables included.
    pub(crate) fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Returns how many leaves are settings: these come first.
    pub(crate) fn setting_count(&self) -> usize {
        self.setting_count
    }

    /// Returns what is known of a leaf.
    pub(crate) fn rule(&self, leaf: Leaf) -> &LeafRule {
        &self.leaves[leaf]
    }

    /// Returns the leaf of this name.
    pub(crate) fn leaf(&self, name: &str) -> Option<Leaf> {
        self.by_name.get(name).copied()
    }

    /// Returns the leaf of the setting with this name.
    pub(crate) fn setting(&self, name: &str) -> Option<Leaf> {
        self.leaf(name).filter(|&leaf| leaf < self.setting_count)
    }

    /// Returns the leaf that says whether the optional table of this name is there.
    pub(crate) fn optional_table(&self, name: &str) -> Option<Leaf> {
        self.leaf(name).filter(|&leaf| leaf >= self.setting_count)
    }

    /// Returns all leaves that `path` stands for: itself and, where it is a table, all under it.
    pub(crate) fn covered_by(&self, path: &str) -> Vec<Leaf> {
        let covered = |leaf: &Leaf| {
            let name = &self.leaves[*leaf].name;
            name == path || is_under(name, path)
        };
        (0..self.leaves.len()).filter(covered).collect()
    }

    /// Returns the names of all settings.
    pub(crate) fn setting_names(&self) -> impl Iterator<Item = &str> {
        self.leaves[..self.setting_count].iter().map(|rule| rule.name.as_str())
    }
}

/// Returns whether `name` is that of a part of the table `path`.
pub(crate) fn is_under(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
}
