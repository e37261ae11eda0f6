//! Whether a sentence holds: confirmed, contradicted, or not to be told from what was measured.

use super::{Claim, Comparison, NamedCell, Relation, Than, apart, pairs, values};
use crate::choice::Choices;
use crate::stats::{CONFIDENCE, Interval, paired_interval};
use crate::table::CellResults;

/// What the results say to a claim.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// The interval lies where it would have to.
    Confirmed,
    /// It reaches to both sides, or there are too few replicates for one.
    Open,
    /// It lies elsewhere.
    Contradicted,
}

impl Verdict {
    /// Returns how it is written.
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Confirmed => "confirmed",
            Verdict::Open => "not to be told apart",
            Verdict::Contradicted => "contradicted",
        }
    }
}

/// The answer to a claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Contradicted where one of its comparisons is, confirmed where all are.
    pub verdict: Verdict,
    /// A sentence for each comparison.
    pub because: Vec<String>,
}

/// Answers a claim from the cells that `of` finds.
pub fn answer(claim: &Claim, of: &dyn Fn(&Choices) -> CellResults) -> Answer {
    let answers: Vec<(Verdict, String)> = claim.holds.iter().map(|holds| compare(holds, of)).collect();
    let verdicts = answers.iter().map(|(verdict, _)| *verdict);
    let verdict = verdicts.max().unwrap_or(Verdict::Open);
    Answer { verdict, because: answers.into_iter().map(|(_, sentence)| sentence).collect() }
}

fn compare(comparison: &Comparison, of: &dyn Fn(&Choices) -> CellResults) -> (Verdict, String) {
    let Comparison { quantity, cell, relation, than } = comparison;
    let results = of(&cell.choices);
    let (pairs, other) = match than {
        Than::Cell(other) => (pairs(*quantity, &results, &of(&other.choices)), other.name.clone()),
        Than::Number(number) => {
            let pair = |value| (value, *number);
            (values(*quantity, &results).into_iter().map(pair).collect(), number.to_string())
        }
    };
    let Some(interval) = paired_interval(&pairs, CONFIDENCE) else {
        return (Verdict::Open, too_few(comparison, pairs.len(), &other));
    };
    let verdict = judge(*relation, interval);
    (verdict, sentence(comparison, interval, pairs.len(), &other))
}

fn too_few(comparison: &Comparison, n: usize, other: &str) -> String {
    let Comparison { quantity, cell: NamedCell { name, .. }, .. } = comparison;
    let what = quantity.heading();
    format!("{what} of {name} and {other}: {n} of the replicates have both, an interval needs two")
}

/// Returns whether the interval of the difference lies where the relation says.
fn judge(relation: Relation, difference: Interval) -> Verdict {
    let (low, high) = (difference.lower(), difference.upper());
    let (holds, fails) = match relation {
        Relation::Higher => (low > 0.0, high < 0.0),
        Relation::Lower => (high < 0.0, low > 0.0),
        Relation::NotHigher(margin) => (high <= margin, low > margin),
        Relation::NotLower(margin) => (low >= -margin, high < -margin),
        Relation::About(margin) => (low >= -margin && high <= margin, low > margin || high < -margin),
    };
    match (holds, fails) {
        (true, _) => Verdict::Confirmed,
        (false, true) => Verdict::Contradicted,
        (false, false) => Verdict::Open,
    }
}

fn sentence(comparison: &Comparison, difference: Interval, n: usize, other: &str) -> String {
    let Comparison { quantity, cell: NamedCell { name, .. }, relation, .. } = comparison;
    let (what, by) = (quantity.heading(), apart(*quantity, &difference, n));
    let found = match difference.estimate {
        0.0 => format!("{what} of {name} is that of {other} in the mean, {by} apart"),
        above if above > 0.0 => format!("{what} of {name} is {by} above {other}"),
        _ => format!("{what} of {name} is {by} below {other}"),
    };
    match relation {
        Relation::About(margin) => format!("{found}; {margin} counts as the same"),
        Relation::NotHigher(margin) | Relation::NotLower(margin) if *margin > 0.0 => {
            format!("{found}; {margin} counts as no difference")
        }
        _ => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(estimate: f64, half_width: f64) -> Interval {
        Interval { estimate, half_width }
    }

    #[test]
    fn a_verdict_follows_from_where_the_interval_lies() {
        use Relation::{About, Higher, Lower, NotHigher, NotLower};
        use Verdict::{Confirmed, Contradicted, Open};
        let cases = [
            (Higher, at(0.2, 0.1), Confirmed),
            (Higher, at(0.2, 0.3), Open),
            (Higher, at(-0.2, 0.1), Contradicted),
            (Higher, at(0.0, 0.0), Open),
            (Lower, at(-0.2, 0.1), Confirmed),
            (Lower, at(0.2, 0.1), Contradicted),
            (NotHigher(0.0), at(-0.2, 0.1), Confirmed),
            (NotHigher(0.0), at(0.0, 0.1), Open),
            (NotHigher(0.1), at(0.0, 0.1), Confirmed),
            (NotHigher(0.0), at(0.2, 0.1), Contradicted),
            (NotLower(0.1), at(0.0, 0.1), Confirmed),
            (NotLower(0.0), at(-0.2, 0.1), Contradicted),
            (About(0.5), at(0.2, 0.1), Confirmed),
            (About(0.25), at(0.2, 0.1), Open),
            (About(0.05), at(0.2, 0.1), Contradicted),
        ];
        for (relation, interval, verdict) in cases {
            assert_eq!(judge(relation, interval), verdict, "{relation:?} {interval:?}");
        }
    }
}
