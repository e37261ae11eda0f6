//! What a worker of `run` leaves behind of how its slots were used, and the sentence that is made of it.

use crate::atomic;
use gridsweep_worker::Usage;
use std::path::Path;

/// The file in a worker's state folder.
const FILE: &str = "usage";

/// Leaves what was measured for whoever started the worker. That it cannot be left changes nothing for anyone.
pub(crate) fn leave(folder: &Path, usage: Usage) {
    let text = format!("{} {}\n", usage.slot_seconds, usage.engine_seconds);
    if let Err(error) = atomic::write(&folder.join(FILE), text.as_bytes()) {
        tracing::warn!(%error, "how the slots were used cannot be told");
    }
}

/// Takes what a worker left; nothing where it left nothing that reads.
pub(crate) fn take(folder: &Path) -> Usage {
    let text = std::fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    // Nobody else reads it, and the next worker writes its own.
    let _ = std::fs::remove_file(folder.join(FILE));
    let mut seconds = text.split_whitespace().map(|word| word.parse::<f64>().ok().filter(|s| s.is_finite()));
    match (seconds.next().flatten(), seconds.next().flatten()) {
        (Some(slot_seconds), Some(engine_seconds)) => Usage { slot_seconds, engine_seconds },
        _ => Usage::default(),
    }
}

/// Says it in one line; `None` where no trial ever waited for a slot.
pub(crate) fn sentence(usage: Usage) -> Option<String> {
    let share = usage.share()?;
    Some(format!("slots: {:.1} % of their time in the engine while trials waited", 100.0 * share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_leaves_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let usage = Usage { slot_seconds: 12.5, engine_seconds: 12.25 };
        leave(folder.path(), usage);
        assert_eq!(take(folder.path()), usage);
        assert_eq!(take(folder.path()), Usage::default());
        for damaged in ["", "12.5", "12.5 x", "NaN inf", "\u{0}"] {
            std::fs::write(folder.path().join(FILE), damaged).unwrap();
            assert_eq!(take(folder.path()), Usage::default(), "{damaged:?}");
        }
    }

    #[test]
    fn a_share_is_told_and_nothing_where_there_is_none() {
        let usage = Usage { slot_seconds: 40.0, engine_seconds: 39.0 };
        let said = "slots: 97.5 % of their time in the engine while trials waited";
        assert_eq!(sentence(usage).as_deref(), Some(said));
        assert_eq!(sentence(Usage::default()), None);
    }
}
