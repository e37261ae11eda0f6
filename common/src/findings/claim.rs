//! Whether a sentence holds: confirmed, contradicted, or not to be told from what was measured.

use super::{Claim, Comparison, NamedCell, Relation, Than, apart, begun, called, pairs, values};
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
    /// What each comparison says, and a sentence that says why.
    pub because: Vec<(Verdict, String)>,
}

/// Answers a claim from the cells that `of` finds.
pub fn answer(claim: &Claim, of: &dyn Fn(&Choices) -> CellResults) -> Answer {
    let because: Vec<(Verdict, String)> = claim.holds.iter().map(|holds| compare(holds, of)).collect();
    let verdict = because.iter().map(|(verdict, _)| *verdict).max().unwrap_or(Verdict::Open);
    Answer { verdict, because }
}

fn compare(comparison: &Comparison, of: &dyn Fn(&Choices) -> CellResults) -> (Verdict, String) {
    let Comparison { quantity, cell, relation, than } = comparison;
    let results = of(&cell.choices);
    let pairs = match than {
        Than::Cell(other) => pairs(*quantity, &results, &of(&other.choices)),
        Than::Number(number) => {
            values(*quantity, &results).into_iter().map(|value| (value, *number)).collect()
        }
    };
    let Some(interval) = paired_interval(&pairs, CONFIDENCE) else {
        return (Verdict::Open, too_few(comparison, pairs.len()));
    };
    (judge(*relation, interval), sentence(comparison, interval, pairs.len()))
}

/// The parts of a sentence: what is compared and where, of which cell, with what.
struct Parts {
    what: String,
    cell: String,
    other: String,
}

impl Parts {
    fn of(Comparison { quantity, cell, than, .. }: &Comparison) -> Parts {
        let what = begun(&called(*quantity));
        let quoted = |cell: &NamedCell| match cell.label.is_empty() {
            true => format!("“{}”", cell.title),
            false => format!("“{}” ({})", cell.title, cell.label),
        };
        match than {
            // Cells of one study differ in their labels: the study is named once.
            Than::Cell(other) if other.study == cell.study => Parts {
                what: format!("{what} in “{}”", cell.title),
                cell: cell.label.clone(),
                other: other.label.clone(),
            },
            Than::Cell(other) => Parts { what, cell: quoted(cell), other: quoted(other) },
            Than::Number(number) => Parts { what, cell: quoted(cell), other: number.to_string() },
        }
    }
}

fn too_few(comparison: &Comparison, n: usize) -> String {
    let Parts { what, cell, other } = Parts::of(comparison);
    let with = match n {
        0 => "no replicate has".to_owned(),
        1 => "one replicate has".to_owned(),
        n => format!("{n} replicates have"),
    };
    let both = if matches!(comparison.than, Than::Cell(_)) { "both values" } else { "a value" };
    format!("{what}: {cell} is not compared with {other} yet: {with} {both}, an interval needs two")
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

fn sentence(comparison: &Comparison, difference: Interval, n: usize) -> String {
    let Parts { what, cell, other } = Parts::of(comparison);
    let by = apart(comparison.quantity, &difference, n);
    // A difference that is rounded to nothing is neither above nor below.
    let is_none = by.split(' ').next().and_then(|mean| mean.parse().ok()) == Some(0.0);
    let found = match difference.estimate {
        _ if is_none => format!("{what}: {cell} differs from {other} by {by}"),
        above if above > 0.0 => format!("{what}: {cell} is {by} above {other}"),
        _ => format!("{what}: {cell} is {by} below {other}"),
    };
    match comparison.relation {
        Relation::NotHigher(margin) | Relation::NotLower(margin) | Relation::About(margin)
            if margin > 0.0 =>
        {
            format!("{found} (up to {margin} counts as no difference)")
        }
        _ => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::table::Quantity;

    fn at(estimate: f64, half_width: f64) -> Interval {
        Interval { estimate, half_width }
    }

    fn named(study: usize, title: &str, label: &str) -> NamedCell {
        let choices = crate::choice::Choices::default();
        NamedCell { study, choices, title: title.to_owned(), label: label.to_owned() }
    }

    #[test]
    fn a_sentence_says_what_stands_where_and_by_how_much() {
        let quantity = Quantity::Metric(Metric::TestAccuracy);
        let comparison =
            |than, relation| Comparison { quantity, cell: named(0, "L2", "coefficient 0.1"), relation, than };
        let said = |than, relation, estimate| sentence(&comparison(than, relation), at(estimate, 0.004), 3);
        let same = || Than::Cell(named(0, "L2", "coefficient 1"));
        assert_eq!(
            said(same(), Relation::Higher, 0.02),
            "Test accuracy in “L2”: coefficient 0.1 is 0.0200 ±0.0040 above coefficient 1"
        );
        assert_eq!(
            said(Than::Cell(named(1, "Benchmark", "")), Relation::About(0.05), -0.02),
            "Test accuracy: “L2” (coefficient 0.1) is 0.0200 ±0.0040 below “Benchmark” (up to 0.05 counts as no difference)"
        );
        assert_eq!(
            said(Than::Number(0.1135), Relation::Lower, 0.00001),
            "Test accuracy: “L2” (coefficient 0.1) differs from 0.1135 by 0.0000 ±0.0040"
        );
        assert_eq!(
            too_few(&comparison(same(), Relation::Lower), 1),
            "Test accuracy in “L2”: coefficient 0.1 is not compared with coefficient 1 yet: one replicate has both values, \
             an interval needs two"
        );
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
