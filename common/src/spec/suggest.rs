//! What someone may have meant.

/// Longer words are not compared: nobody misspells them by one letter, and comparing costs the product of lengths.
const LENGTH_MOST: usize = 64;

/// Returns the candidate that `word` most likely stands for: at most two slips away, or one the beginning of the other.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > LENGTH_MOST {
        return None;
    }
    let close = |candidate: &&'a str| {
        let slips = slips_between(word, candidate);
        let allowed = if word.chars().count() < 5 { 1 } else { 2 };
        let begins = word.len() >= 3 && candidate.len() >= 3;
        (slips <= allowed || begins && (candidate.starts_with(word) || word.starts_with(candidate)))
            .then_some(slips)
    };
    let scored = candidates.into_iter().filter_map(|candidate| Some((close(&candidate)?, candidate)));
    scored.min_by_key(|(slips, _)| *slips).map(|(_, candidate)| candidate)
}

/// Returns `did you mean …?` for the nearest candidate.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// Returns the number of insertions, deletions, replacements and swaps of neighbours between two words (optimal string
/// alignment).
fn slips_between(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swapped = if swapped { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(swapped)
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognized_and_other_words_are_not() {
        let names = ["coefficient", "regularizer", "epochs", "l1", "l2"];
        let cases = [
            ("coeficient", Some("coefficient")),
            ("regulraizer", Some("regularizer")),
            ("epoch", Some("epochs")),
            ("coeff", Some("coefficient")),
            ("L1", Some("l1")),
            ("ridge", None),
            ("", None),
        ];
        for (word, meant) in cases {
            assert_eq!(nearest(word, names), meant, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), names), None);
    }
}
