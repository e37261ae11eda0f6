//! How probable it is that one cell does better than another.

use crate::metric::Better;

/// The 0.975 quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The probability that the first cell does better than the second with the same seed, as the pairs show it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Outperforming {
    /// The share of the pairs that the first one wins; a tie is half a win.
    pub share: f64,
    /// The lower end of its 95 % interval, not below 0.
    pub lower: f64,
    /// The upper end, not above 1.
    pub upper: f64,
}

/// Returns the share of the pairs in which the first value is the better one, ties half, and its 95 % interval. `None`
/// without pairs, and where neither direction is better.
///
/// The share estimates P(A > B): Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks" (MLSys 2021,
/// arXiv 2103.03098), section 4.2. They bootstrap its interval over dozens of pairs; over a handful the bootstrap can only
/// return the shares that those pairs can form, and it is random. So this is Wilson's score interval,
/// (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), which stays within 0 … 1 and has a width also where all pairs agree
/// (Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927; recommended for few
/// values by Brown, Cai and DasGupta, Statistical Science 16, 2001).
pub fn outperforming(pairs: &[(f64, f64)], better: Better) -> Option<Outperforming> {
    let wins = |(a, b): &(f64, f64)| {
        let (winner, loser) = if better == Better::Lower { (b, a) } else { (a, b) };
        if winner > loser {
            1.0
        } else if winner == loser {
            0.5
        } else {
            0.0
        }
    };
    if pairs.is_empty() || better == Better::Neither {
        return None;
    }
    let n = pairs.len() as f64;
    let share = pairs.iter().map(wins).sum::<f64>() / n;
    let (centre, shrink) = (share + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let lower = ((centre - spread) / shrink).max(0.0);
    let upper = ((centre + spread) / shrink).min(1.0);
    Some(Outperforming { share, lower, upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_half_a_win_and_the_direction_counts() {
        let pairs = [(0.9, 0.8), (0.9, 0.9), (0.7, 0.8), (0.9, 0.1)];
        assert_eq!(outperforming(&pairs, Better::Higher).unwrap().share, 2.5 / 4.0);
        assert_eq!(outperforming(&pairs, Better::Lower).unwrap().share, 1.5 / 4.0);
        assert_eq!(outperforming(&pairs, Better::Neither), None);
        assert_eq!(outperforming(&[], Better::Higher), None);
    }

    #[test]
    fn three_wins_of_three_are_no_certainty() {
        let won = outperforming(&[(1.0, 0.0); 3], Better::Higher).unwrap();
        // n/(n + z²): the closed form of the lower end where all pairs are won.
        assert!((won.lower - 3.0 / (3.0 + Z * Z)).abs() < 1e-15, "{won:?}");
        assert_eq!((won.share, won.upper), (1.0, 1.0));
        let many = outperforming(&[(1.0, 0.0); 100], Better::Higher).unwrap();
        assert!(many.lower > 0.96, "{many:?}");
    }
}
