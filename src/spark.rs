//! Curves of one line, for a terminal.

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// What stands where nothing is finite.
const GAP: char = '·';

/// Draws values from left to right in at most `width` characters, the lowest at the bottom and the highest at the top;
/// where there are more of them, each character is the mean of its share.
pub(crate) fn line(values: &[f64], width: usize) -> String {
    let columns = values.len().min(width.max(1));
    let share =
        |column: usize| &values[column * values.len() / columns..(column + 1) * values.len() / columns];
    let means: Vec<Option<f64>> = (0..columns).map(|column| mean(share(column))).collect();
    let finite = || means.iter().flatten().copied();
    let (least, most) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    means.iter().map(|mean| mean.map_or(GAP, |mean| level(mean, least, most))).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    (!finite.is_empty()).then(|| finite.iter().map(|value| value / finite.len() as f64).sum())
}

fn level(value: f64, least: f64, most: f64) -> char {
    let height = (value / 2.0 - least / 2.0) / (most / 2.0 - least / 2.0);
    if height.is_nan() {
        return LEVELS[0];
    }
    LEVELS[((height * LEVELS.len() as f64) as usize).min(LEVELS.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_begins_high_where_its_values_do_and_fits_its_width() {
        assert_eq!(line(&[3.0, 2.0, 1.0], 10), "█▅▁");
        assert_eq!(line(&[1.0; 4], 10), "▁▁▁▁");
        assert_eq!(line(&[0.0, 0.0, 4.0, 4.0], 2), "▁█");
        assert_eq!(line(&[], 10), "");
        for length in 1..200 {
            let values: Vec<f64> = (0..length).map(f64::from).collect();
            assert_eq!(line(&values, 30).chars().count(), values.len().min(30));
        }
    }

    #[test]
    fn what_is_not_finite_is_a_gap_and_hides_nothing_else() {
        assert_eq!(line(&[1.0, f64::NAN, 2.0], 10), "▁·█");
        assert_eq!(line(&[f64::INFINITY, f64::NAN], 10), "··");
        assert_eq!(line(&[f64::MAX, -f64::MAX], 10), "█▁");
    }
}
