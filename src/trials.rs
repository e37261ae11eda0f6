//! A trial by the beginning of its id.

use crate::error::CommandError;
use anyhow::anyhow;
use gridsweep_common::id::TrialId;
use gridsweep_coordinator::store::{AttemptedTrial, Reader};

/// How many trials an ambiguous beginning lists.
const CANDIDATES_MAX: usize = 8;
/// How many rows are read at a time.
const PAGE_ROWS: usize = 1000;
/// Hexadecimal digits of an id.
const DIGITS: usize = 32;

/// Finds the one trial whose id begins so, or the one that ended last.
pub(crate) fn find(reader: &dyn Reader, selector: &str) -> Result<AttemptedTrial, CommandError> {
    if selector == "last" {
        return last(reader);
    }
    let beginning = selector.to_lowercase();
    let is_hexadecimal = beginning.bytes().all(|byte| byte.is_ascii_hexdigit());
    if beginning.is_empty() || beginning.len() > DIGITS || !is_hexadecimal {
        return Err(CommandError::usage(anyhow!("\"{selector}\" does not begin a trial's id"))
            .hint("an id has 32 hexadecimal digits, and its first ones are enough; `last` is the trial that ended last"));
    }
    let page = reader.attempted(before(&beginning), CANDIDATES_MAX + 1)?;
    let mut found: Vec<_> =
        page.into_iter().filter(|trial| trial.id.to_string().starts_with(&beginning)).collect();
    match found.len() {
        0 => Err(CommandError::usage(anyhow!(
            "no attempt was made at a trial whose id begins with \"{selector}\""
        ))
        .hint("`gridsweep export SWEEP --what trials` prints the ids of those that have ended")),
        1 => Ok(found.remove(0)),
        many => Err(ambiguous(selector, &found, many > CANDIDATES_MAX)),
    }
}

/// Returns the id before the first one that begins so.
fn before(beginning: &str) -> Option<TrialId> {
    let first: TrialId = format!("{beginning:0<DIGITS$}").parse().ok()?;
    let number = u128::from_be_bytes(first.0).checked_sub(1)?;
    Some(TrialId(number.to_be_bytes()))
}

fn ambiguous(selector: &str, found: &[AttemptedTrial], are_more: bool) -> CommandError {
    let mut list: Vec<_> = found
        .iter()
        .take(CANDIDATES_MAX)
        .map(|trial| format!("\n  {} replicate {}", trial.id, trial.spec.seed.replicate))
        .collect();
    if are_more {
        list.push("\n  and more".to_owned());
    }
    CommandError::usage(anyhow!("the ids of several trials begin with \"{selector}\":{}", list.concat()))
        .hint("give more of its digits")
}

fn last(reader: &dyn Reader) -> Result<AttemptedTrial, CommandError> {
    let (mut after, mut last) = (0, None);
    while let Some(trial) = reader.ended(after, PAGE_ROWS)?.pop() {
        after = trial.sequence;
        last = Some(AttemptedTrial { id: trial.id, spec: trial.spec });
    }
    last.ok_or_else(|| CommandError::usage(anyhow!("no trial has ended yet")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_before_the_first_one_with_a_beginning_is_found() {
        assert_eq!(before("00"), None);
        assert_eq!(before("01").unwrap().to_string(), "00ffffffffffffffffffffffffffffff");
        let whole = "0123456789abcdef0123456789abcdef";
        assert_eq!(before(whole).unwrap().to_string(), "0123456789abcdef0123456789abcdee");
    }
}
