//! What is asked for, as it was written and as it was checked: the same rules for sweep files and command lines.

use super::{ALL, Need, by_name};
use crate::choice::Value;
use crate::metric::{self, EpochMetrics, Metric};
use crate::spec::suggest::did_you_mean;
use crate::spec::{any_of, list_of, shortened};
use crate::svg::scale::{self, ScaleKind};
use crate::table::{Column, Heading};

/// What was written. Absent and empty are the same.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Asked {
    /// The kind's name.
    pub kind: String,
    /// What stands above it.
    pub title: Option<String>,
    /// Everything else by its key, values in their order: those of [`super::Figure::keys`].
    pub keys: Vec<(String, Vec<Value>)>,
    /// `where`: settings, each with the values that are shown.
    pub only: Vec<(String, Vec<Value>)>,
}

/// What is wrong with what was written, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The key; for what stands in `where`, `where` and the setting.
    pub key: String,
    /// The value's place in its list; `None` where the key itself is wrong or missing.
    pub value: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// What is asked for, checked against the axes of its study.
#[derive(Clone, PartialEq, Debug)]
pub struct FigureSpec {
    /// The name of one of [`ALL`].
    pub kind: &'static str,
    /// What stands above it.
    pub title: Option<String>,
    /// What runs along the horizontal axis.
    pub x: Option<Along>,
    /// What is drawn over it.
    pub y: Vec<Shown>,
    /// What runs along the vertical axis of a heat map.
    pub down: Option<Heading>,
    /// What each level of gets a panel of its own.
    pub panels: Option<Heading>,
    /// Settings, each with the values that are shown.
    pub only: Vec<(String, Vec<Value>)>,
    /// Which of the selected cells are shown.
    pub pick: Pick,
    /// Which replicate is shown, counted from 0.
    pub replicate: Option<usize>,
    /// How the horizontal axis counts; absent: as its values suggest.
    pub x_scale: Option<ScaleKind>,
    /// How the vertical axis counts; absent: as its values suggest.
    pub y_scale: Option<ScaleKind>,
}

/// What runs along an axis of a figure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Along {
    /// An axis of the study.
    Axis(Heading),
    /// What follows from the sizes of the hidden layers.
    Shape(Shape),
}

/// What follows from the sizes of the layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// The number of hidden layers.
    Depth,
    /// The size of the largest hidden layer.
    MaxWidth,
    /// The size of the largest hidden layer over the number of hidden layers.
    MaxWidthPerDepth,
    /// The number of weights and biases.
    Parameters,
}

/// Every quantity of a shape, by its name.
pub const SHAPES: [(&str, Shape); 4] = [
    ("depth", Shape::Depth),
    ("max_width", Shape::MaxWidth),
    ("max_width_per_depth", Shape::MaxWidthPerDepth),
    ("parameters", Shape::Parameters),
];

impl Shape {
    /// Returns its name in sweep files.
    pub fn name(self) -> &'static str {
        SHAPES.iter().find(|(_, shape)| *shape == self).map_or("", |(name, _)| name)
    }
}

/// What is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// A number that every outcome has, or one a weight matrix.
    Column(Column),
    /// A number that every epoch has.
    Epoch(EpochMetric),
}

/// A number that every epoch has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EpochMetric {
    /// Cross-entropy and penalty over the training part.
    TrainingObjective,
    /// Cross-entropy over the training part.
    TrainingLoss,
    /// Cross-entropy over the validation part.
    ValidationLoss,
    /// Share of the training part classified rightly.
    TrainingAccuracy,
    /// Share of the validation part classified rightly.
    ValidationAccuracy,
    /// The learning rate.
    LearningRate,
}

/// Every number of an epoch, by its name in exports.
pub const EPOCH_METRICS: [(&str, EpochMetric); 6] = [
    ("training_objective", EpochMetric::TrainingObjective),
    ("training_loss", EpochMetric::TrainingLoss),
    ("validation_loss", EpochMetric::ValidationLoss),
    ("training_accuracy", EpochMetric::TrainingAccuracy),
    ("validation_accuracy", EpochMetric::ValidationAccuracy),
    ("learning_rate", EpochMetric::LearningRate),
];

