//! What a cell is called in one line: the settings that tell it from the others of its sweep.

use gridsweep_common::choice::{Choices, Value};
use gridsweep_common::spec::Sweep;

/// The settings that vary within a sweep, in the order in which people meet them.
#[derive(Debug)]
pub(crate) struct Labels {
    settings: Vec<String>,
}

impl Labels {
    /// Collects what the axes vary, then what differs between the studies.
    pub(crate) fn of(sweep: &Sweep) -> Labels {
        let axes =
            sweep.studies.iter().flat_map(|study| &study.axes).flat_map(|axis| axis.settings.iter().cloned());
        let mut settings: Vec<String> = Vec::new();
        for setting in axes.chain(differing(sweep)) {
            if !settings.contains(&setting) {
                settings.push(setting);
            }
        }
        Labels { settings }
    }

    /// Writes those settings of a cell.
    pub(crate) fn cell(&self, choices: &Choices) -> String {
        let varied = self.settings.iter().filter_map(|setting| Some((setting, choices.get(setting)?)));
        let label: Vec<String> =
            varied.map(|(setting, value)| format!("{}={value}", short(setting))).collect();
        if label.is_empty() { "the only cell".to_owned() } else { label.join(" ") }
    }
}

/// Returns the settings in which the first cells of the studies differ.
fn differing(sweep: &Sweep) -> Vec<String> {
    let grid = sweep.grid();
    let firsts: Vec<Choices> =
        (0..grid.study_count()).filter_map(|study| grid.study(study).cell(0)).collect();
    let differs = |setting: &str, value: &Value| firsts.iter().any(|first| first.get(setting) != Some(value));
    let all = firsts.iter().flat_map(Choices::iter);
    all.filter(|(setting, value)| differs(setting, value)).map(|(setting, _)| setting.to_owned()).collect()
}

fn short(setting: &str) -> &str {
    setting.rsplit('.').next().unwrap_or(setting)
}
