//! The lazy grid against a naive model that goes through every combination.

use crate::catalogue::{Catalogue, Kind};
use crate::choice::{Choices, Value};
use crate::sample::setting;
use crate::search::Search;
use crate::spec::{Sweep, parse};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A small catalogue with every kind of dependency: on a family, on a chain of two, on a table, on both.
fn catalogue() -> Catalogue {
    let family = |names: &[&str]| Kind::Family { names: names.iter().map(|&name| name.to_owned()).collect() };
    let small = || Kind::Integer { least: 0, most: 9 };
    Catalogue {
        settings: vec![
            setting("a", family(&["x", "y", "z"])).default("x"),
            setting("b", family(&["p", "q"])).default("p"),
            setting("c", small()).applies("a", &["x", "y"]).default(1.0),
            setting("d", small()).default(2.0),
            setting("e", small()).applies("b", &["q"]),
            setting("f", family(&["m", "n"])).applies("a", &["x"]).default("m"),
            setting("g", small()).applies("f", &["m"]).default(1.0),
            setting("o.k", family(&["p", "q"])).default("p"),
            setting("o.r", small()).default(1.0),
            setting("o.s", small()).applies("o.k", &["q"]).default(1.0),
            setting("t.u", small()).default(1.0),
            setting("t.v", small()).applies("b", &["p"]).default(3.0),
        ],
        optional_tables: vec!["t".to_owned()],
        families: Vec::new(),
    }
}

/// What a path is given: leaves with values, and whether the optional table `t` is there.
type Given = BTreeMap<&'static str, Value>;