impl EpochMetric {
    /// Returns its name in exports.
    pub fn name(self) -> &'static str {
        EPOCH_METRICS.iter().find(|(_, metric)| *metric == self).map_or("", |(name, _)| name)
    }

    /// Returns its value in an epoch.
    pub fn of(self, epoch: &EpochMetrics) -> f64 {
        match self {
            EpochMetric::TrainingObjective => epoch.training_objective,
            EpochMetric::TrainingLoss => epoch.training_loss,
            EpochMetric::ValidationLoss => epoch.validation_loss,
            EpochMetric::TrainingAccuracy => epoch.training_accuracy,
            EpochMetric::ValidationAccuracy => epoch.validation_accuracy,
            EpochMetric::LearningRate => epoch.learning_rate,
        }
    }
}

/// Which of the selected cells are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    /// All of them.
    All,
    /// The one that is best by a metric.
    Best(Metric),
}

/// The keys of every kind, in the order of the documentation, those of [`super::Figure::keys`] between them.
const COMMON_KEYS: [&str; 3] = ["kind", "title", "where"];

impl Asked {
    /// Checks what was written against the axes of its study, or returns every fault.
    pub fn check(&self, axes: &[Heading]) -> Result<FigureSpec, Vec<Fault>> {
        let mut check = Check { asked: self, axes, faults: Vec::new() };
        let spec = check.spec();
        match spec {
            Some(spec) if check.faults.is_empty() => Ok(spec),
            _ => Err(check.faults),
        }
    }
}

