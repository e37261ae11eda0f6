//! Conditions: `when` and `where`, each a table of settings with the values under which it holds.

use super::assign::PathKind;
use super::axis::as_written;
use super::document::{Entry, Item, Problems, Table};
use crate::catalogue::Kind;
use crate::choice::Value;
use crate::search::settings::{Condition, Settings, is_under};

impl Problems {
    /// Reads conditions all of which must hold; `what` names them in messages. `axes` are the names of the study's
    /// axes, to tell someone who compares a zip what to write.
    pub(super) fn conditions(
        &mut self,
        settings: &Settings,
        item: Item<'_>,
        what: &str,
        axes: &[String],
    ) -> Option<Vec<Condition>> {
        let table = self.table(item, what)?;
        if table.is_empty() {
            let help = "write { setting = [values] }".to_owned();
            self.add(item.span(), format!("{what} has no condition"), help);
            return None;
        }
        let mut conditions = Vec::new();
        let complete = self.add_conditions(settings, &table, "", axes, &mut conditions);
        complete.then_some(conditions)
    }

    /// Reads the entries of one table of conditions. They can be nested (`optimizer.kind`), as they only compare.
    fn add_conditions(
        &mut self,
        settings: &Settings,
        table: &Table<'_>,
        prefix: &str,
        axes: &[String],
        conditions: &mut Vec<Condition>,
    ) -> bool {
        let mut complete = true;
        for entry in table.entries() {
            let name = format!("{prefix}{}", entry.key);
            if settings.setting(&name).is_none()
                && axes.contains(&name)
                && settings.covered_by(&name).is_empty()
            {
                let help = "conditions compare single settings: name one that it sets".to_owned();
                self.add(entry.key_span, format!("`{name}` is an axis of several settings"), help);
                complete = false;
                continue;
            }
            let nested = settings.setting_names().any(|setting| is_under(setting, &name));
            if let (true, Some(inner)) = (nested, entry.item.get_ref().as_table()) {
                let inner = Table::inner(inner, entry.item.span());
                // Only known tables get here, so nesting is as deep as the catalogue at most.
                complete &= self.add_conditions(settings, &inner, &format!("{name}."), axes, conditions);
                continue;
            }
            match self.condition(settings, &name, &entry) {
                Some(condition) => conditions.push(condition),
                None => complete = false,
            }
        }
        complete
    }

    fn condition(&mut self, settings: &Settings, name: &str, entry: &Entry<'_>) -> Option<Condition> {
        let path = self.path(settings, name, entry.key_span.clone())?;
        let (leaf, kind) = match path.kind {
            PathKind::Setting(leaf, kind) => (leaf, kind),
            PathKind::Table(Some(leaf)) => (leaf, &settings.rule(leaf).kind),
            PathKind::Table(None) => {
                let help =
                    format!("name a setting of it, such as \"{}\"", settings.rule(path.leaves[0]).name);
                self.add(entry.key_span.clone(), format!("`{name}` is a table: it cannot be compared"), help);
                return None;
            }
        };
        let Some(items) = entry.item.get_ref().as_array() else {
            let help = format!("values stand in lists: {} = [{}]", entry.key, as_written(entry.item));
            self.add(entry.item.span(), format!("the values of `{name}` must be a list"), help);
            return None;
        };
        let flat = |item: &Item<'_>| !item.get_ref().is_array();
        if matches!(kind, Kind::Sizes { .. }) && items.iter().any(|item| flat(&item)) {
            let help =
                format!("values stand in lists, and one value of `{name}` is a list: {} = [[…]]", entry.key);
            self.add(entry.item.span(), format!("the values of `{name}` must be a list of lists"), help);
            return None;
        }
        if items.is_empty() {
            let help = "name a value at least".to_owned();
            self.add(entry.item.span(), format!("the condition on `{name}` can never hold"), help);
            return None;
        }
        let values: Vec<Option<Value>> =
            items.iter().map(|item| self.setting_value(name, kind, item)).collect();
        Some(Condition { leaf, values: values.into_iter().collect::<Option<_>>()? })
    }
}