/// A sweep as the model sees it.
#[derive(Clone, Debug)]
struct ModelSweep {
    base: Vec<(&'static str, Given)>,
    studies: Vec<ModelStudy>,
}

#[derive(Clone, Debug)]
struct ModelStudy {
    set: Vec<(&'static str, Given)>,
    axes: Vec<ModelAxis>,
    exclude: Vec<Conditions>,
}

type Conditions = Vec<(&'static str, Vec<Value>)>;

#[derive(Clone, Debug)]
struct ModelAxis {
    name: String,
    paths: Vec<&'static str>,
    /// For each alternative what each path is given.
    alternatives: Vec<Vec<Given>>,
    when: Conditions,
}

const LEAVES: [&str; 13] = ["a", "b", "c", "d", "e", "f", "g", "o.k", "o.r", "o.s", "t.u", "t.v", "t"];

/// A generator of 64-bit numbers (splitmix64), so that a failing case is one number.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A value for a leaf: from few, so that studies overlap.
    fn value(&mut self, leaf: &str) -> Value {
        match leaf {
            "a" => Value::from(self.pick(&["x", "y", "z"])),
            "b" | "o.k" => Value::from(self.pick(&["p", "q"])),
            "f" => Value::from(self.pick(&["m", "n"])),
            "t" => Value::from(self.chance(50)),
            _ => Value::from(self.pick(&[1.0, 2.0, 3.0])),
        }
    }

    fn given(&mut self, path: &'static str) -> Given {
        let parts: &[&'static str] = match path {
            "o" => &["o.k", "o.r", "o.s"],
            "t" if self.chance(30) => return Given::from([("t", Value::from(false))]),
            "t" => &["t.u", "t.v"],
            _ => return Given::from([(path, self.value(path))]),
        };
        let mut given = Given::new();
        for part in parts {
            if self.chance(if *part == "o.s" { 15 } else { 50 }) {
                given.insert(part, self.value(part));
            }
        }
        if path == "t" {
            given.insert("t", Value::from(true));
        }
        given
    }

    fn conditions(&mut self) -> Conditions {
        let count = 1 + usize::from(self.chance(20));
        let mut conditions = Conditions::new();
        for _ in 0..count {
            let leaf = self.pick(&["a", "a", "b", "c", "d", "e", "f", "g", "o.k", "o.s", "t", "t.u", "t.v"]);
            if conditions.iter().all(|(other, _)| *other != leaf) {
                let values: BTreeSet<Value> = (0..1 + self.below(2)).map(|_| self.value(leaf)).collect();
                conditions.push((leaf, values.into_iter().collect()));
            }
        }
        conditions
    }

    fn axis(&mut self, index: usize, free: &mut Vec<&'static str>) -> Option<ModelAxis> {
        let columns = if self.chance(30) { 2 } else { 1 };
        let mut paths: Vec<&'static str> = Vec::new();
        for _ in 0..columns {
            if free.is_empty() {
                return None;
            }
            let path = free.swap_remove(self.below(free.len()));
            if paths.iter().any(|other| path.starts_with(other) || other.starts_with(path)) {
                return None;
            }
            paths.push(path);
        }
        let mut alternatives: Vec<Vec<Given>> = Vec::new();
        for _ in 0..1 + self.below(4) {
            let alternative: Vec<Given> = paths.iter().map(|path| self.given(path)).collect();
            if !alternatives.contains(&alternative) {
                alternatives.push(alternative);
            }
        }
        let mut when = match paths[0] {
            "c" => vec![("a", vec![Value::from("x"), Value::from("y")])],
            "e" => vec![("b", vec![Value::from("q")])],
            "f" => vec![("a", vec![Value::from("x")])],
            "g" => vec![("f", vec![Value::from("m")])],
            "o.s" => vec![("o.k", vec![Value::from("q")])],
            "t.u" => vec![("t", vec![Value::from(true)])],
            "t.v" => vec![("t", vec![Value::from(true)]), ("b", vec![Value::from("p")])],
            _ => vec![],
        };
        if when.is_empty() && self.chance(30) {
            when = self.conditions();
        }
        let name = if columns == 1 { paths[0].to_owned() } else { format!("zip{index}") };
        Some(ModelAxis { name, paths, alternatives, when })
    }

    fn study(&mut self) -> ModelStudy {
        let mut free = vec!["a", "b", "c", "d", "e", "f", "g", "o", "o.k", "o.r", "o.s", "t", "t.u", "t.v"];
        let count = 1 + self.below(4);
        let mut axes: Vec<ModelAxis> = (0..count).filter_map(|index| self.axis(index, &mut free)).collect();
        // Plain ones first, as in a file.
        axes.sort_by_key(|axis| axis.paths.len());
        let covers_b = axes.iter().any(|axis| axis.paths.contains(&"b"));
        if covers_b && !axes.iter().any(|axis| axis.paths.contains(&"e")) {
            let alternatives = vec![vec![Given::from([("e", Value::from(1.0))])]];
            let when = vec![("b", vec![Value::from("q")])];
            axes.insert(0, ModelAxis { name: "e".to_owned(), paths: vec!["e"], alternatives, when });
        }
        let exclude = (0..self.below(3)).map(|_| self.conditions()).collect();
        let set = self.fixed(25);
        ModelStudy { set, axes, exclude }
    }

    fn fixed(&mut self, percent: usize) -> Vec<(&'static str, Given)> {
        let mut fixed = Vec::new();
        for path in ["a", "d", "o", "t"] {
            if self.chance(percent) {
                fixed.push((path, self.given(path)));
            }
        }
        fixed
    }

    /// A study like another one, so that the two share cells: other alternatives, other exclusions, and some axes
    /// joined to a zip of some of their combinations.
    fn variant(&mut self, study: &ModelStudy) -> ModelStudy {
        let mut study = study.clone();
        for axis in &mut study.axes {
            if self.chance(30) {
                let alternative: Vec<Given> = axis.paths.iter().map(|path| self.given(path)).collect();
                if !axis.alternatives.contains(&alternative) {
                    axis.alternatives.insert(self.below(axis.alternatives.len()), alternative);
                }
            }
            if self.chance(30) && axis.alternatives.len() > 1 {
                axis.alternatives.remove(self.below(axis.alternatives.len()));
            }
        }
        if self.chance(60) {
            study.exclude = (0..self.below(2)).map(|_| self.conditions()).collect();
        }
        if self.chance(60) {
            self.join(&mut study.axes);
        }
        study
    }

    fn join(&mut self, axes: &mut Vec<ModelAxis>) {
        let free: Vec<usize> = (0..axes.len()).filter(|&index| axes[index].when.is_empty()).collect();
        let [.., first, second] = free[..] else { return };
        let (second, first) = (axes.remove(second), axes.remove(first));
        let mut alternatives = Vec::new();
        for one in &first.alternatives {
            for other in &second.alternatives {
                if self.chance(70) {
                    alternatives.push(one.iter().chain(other).cloned().collect());
                }
            }
        }
        let paths: Vec<&'static str> = first.paths.iter().chain(&second.paths).copied().collect();
        let nested =
            paths.iter().any(|path| ["o", "t"].contains(path)) && paths.iter().any(|path| path.contains('.'));
        if alternatives.is_empty() || nested {
            axes.extend([first, second]);
            axes.sort_by_key(|axis| axis.paths.len());
        } else {
            axes.push(ModelAxis { name: "joined".to_owned(), paths, alternatives, when: Vec::new() });
        }
    }

    /// A sweep of several sound studies, most of which share cells.
    fn sound_sweep(&mut self) -> ModelSweep {
        let base = self.fixed(50);
        let mut sound = ModelSweep { base, studies: Vec::new() };
        for _ in 0..40 {
            let study = match sound.studies.last() {
                Some(study) if self.chance(70) => self.variant(study),
                _ => self.study(),
            };
            let enumerated = enumerate(&sound.base, &study);
            if enumerated.is_ok_and(|found| found.sound) && sound.studies.len() < 4 {
                sound.studies.push(study);
            }
        }
        sound
    }

    fn sweep(&mut self) -> ModelSweep {
        let base = self.fixed(50);
        let mut studies: Vec<ModelStudy> = Vec::new();
        for _ in 0..1 + self.below(3) {
            let study = match studies.last() {
                Some(study) if self.chance(60) => self.variant(study),
                _ => self.study(),
            };
            studies.push(study);
        }
        ModelSweep { base, studies }
    }
}

/// Writes what a path is given as TOML.
fn toml(path: &str, given: &Given) -> String {
    if let Some(value) = given.get(path).filter(|value| path != "t" || **value == Value::from(false)) {
        return value.to_json().to_string();
    }
    let prefix = format!("{path}.");
    let parts = given.iter().filter_map(|(leaf, value)| Some((leaf.strip_prefix(&prefix)?, value)));
    let parts: Vec<String> = parts.map(|(part, value)| format!("{part} = {}", value.to_json())).collect();
    format!("{{ {} }}", parts.join(", "))
}

fn toml_conditions(conditions: &Conditions) -> String {
    let list = |values: &Vec<Value>| Value::List(values.clone()).to_json();
    let parts: Vec<String> =
        conditions.iter().map(|(leaf, values)| format!("\"{leaf}\" = {}", list(values))).collect();
    format!("{{ {} }}", parts.join(", "))
}

impl ModelSweep {
    fn text(&self) -> String {
        let mut out =
            "schema = 1\nname = \"x\"\n[data]\ndataset = \"d\"\n[replicates]\ncount = 2\n[base]\n".to_owned();
        for (path, given) in &self.base {
            writeln!(out, "\"{path}\" = {}", toml(path, given)).unwrap();
        }
        for (index, study) in self.studies.iter().enumerate() {
            writeln!(out, "[[study]]\nname = \"s{index}\"\n{}", study.text()).unwrap();
        }
        out
    }
}

impl ModelStudy {
    fn text(&self) -> String {
        let mut out = String::new();
        let entries: Vec<String> =
            self.set.iter().map(|(path, given)| format!("\"{path}\" = {}", toml(path, given))).collect();
        writeln!(out, "set = {{ {} }}\n[study.axes]", entries.join(", ")).unwrap();
        let (plain, zips): (Vec<_>, Vec<_>) = self.axes.iter().partition(|axis| axis.paths.len() == 1);
        for axis in &plain {
            let values: Vec<String> =
                axis.alternatives.iter().map(|given| toml(axis.paths[0], &given[0])).collect();
            writeln!(out, "\"{}\" = [{}]", axis.name, values.join(", ")).unwrap();
        }
        writeln!(out, "[study.when]").unwrap();
        for axis in self.axes.iter().filter(|axis| !axis.when.is_empty()) {
            writeln!(out, "\"{}\" = {}", axis.name, toml_conditions(&axis.when)).unwrap();
        }
        for zip in zips {
            let row = |given: &Vec<Given>| {
                let values: Vec<String> =
                    zip.paths.iter().zip(given).map(|(path, given)| toml(path, given)).collect();
                format!("[{}]", values.join(", "))
            };
            let rows: Vec<String> = zip.alternatives.iter().map(row).collect();
            writeln!(
                out,
                "[[study.zip]]\nname = \"{}\"\ncolumns = {:?}\nrows = [{}]",
                zip.name,
                zip.paths,
                rows.join(", ")
            )
            .unwrap();
        }
        for conditions in &self.exclude {
            writeln!(out, "[[study.exclude]]\nreason = \"r\"\nwhere = {}", toml_conditions(conditions))
                .unwrap();
        }
        out
    }
}

/// One combination of a study's axes, evaluated by the rules of the file as they are written down.
struct Combination<'a> {
    fixed: &'a BTreeMap<&'static str, Value>,
    axes: &'a [ModelAxis],
    digits: &'a [usize],
}

/// A circle of conditions: the model gives up.
struct Circle;

impl Combination<'_> {
    fn exists(&self, axis: usize, depth: usize) -> Result<bool, Circle> {
        self.hold(&self.axes[axis].when, depth)
    }

