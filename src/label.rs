//! What a cell is called in one line: the settings that tell it from the others of its sweep.

use gridsweep_common::choice::Choices;
use gridsweep_common::spec::Sweep;

/// Writes those settings of a cell that any study varies.
pub(crate) fn cell(sweep: &Sweep, choices: &Choices) -> String {
    let mut settings: Vec<&str> = Vec::new();
    for setting in sweep.studies.iter().flat_map(|study| &study.axes).flat_map(|axis| &axis.settings) {
        if !settings.contains(&setting.as_str()) {
            settings.push(setting);
        }
    }
    let varied = settings.iter().filter_map(|setting| Some((setting, choices.get(setting)?)));
    let label: Vec<String> = varied.map(|(setting, value)| format!("{}={value}", short(setting))).collect();
    if label.is_empty() { "the only cell".to_owned() } else { label.join(" ") }
}

fn short(setting: &str) -> &str {
    setting.rsplit('.').next().unwrap_or(setting)
}
