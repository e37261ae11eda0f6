//! The formulas beside SciPy and statsmodels, on the random tables of `tests/numeric/statistics.py`.

use super::*;
use crate::metric::Better;
use serde::Deserialize;

/// How far a number may be from theirs, of itself.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Cases {
    quantiles: Vec<QuantileCase>,
    means: Vec<MeanCase>,
    pairs: Vec<PairCase>,
    grids: Vec<GridCase>,
}

#[derive(Deserialize)]
struct QuantileCase {
    dof: f64,
    probability: f64,
    t: f64,
}

#[derive(Deserialize)]
struct MeanCase {
    values: Vec<f64>,
    mean: f64,
    sd: f64,
    half_width: f64,
}

#[derive(Deserialize)]
struct PairCase {
    a: Vec<f64>,
    b: Vec<f64>,
    difference: f64,
    half_width: f64,
    share_won: f64,
    won_lower: f64,
    won_upper: f64,
    welch: f64,
    welch_half_width: f64,
}

#[derive(Deserialize)]
struct GridCase {
    levels: Vec<usize>,
    cells: Vec<Vec<f64>>,
    effects: Vec<EffectCase>,
    within: f64,
    total: f64,
}

#[derive(Deserialize)]
struct EffectCase {
    axes: Vec<usize>,
    dof: usize,
    sum_of_squares: f64,
}

fn cases() -> Cases {
    serde_json::from_str(include_str!("../../../tests/numeric/statistics.json")).unwrap()
}

/// Fails unless two numbers agree; `scale` is what they are small against.
fn agree(ours: f64, theirs: f64, scale: f64, what: &str) {
    assert!(is_close(ours, theirs, scale), "{what}: {ours}, theirs {theirs}");
}

fn is_close(ours: f64, theirs: f64, scale: f64) -> bool {
    (ours - theirs).abs() <= TOLERANCE * theirs.abs().max(scale)
}

#[test]
fn a_number_that_is_off_by_more_is_rejected() {
    assert!(is_close(1.0, 1.0 + 0.9e-9, 0.0));
    assert!(!is_close(1.0, 1.0 + 1.1e-9, 0.0));
    assert!(!is_close(1.0, f64::NAN, 0.0));
}

#[test]
fn quantiles_agree_with_scipy() {
    for QuantileCase { dof, probability, t } in cases().quantiles {
        agree(t_quantile(probability, dof), t, 0.0, &format!("t({probability}; {dof})"));
    }
}

#[test]
fn means_and_their_intervals_agree_with_scipy() {
    let cases = cases().means;
    assert!(cases.len() > 20);
    for case in cases {
        agree(mean(&case.values).unwrap(), case.mean, 0.0, "mean");
        agree(sample_sd(&case.values).unwrap(), case.sd, 0.0, "standard deviation");
        // They take the difference of two ends, each as large as the mean: what it loses is not ours.
        agree(half_width_95(&case.values).unwrap(), case.half_width, case.mean.abs() * 1e-5, "half-width");
    }
}

#[test]
fn paired_and_welch_differences_agree_with_scipy() {
    let cases = cases().pairs;
    assert!(cases.len() > 20 && cases.iter().any(|case| case.share_won.fract() != 0.0));
    for case in cases {
        let pairs: Vec<(f64, f64)> = case.a.iter().copied().zip(case.b.iter().copied()).collect();
        let scale = case.difference.abs().max(case.half_width);
        let paired = paired_interval(&pairs, 0.95).unwrap();
        agree(paired.estimate, case.difference, scale, "paired difference");
        agree(paired.half_width, case.half_width, scale, "its half-width");
        let welch = welch_interval(&case.a, &case.b, 0.95).unwrap();
        agree(welch.estimate, case.welch, case.welch_half_width, "Welch's difference");
        agree(welch.half_width, case.welch_half_width, 0.0, "its half-width");
    }
}

#[test]
fn the_share_won_has_the_interval_of_statsmodels() {
    for case in cases().pairs {
        let pairs: Vec<(f64, f64)> = case.a.iter().copied().zip(case.b.iter().copied()).collect();
        let won = outperforming(&pairs, Better::Higher).unwrap();
        agree(won.share, case.share_won, 0.0, "share won");
        agree(won.lower, case.won_lower, 1e-6, "its lower end");
        agree(won.upper, case.won_upper, 0.0, "its upper end");
    }
}

#[test]
fn sums_of_squares_of_balanced_grids_agree_with_statsmodels() {
    let cases = cases().grids;
    assert!(cases.iter().any(|case| case.levels.len() > 3));
    for case in cases {
        let cells: Vec<&[f64]> = case.cells.iter().map(Vec::as_slice).collect();
        let found = variance::decompose(&case.levels, &cells).unwrap();
        let total = found.total.sum_of_squares;
        agree(total, case.total, 0.0, "total");
        agree(found.within.sum_of_squares, case.within, 0.0, "within");
        assert_eq!(found.effects.len(), case.effects.len());
        for (ours, theirs) in found.effects.iter().zip(&case.effects) {
            assert_eq!((&ours.axes, ours.part.dof), (&theirs.axes, theirs.dof));
            agree(ours.part.sum_of_squares, theirs.sum_of_squares, 1e-3 * total, "effect");
        }
    }
}