struct Check<'a> {
    asked: &'a Asked,
    axes: &'a [Heading],
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn spec(&mut self) -> Option<FigureSpec> {
        let names: Vec<&str> = ALL.iter().map(|kind| kind.name()).collect();
        let Some(kind) = by_name(&self.asked.kind) else {
            let name = &self.asked.kind;
            let (message, value) = match name.is_empty() {
                true => ("the figure has no `kind`".to_owned(), None),
                false => (format!("unknown kind of figure `{}`", shortened(name)), Some(0)),
            };
            let help = did_you_mean(name, names.iter().copied());
            let help = help.unwrap_or_else(|| format!("write {}", any_of(&names)));
            self.fault("kind", value, message, help);
            return None;
        };
        self.known_keys(kind.name(), kind.keys());
        let is_heatmap = kind.keys().iter().any(|(key, _)| *key == "cells");
        let is_of_epochs = kind.name() == "curves";
        let shown = if is_heatmap { "cells" } else { "y" };
        let spec = FigureSpec {
            kind: kind.name(),
            title: self.asked.title.clone(),
            x: self.along("x", is_heatmap),
            down: if is_heatmap { self.heading("y") } else { None },
            y: if is_of_epochs { self.epoch_metrics() } else { self.columns(shown) },
            panels: self.heading("panels"),
            only: self.only(),
            pick: self.pick(),
            replicate: self.replicate(),
            x_scale: self.one_of("x_scale", &scale::KINDS),
            y_scale: self.one_of("y_scale", &scale::KINDS),
        };
        self.distinct(&spec);
        Some(spec)
    }

    fn fault(&mut self, key: &str, value: Option<usize>, message: String, help: String) {
        self.faults.push(Fault { key: key.to_owned(), value, message, help });
    }

    fn known_keys(&mut self, kind: &'static str, keys: &'static [(&'static str, Need)]) {
        let known: Vec<&str> = COMMON_KEYS.iter().copied().chain(keys.iter().map(|(key, _)| *key)).collect();
        for (key, _) in &self.asked.keys {
            if !known.contains(&key.as_str()) {
                let help = did_you_mean(key, known.iter().copied());
                let help = help.unwrap_or_else(|| format!("it has {}", list_of(&known)));
                self.fault(
                    key,
                    None,
                    format!("unknown key `{}` in a figure of kind `{kind}`", shortened(key)),
                    help,
                );
            }
        }
        for (key, _) in keys.iter().filter(|(_, need)| *need == Need::Required) {
            if self.values(key).is_empty() {
                let help = match *key {
                    "x" => format!("name an axis of the study: {}", any_of(&self.axis_names())),
                    "y" if !keys.iter().any(|(key, _)| *key == "cells") => {
                        "name a metric, such as y = \"test_accuracy\"".to_owned()
                    }
                    "y" => format!("name an axis of the study: {}", any_of(&self.axis_names())),
                    _ => format!("name a metric, such as {key} = \"test_accuracy\""),
                };
                self.fault(key, None, format!("a figure of kind `{kind}` needs `{key}`"), help);
            }
        }
    }

    fn values(&self, key: &str) -> &[Value] {
        self.asked.keys.iter().find(|(name, _)| name == key).map_or(&[], |(_, values)| values)
    }

    /// Returns the one text of a key; `None` where there is none, or where that is a fault.
    fn text(&mut self, key: &str) -> Option<String> {
        let values = self.values(key);
        let text = values.first().and_then(Value::as_text).map(str::to_owned);
        if values.len() > 1 || (values.len() == 1 && text.is_none()) {
            let help = format!("write {key} = \"name\"");
            self.fault(key, Some(0), format!("`{key}` is one name"), help);
            return None;
        }
        text
    }

    fn texts(&mut self, key: &str) -> Vec<(usize, String)> {
        let values = self.values(key).to_vec();
        let mut texts = Vec::new();
        for (place, value) in values.iter().enumerate() {
            match value.as_text() {
                Some(text) => texts.push((place, text.to_owned())),
                None => {
                    let help = format!("write {key} = [\"name\"]");
                    self.fault(key, Some(place), format!("`{key}` has names, and `{value}` is none"), help);
                }
            }
        }
        texts
    }

    fn axis_names(&self) -> Vec<&str> {
        self.axes.iter().map(|axis| axis.name.as_str()).collect()
    }

    fn along(&mut self, key: &str, axes_only: bool) -> Option<Along> {
        let name = self.text(key)?;
        let shape = SHAPES.iter().find(|(shape, _)| *shape == name && !axes_only);
        if let Some((_, shape)) = shape {
            return Some(Along::Shape(*shape));
        }
        self.axis(key, &name, !axes_only).map(Along::Axis)
    }

    fn heading(&mut self, key: &str) -> Option<Heading> {
        let name = self.text(key)?;
        self.axis(key, &name, false)
    }

    fn axis(&mut self, key: &str, name: &str, or_shape: bool) -> Option<Heading> {
        let found = self.axes.iter().find(|axis| axis.name == name).cloned();
        if found.is_none() {
            let mut names = self.axis_names();
            if or_shape {
                names.extend(SHAPES.iter().map(|(shape, _)| *shape));
            }
            let within = self.axes.iter().find(|axis| axis.settings.iter().any(|setting| setting == name));
            let help = match within {
                Some(axis) => format!("it is varied by the axis `{}`: name that", axis.name),
                None => did_you_mean(name, names.iter().copied())
                    .unwrap_or_else(|| format!("there are {}", list_of(&names))),
            };
            self.fault(key, Some(0), format!("`{}` is not an axis of this study", shortened(name)), help);
        }
        found
    }

    fn columns(&mut self, key: &str) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (place, name) in self.texts(key) {
            let column = match name.as_str() {
                "sparsity" => Some(Column::Sparsity),
                name => Metric::from_name(name).map(Column::Metric),
            };
            match column {
                Some(column) => shown.push(Shown::Column(column)),
                None => {
                    let names = metric::ALL.into_iter().map(Metric::name).chain(["sparsity"]);
                    self.unknown(key, place, "metric", &name, &names.collect::<Vec<_>>());
                }
            }
        }
        shown
    }

    fn epoch_metrics(&mut self) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (place, name) in self.texts("y") {
            match EPOCH_METRICS.iter().find(|(metric, _)| *metric == name) {
                Some((_, metric)) => shown.push(Shown::Epoch(*metric)),
                None => {
                    let names: Vec<&str> = EPOCH_METRICS.iter().map(|(name, _)| *name).collect();
                    self.unknown("y", place, "metric of an epoch", &name, &names);
                }
            }
        }
        shown
    }

    fn unknown(&mut self, key: &str, place: usize, what: &str, name: &str, names: &[&str]) {
        let help = did_you_mean(name, names.iter().copied());
        let help = help.unwrap_or_else(|| format!("there are {}", list_of(names)));
        self.fault(key, Some(place), format!("unknown {what} `{}`", shortened(name)), help);
    }

    fn one_of<T: Copy>(&mut self, key: &str, all: &[(&str, T)]) -> Option<T> {
        let name = self.text(key)?;
        let found = all.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
            self.unknown(key, 0, &format!("`{key}`"), &name, &names);
        }
        found
    }

    fn pick(&mut self) -> Pick {
        let by = self.one_of("by", &metric::ALL.map(|metric| (metric.name(), metric)));
        let best = self.one_of("cell", &[("best", true), ("all", false)]);
        let is_neutral = by.is_some_and(|by| by.better() == metric::Better::Neither);
        if is_neutral {
            let help = "name one that is better lower or higher, such as \"validation_loss\"".to_owned();
            self.fault("by", Some(0), "no value of this metric is better than another".to_owned(), help);
        }
        let chosen = best.unwrap_or(by.is_some() || self.asked.kind == "network");
        if chosen { Pick::Best(by.unwrap_or(Metric::TestAccuracy)) } else { Pick::All }
    }

    fn replicate(&mut self) -> Option<usize> {
        let value = self.values("replicate").first()?.clone();
        let whole = value.as_number().filter(|number| number.fract() == 0.0 && (0.0..1e9).contains(number));
        if whole.is_none() {
            let help = "they are counted from 0: replicate = 0".to_owned();
            self.fault("replicate", Some(0), format!("`{value}` is not a replicate"), help);
        }
        whole.map(|whole| whole as usize)
    }

    fn only(&mut self) -> Vec<(String, Vec<Value>)> {
        let settings: Vec<String> = self.axes.iter().flat_map(|axis| axis.settings.clone()).collect();
        for (setting, values) in self.asked.only.clone() {
            let key = format!("where.{setting}");
            if !settings.contains(&setting) {
                let names: Vec<&str> = settings.iter().map(String::as_str).collect();
                let help = did_you_mean(&setting, names.iter().copied());
                let help = help.unwrap_or_else(|| format!("the study varies {}", list_of(&names)));
                self.fault(
                    &key,
                    None,
                    format!("`{}` does not vary in this study", shortened(&setting)),
                    help,
                );
            } else if values.is_empty() {
                let help = "name a value at least".to_owned();
                self.fault(&key, None, format!("the condition on `{setting}` can never hold"), help);
            }
        }
        self.asked.only.clone()
    }

    /// Reports an axis that is asked for twice.
    fn distinct(&mut self, spec: &FigureSpec) {
        let x = match &spec.x {
            Some(Along::Axis(heading)) => Some(heading),
            Some(Along::Shape(_)) | None => None,
        };
        let named = [("x", x), ("y", spec.down.as_ref()), ("panels", spec.panels.as_ref())];
        for (place, (key, heading)) in named.iter().enumerate() {
            let earlier = named[..place].iter().find(|(_, other)| heading.is_some() && other == heading);
            if let (Some(heading), Some((other, _))) = (heading, earlier) {
                let message = format!("`{}` stands in `{other}` already", heading.name);
                self.fault(key, Some(0), message, "name each axis once".to_owned());
            }
        }
    }
}
