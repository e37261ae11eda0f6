//! `gridsweep export SWEEP --what weights --out DIR`: the weights that trials left, a safetensors file a trial.

use crate::error::CommandError;
use crate::output::{counted, note};
use crate::place::Place;
use crate::results::Results;
use crate::weights::{self, NoWeights};
use anyhow::anyhow;
use std::path::Path;

/// Writes the file of every trial that has one, and says of how many there is none.
pub(super) fn export(
    place: &Place,
    results: &Results,
    folder: Option<&Path>,
    is_quiet: bool,
) -> Result<(), CommandError> {
    let folder = folder.ok_or_else(|| {
        CommandError::usage(anyhow!("weights are files: they are not printed"))
            .hint("say where to write them: --out DIR")
    })?;
    let unwritable = |path: &Path, error: std::io::Error| {
        CommandError::infrastructure(
            anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
        )
    };
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    let (mut written, mut absent) = (0, 0);
    for trial in results.trials.values() {
        match weights::of_trial(place, trial) {
            Ok((file, _)) => {
                let path = folder.join(format!("{}.safetensors", trial.id));
                crate::atomic::write(&path, &file).map_err(|error| unwritable(&path, error))?;
                written += 1;
            }
            Err(NoWeights::NoResult | NoWeights::NotKept) => absent += 1,
            Err(error) => {
                note(false, &format!("trial {}: {error}", trial.id));
                absent += 1;
            }
        }
    }
    let without =
        if absent > 0 { format!("; of {} none are kept", counted(absent, "trial")) } else { String::new() };
    note(
        is_quiet,
        &format!("the weights of {} are in {}{without}", counted(written, "trial"), folder.display()),
    );
    Ok(())
}