    fn hold(&self, conditions: &Conditions, depth: usize) -> Result<bool, Circle> {
        for (leaf, values) in conditions {
            match self.value(leaf, depth + 1)? {
                Some((value, _)) if values.contains(&value) => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The axis and the path that decide about a leaf.
    fn decides(&self, leaf: &str, depth: usize) -> Result<Option<(usize, usize)>, Circle> {
        let mut best: Option<(usize, usize)> = None;
        for (index, axis) in self.axes.iter().enumerate() {
            for (column, path) in axis.paths.iter().enumerate() {
                let covers = leaf == *path || leaf.starts_with(&format!("{path}."));
                if covers
                    && best.is_none_or(|(i, c)| self.axes[i].paths[c].len() < path.len())
                    && self.exists(index, depth + 1)?
                {
                    best = Some((index, column));
                }
            }
        }
        Ok(best)
    }

    /// The value of a leaf, and whether it was given rather than a default.
    fn value(&self, leaf: &str, depth: usize) -> Result<Option<(Value, bool)>, Circle> {
        if depth > 60 {
            return Err(Circle);
        }
        let explicit = match self.decides(leaf, depth)? {
            Some((axis, column)) => self.axes[axis].alternatives[self.digits[axis]][column].get(leaf),
            None => self.fixed.get(leaf),
        };
        if let Some(value) = explicit {
            return Ok(Some((value.clone(), true)));
        }
        let default = match leaf {
            "a" => Value::from("x"),
            "b" | "o.k" => Value::from("p"),
            "c" | "g" | "o.r" | "o.s" | "t.u" => Value::from(1.0),
            "d" => Value::from(2.0),
            "f" => Value::from("m"),
            "t.v" => Value::from(3.0),
            "t" => Value::from(false),
            _ => return Ok(None),
        };
        Ok(self.applies(leaf, depth)?.then_some((default, false)))
    }

    fn applies(&self, leaf: &str, depth: usize) -> Result<bool, Circle> {
        let one_of = |other: &str, values: &[&str]| -> Result<bool, Circle> {
            let value = self.value(other, depth + 1)?;
            Ok(value.is_some_and(|(value, _)| values.iter().any(|name| value == Value::from(*name))))
        };
        let table = |depth| -> Result<bool, Circle> {
            Ok(self.value("t", depth + 1)?.is_some_and(|(value, _)| value == Value::from(true)))
        };
        match leaf {
            "c" => one_of("a", &["x", "y"]),
            "e" => one_of("b", &["q"]),
            "f" => one_of("a", &["x"]),
            "g" => one_of("f", &["m"]),
            "o.s" => one_of("o.k", &["q"]),
            "t.u" => table(depth),
            "t.v" => Ok(one_of("b", &["p"])? && table(depth)?),
            _ => Ok(true),
        }
    }
}

/// What the model finds of a study: its cells in order and what each exclusion took, or that something is wrong.
#[derive(Debug)]
struct Enumerated {
    cells: Vec<Choices>,
    excluded: Vec<u64>,
    sound: bool,
}

fn apply(fixed: &mut BTreeMap<&'static str, Value>, entries: &[(&'static str, Given)]) {
    for (path, given) in entries {
        fixed.retain(|leaf, _| leaf != path && !leaf.starts_with(&format!("{path}.")));
        fixed.extend(given.iter().map(|(leaf, value)| (*leaf, value.clone())));
    }
}

fn enumerate(base: &[(&'static str, Given)], study: &ModelStudy) -> Result<Enumerated, Circle> {
    let mut fixed = BTreeMap::new();
    apply(&mut fixed, base);
    apply(&mut fixed, &study.set);
    let axes = &study.axes;
    let mut found = Enumerated { cells: Vec::new(), excluded: vec![0; study.exclude.len()], sound: true };
    let (mut matched, mut decided) = (vec![false; study.exclude.len()], vec![false; axes.len()]);
    let total: usize = axes.iter().map(|axis| axis.alternatives.len()).product();
    for position in 0..total {
        let mut digits = vec![0; axes.len()];
        let mut rest = position;
        for (axis, digit) in digits.iter_mut().enumerate().rev() {
            *digit = rest % axes[axis].alternatives.len();
            rest /= axes[axis].alternatives.len();
        }
        let combination = Combination { fixed: &fixed, axes, digits: &digits };
        let mut repeated = false;
        for (axis, digit) in digits.iter().enumerate() {
            repeated |= *digit > 0 && !combination.exists(axis, 0)?;
        }
        if repeated {
            continue;
        }
        for leaf in LEAVES {
            if let Some((axis, _)) = combination.decides(leaf, 0)? {
                decided[axis] = true;
            }
        }
        let mut taken = false;
        for (index, conditions) in study.exclude.iter().enumerate() {
            if combination.hold(conditions, 0)? {
                matched[index] = true;
                found.excluded[index] += u64::from(!taken);
                taken = true;
            }
        }
        if !taken {
            found.sound &= add_cell(&combination, &mut found.cells)?;
        }
    }
    let distinct: BTreeSet<&Choices> = found.cells.iter().collect();
    found.sound &= distinct.len() == found.cells.len() && !found.cells.is_empty();
    found.sound &= matched.iter().chain(&decided).all(|&fine| fine);
    Ok(found)
}

/// Adds a combination's cell; returns whether each setting is given only where it applies, and wherever it must be.
fn add_cell(combination: &Combination<'_>, cells: &mut Vec<Choices>) -> Result<bool, Circle> {
    let mut cell = Choices::default();
    let mut sound = true;
    for leaf in LEAVES.into_iter().filter(|&leaf| leaf != "t") {
        let applies = combination.applies(leaf, 0)?;
        let value = combination.value(leaf, 0)?;
        sound &= applies == value.is_some();
        if let Some((value, _)) = value {
            cell.insert(leaf, value);
        }
    }
    cells.push(cell);
    Ok(sound)
}

fn enumerate_all(model: &ModelSweep) -> Option<Vec<Enumerated>> {
    model.studies.iter().map(|study| enumerate(&model.base, study).ok()).collect()
}

/// Keeps only sound studies: random ones seldom all are.
fn sound_part(model: ModelSweep) -> ModelSweep {
    let studies = model.studies.into_iter();
    let sound = |study: &ModelStudy| enumerate(&model.base, study).is_ok_and(|found| found.sound);
    ModelSweep { studies: studies.filter(sound).collect(), base: model.base }
}

/// Reads a sweep, or returns what is wrong with it.
fn read(text: &str) -> Result<Sweep, String> {
    parse(text, &catalogue()).map_err(|problems| {
        problems.iter().map(|problem| problem.render("x", text)).collect::<Vec<_>>().join("\n")
    })
}

/// Checks that the lazy grid says what the model found.
fn compare(sweep: &Sweep, studies: &[Enumerated], text: &str) -> Result<(), TestCaseError> {
    let grid = sweep.grid();
    let mut all: Vec<&Choices> = Vec::new();
    for (index, study) in studies.iter().enumerate() {
        let lazy = grid.study(index);
        let before = all.len();
        for (position, cell) in study.cells.iter().enumerate() {
            let found = lazy.cell(position as u64);
            prop_assert_eq!(found.as_ref(), Some(cell), "{}", text);
            prop_assert_eq!(lazy.position_of(cell), Some(position as u64), "{}", text);
            if !all.contains(&cell) {
                all.push(cell);
            }
        }
        prop_assert_eq!(lazy.cells(), study.cells.len() as u64, "{}", text);
        prop_assert_eq!(lazy.cell(lazy.cells()), None);
        prop_assert_eq!(lazy.new_cells(), (all.len() - before) as u64, "{}", text);
        let excluded: Vec<u64> = lazy.excluded().iter().map(|excluded| excluded.cells).collect();
        prop_assert_eq!(&excluded, &study.excluded, "{}", text);
    }
    prop_assert_eq!(grid.trials(), 2 * all.len() as u64);
    for (position, cell) in all.iter().enumerate() {
        for replicate in 0..2 {
            let index = 2 * position as u64 + u64::from(replicate);
            let point = grid.trial(index).expect("it is below the number of trials");
            prop_assert_eq!((&point.choices, point.replicate), (*cell, replicate), "{}", text);
            prop_assert_eq!(grid.index_of(cell, replicate), Some(index));
        }
        let members: Vec<usize> =
            (0..studies.len()).filter(|&index| studies[index].cells.contains(cell)).collect();
        prop_assert_eq!(grid.studies_of(cell), members);
    }
    prop_assert_eq!(grid.trial(grid.trials()), None);
    let mut tally: BTreeMap<Vec<Option<Value>>, u64> = BTreeMap::new();
    for cell in &all {
        *tally.entry(["c", "o.s", "a", "none"].map(|name| cell.get(name).cloned()).to_vec()).or_default() +=
            1;
    }
    prop_assert_eq!(grid.tally(&["c", "o.s", "a", "none"]), tally, "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_sweep_is_accepted_exactly_if_every_combination_makes_sense(seed: u64) {
        let model = Random(seed).sweep();
        let text = model.text();
        let Some(studies) = enumerate_all(&model) else { return Ok(()) };
        let sound = studies.iter().all(|study| study.sound);
        match read(&text) {
            Ok(sweep) => {
                prop_assert!(sound, "accepted:\n{}\n{:?}", text, studies);
                compare(&sweep, &studies, &text)?;
            }
            Err(problems) => {
                // Which axes exist may depend on a circle that no single combination goes round.
                let circle = problems.contains("exist depends on") || problems.contains("exists depends on")
                    || problems.contains("exist depend");
                prop_assert!(!sound || circle, "refused:\n{}\n{}", text, problems);
            }
        }
    }

    #[test]
    fn the_lazy_grid_is_what_going_through_all_combinations_gives(seed: u64) {
        let mut random = Random(seed);
        let one = random.sound_sweep();
        let mut other = one.clone();
        other.studies = other.studies.iter().map(|study| random.variant(study)).collect();
        other.studies.push(random.study());
        let other = sound_part(other);
        let mut grids = Vec::new();
        for model in [&one, &other] {
            let text = model.text();
            let Some(studies) = enumerate_all(model) else { return Ok(()) };
            let Ok(sweep) = read(&text) else { return Ok(()) };
            compare(&sweep, &studies, &text)?;
            let cells: BTreeSet<Choices> = studies.into_iter().flat_map(|study| study.cells).collect();
            grids.push((sweep, cells));
        }
        let shared = grids[0].1.intersection(&grids[1].1).count() as u64;
        prop_assert_eq!(grids[0].0.grid().shared_cells(grids[1].0.grid()), Some(shared));
        prop_assert_eq!(grids[1].0.grid().shared_cells(grids[0].0.grid()), Some(shared));
    }
}

/// The comparison must notice when the grid and the model differ in any respect.
#[test]
fn the_comparison_rejects_other_cells_another_order_and_other_exclusions() {
    type Change = fn(&mut Vec<Enumerated>);
    let study = ModelStudy {
        set: Vec::new(),
        axes: vec![ModelAxis {
            name: "d".to_owned(),
            paths: vec!["d"],
            alternatives: [1.0, 2.0, 3.0].map(|d| vec![Given::from([("d", Value::from(d))])]).to_vec(),
            when: Vec::new(),
        }],
        exclude: vec![vec![("d", vec![Value::from(3.0)])]],
    };
    let model = ModelSweep { base: Vec::new(), studies: vec![study] };
    let text = model.text();
    let sweep = read(&text).unwrap();
    let changes: [Change; 5] = [
        |studies| studies[0].cells.swap(0, 1),
        |studies| drop(studies[0].cells.pop()),
        |studies| drop(studies[0].cells[0].insert("c", Value::from(9.0))),
        |studies| drop(studies[0].cells[0].remove("c")),
        |studies| studies[0].excluded[0] += 1,
    ];
    assert!(compare(&sweep, &enumerate_all(&model).unwrap(), &text).is_ok());
    for change in changes {
        let mut studies = enumerate_all(&model).unwrap();
        change(&mut studies);
        assert!(compare(&sweep, &studies, &text).is_err());
    }
}

/// The random sweeps are worth something only if many are accepted, overlap, exclude and have conditions.
#[test]
fn random_sweeps_are_of_every_sort() {
    let (mut accepted, mut overlapping, mut excluding, mut conditional, mut zipped) = (0, 0, 0, 0, 0);
    for seed in 0..500 {
        let model = Random(seed).sound_sweep();
        let Ok(sweep) = read(&model.text()) else { continue };
        let grid = sweep.grid();
        let studies = (0..grid.study_count()).map(|index| grid.study(index));
        accepted += 1;
        overlapping +=
            usize::from(studies.clone().any(|study| (1..study.cells()).contains(&study.new_cells())));
        excluding += usize::from(studies.clone().any(|study| !study.excluded().is_empty()));
        let mut axes = model.studies.iter().flat_map(|study| &study.axes);
        conditional +=
            usize::from(axes.clone().any(|axis| !axis.when.is_empty() && axis.alternatives.len() > 1));
        zipped += usize::from(axes.any(|axis| axis.paths.len() > 1));
    }
    for (what, count) in [
        ("accepted", accepted),
        ("overlapping", overlapping),
        ("excluding", excluding),
        ("conditional", conditional),
        ("zipped", zipped),
    ] {
        assert!(count >= 80, "only {count} of 500 random sweeps are {what}");
    }
}
