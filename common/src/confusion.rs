//! What a classifier takes for what: counts over the samples of a test set.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Counts over the test set, classes × classes: one row a true class, one column a predicted one. In JSON a list of rows.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Confusion {
    classes: usize,
    /// Row by row.
    counts: Box<[u32]>,
}

impl Confusion {
    /// Returns counts of nothing, for so many classes.
    pub fn empty(classes: usize) -> Confusion {
        Confusion { classes, counts: vec![0; classes * classes].into() }
    }

    /// Takes the counts row by row, or `None` where they are not `classes` × `classes`.
    pub fn of_rows(classes: usize, counts: Vec<u32>) -> Option<Confusion> {
        (classes.checked_mul(classes) == Some(counts.len()))
            .then(|| Confusion { classes, counts: counts.into() })
    }

    /// Counts one sample.
    ///
    /// # Panics
    /// Panics when there is no such class.
    pub fn count(&mut self, label: usize, prediction: usize) {
        assert!(prediction < self.classes, "{prediction} is no class of {}", self.classes);
        self.counts[label * self.classes + prediction] += 1;
    }

    /// Returns how many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Returns all counts, row by row.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Returns the rows, one a true class.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        // Without classes there is no row either.
        self.counts.chunks_exact(self.classes.max(1))
    }

    /// Returns how many samples there are.
    pub fn samples(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }

    /// Returns how many of them were taken for what they are.
    pub fn right(&self) -> u64 {
        self.counts.iter().step_by(self.classes + 1).map(|&count| u64::from(count)).sum()
    }

    /// Reads what [`Confusion`] is in JSON, if it is written without blanks; `None` where it is not, or is none. For
    /// readers of many: it takes a tenth of the time of a reader of any JSON.
    pub fn read(json: &str) -> Option<Confusion> {
        let inner = json.strip_prefix("[[")?.strip_suffix("]]")?;
        let classes = inner.bytes().take_while(|byte| *byte != b']').filter(|byte| *byte == b',').count() + 1;
        let mut counts = Vec::with_capacity(classes * classes);
        let mut rest = inner.as_bytes();
        loop {
            let (count, after) = whole_number(rest)?;
            counts.push(count);
            rest = match after {
                [] => return Confusion::of_rows(classes, counts),
                [b',', after @ ..] if counts.len() % classes > 0 => after,
                [b']', b',', b'[', after @ ..] if counts.len() % classes == 0 => after,
                _ => return None,
            };
        }
    }
}

/// Reads the number that a text begins with, and returns what follows it.
fn whole_number(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    if number.is_empty() || number.len() > 1 && number[0] == b'0' {
        return None;
    }
    let add = |sum: u32, digit: &u8| sum.checked_mul(10)?.checked_add(u32::from(digit - b'0'));
    Some((number.iter().try_fold(0, add)?, rest))
}

impl std::fmt::Debug for Confusion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.rows()).finish()
    }
}

impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}

impl<'de> Deserialize<'de> for Confusion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Confusion, D::Error> {
        let rows = Vec::<Vec<u32>>::deserialize(deserializer)?;
        let classes = rows.len();
        if rows.iter().any(|row| row.len() != classes) {
            return Err(D::Error::custom(format!("counts that are not {classes} × {classes}")));
        }
        Ok(Confusion { classes, counts: rows.concat().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Confusion {
        Confusion::of_rows(3, vec![5, 0, 1, 2, 4_294_967_295, 0, 0, 0, 9]).expect("3 × 3")
    }

    #[test]
    fn json_is_a_list_of_rows_and_reads_back_in_both_ways() {
        for confusion in [three(), Confusion::empty(1), Confusion::empty(2)] {
            let json = serde_json::to_string(&confusion).unwrap();
            assert_eq!(serde_json::from_str::<Confusion>(&json).unwrap(), confusion);
            assert_eq!(Confusion::read(&json), Some(confusion), "{json}");
        }
        assert_eq!(serde_json::to_string(&three()).unwrap(), "[[5,0,1],[2,4294967295,0],[0,0,9]]");
        assert_eq!(serde_json::to_string(&Confusion::empty(0)).unwrap(), "[]");
        assert_eq!(serde_json::from_str::<Confusion>("[ ]").unwrap(), Confusion::default());
    }

    #[test]
    fn what_is_no_square_of_counts_is_none() {
        for wrong in [
            "[[1,2],[3]]",
            "[[1,2]]",
            "[[1],[2]]",
            "[[1,2],[3,4],[5,6]]",
            "[[-1]]",
            "[[4294967296]]",
            "[[01]]",
            "[[]]",
        ] {
            assert!(serde_json::from_str::<Confusion>(wrong).is_err(), "{wrong}");
            assert_eq!(Confusion::read(wrong), None, "{wrong}");
        }
        for other in ["", "[", "[]", "[[", "[[1]", "[[1, 2], [3, 4]]", "[[1,2],[3,4]] ", "null"] {
            assert_eq!(Confusion::read(other), None, "{other}");
        }
        assert_eq!(Confusion::of_rows(2, vec![1; 3]), None);
    }

    #[test]
    fn samples_are_counted() {
        let mut confusion = three();
        confusion.count(2, 0);
        assert_eq!(confusion.samples(), 5 + 1 + 2 + 4_294_967_295 + 9 + 1);
        assert_eq!(confusion.right(), 5 + 4_294_967_295 + 9);
        assert_eq!(confusion.rows().nth(2), Some(&[1, 0, 9][..]));
        assert_eq!((Confusion::default().samples(), Confusion::default().right()), (0, 0));
        assert_eq!(Confusion::default().rows().len(), 0);
    }
}
