//! The IDX format: two zero bytes, the type of the entries, the number of dimensions, each dimension as a big-endian
//! `u32`, then the entries. Described at the end of <http://yann.lecun.com/exdb/mnist/>.

use super::DataError;
use gridsweep_common::data::DataRole;
use gridsweep_engine::Dataset;

/// The type code of unsigned bytes, the only one that images and labels have.
const UNSIGNED_BYTES: u8 = 8;

/// The entries of an IDX file and its dimensions.
#[derive(Debug)]
struct Idx {
    dimensions: Vec<usize>,
    entries: Vec<u8>,
}

/// Makes a data set of the contents of its four files, in the order of their roles. Inputs may have any number of
/// dimensions: the first counts the samples, the others are one row of inputs.
pub(super) fn dataset([train, train_labels, test, test_labels]: [Vec<u8>; 4]) -> Result<Dataset, DataError> {
    let (train, train_labels) = part(DataRole::TrainImages, train, DataRole::TrainLabels, train_labels)?;
    let (test, test_labels) = part(DataRole::TestImages, test, DataRole::TestLabels, test_labels)?;
    if train.dimensions[1..] != test.dimensions[1..] {
        let (own, others) = (&test.dimensions[1..], &train.dimensions[1..]);
        let what = format!("its samples have the dimensions {own:?}, those of the training set {others:?}");
        return Err(DataError::Malformed { role: DataRole::TestImages, what });
    }
    let inputs = train.dimensions[1..].iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let inputs = inputs.unwrap_or(0);
    let classes = train_labels.iter().chain(&test_labels).max().map_or(1, |&last| usize::from(last) + 1);
    Ok(Dataset::from_bytes(train.entries, train_labels, test.entries, test_labels, inputs, classes)?)
}

/// Reads the inputs and the labels of one part.
fn part(
    role: DataRole,
    inputs: Vec<u8>,
    labels_role: DataRole,
    labels: Vec<u8>,
) -> Result<(Idx, Vec<u8>), DataError> {
    let inputs = parse(inputs).map_err(|what| DataError::Malformed { role, what })?;
    let labels = parse(labels).map_err(|what| DataError::Malformed { role: labels_role, what })?;
    let &[samples, ..] = inputs.dimensions.as_slice() else {
        return Err(DataError::Malformed { role, what: "inputs have at least one dimension".to_owned() });
    };
    match *labels.dimensions.as_slice() {
        [count] if count == samples => Ok((inputs, labels.entries)),
        [count] => {
            let what = format!("there are {count} labels, and {samples} samples");
            Err(DataError::Malformed { role: labels_role, what })
        }
        _ => {
            let what = "labels have one dimension".to_owned();
            Err(DataError::Malformed { role: labels_role, what })
        }
    }
}

fn parse(mut bytes: Vec<u8>) -> Result<Idx, String> {
    let &[0, 0, kind, dimensions, ..] = bytes.as_slice() else {
        return Err("it does not begin as an IDX file does".to_owned());
    };
    if kind != UNSIGNED_BYTES {
        return Err(format!("its entries are of type {kind:#04x}; only unsigned bytes (0x08) are read"));
    }
    let header = 4 + 4 * usize::from(dimensions);
    let sizes = bytes.get(4..header).ok_or("it ends in its header")?;
    let sizes: Vec<usize> = sizes
        .chunks_exact(4)
        .map(|size| u32::from_be_bytes([size[0], size[1], size[2], size[3]]) as usize)
        .collect();
    let expected = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let found = bytes.len() - header;
    if expected != Some(found) {
        return Err(format!("its header announces {sizes:?} entries, and {found} follow"));
    }
    bytes.drain(..header);
    Ok(Idx { dimensions: sizes, entries: bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_follow_their_dimensions() {
        let idx = parse(vec![0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]).ok().unwrap();
        assert_eq!((idx.dimensions, idx.entries), (vec![2, 3], vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn what_is_no_idx_file_is_refused_with_a_reason() {
        let cases: [(&[u8], &str); 5] = [
            (&[], "does not begin"),
            (&[1, 2, 3, 4, 5], "does not begin"),
            (&[0, 0, 13, 1, 0, 0, 0, 0], "only unsigned bytes"),
            (&[0, 0, 8, 3, 0, 0, 0, 2], "ends in its header"),
            (&[0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255, 1], "announces"),
        ];
        for (bytes, reason) in cases {
            let what = parse(bytes.to_vec()).err().unwrap();
            assert!(what.contains(reason), "{what}");
        }
    }

    /// Returns an IDX file of these dimensions.
    fn file(dimensions: &[u32], entries: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, UNSIGNED_BYTES, dimensions.len() as u8];
        dimensions.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        bytes.extend(entries);
        bytes
    }

    #[test]
    fn inputs_have_any_number_of_dimensions() {
        let labels = || file(&[2], &[0, 1]);
        for (dimensions, inputs) in [(&[2][..], 1), (&[2, 3], 3), (&[2, 3, 2], 6), (&[2, 1, 2, 1, 2], 4)] {
            let images = || file(dimensions, &vec![7; 2 * inputs]);
            let data = dataset([images(), labels(), images(), labels()]).unwrap();
            assert_eq!((data.inputs_per_sample(), data.classes()), (inputs, 2));
        }
    }

    #[test]
    fn files_that_do_not_fit_together_are_refused_with_a_reason() {
        let (images, labels) = (file(&[2, 2], &[0; 4]), file(&[2], &[0, 1]));
        let most = u32::MAX;
        let cases = [
            ([file(&[], &[0]), labels.clone(), images.clone(), labels.clone()], "at least one dimension"),
            (
                [images.clone(), file(&[3], &[0, 1, 0]), images.clone(), labels.clone()],
                "3 labels, and 2 samples",
            ),
            ([images.clone(), file(&[2, 1], &[0, 1]), images.clone(), labels.clone()], "one dimension"),
            ([images.clone(), labels.clone(), file(&[2, 1], &[0; 2]), labels.clone()], "dimensions [1]"),
            ([file(&[0, most, most, most], &[]), file(&[0], &[]), images, labels], "dimensions [2]"),
        ];
        for (contents, reason) in cases {
            let error = dataset(contents).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let empty = || file(&[0, most, most, most], &[]);
        assert!(dataset([empty(), file(&[0], &[]), empty(), file(&[0], &[])]).is_err());
    }

    /// Bytes that begin as an IDX file does, and others.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let dimensions = prop::collection::vec(prop_oneof![0_u32..4, Just(u32::MAX), any::<u32>()], 0..5);
        let entries = || prop::collection::vec(any::<u8>(), 0..64);
        let like = (dimensions, entries()).prop_map(|(dimensions, entries)| file(&dimensions, &entries));
        let small = prop::collection::vec(0_u32..4, 0..4).prop_map(|dimensions| {
            file(&dimensions, &vec![1; dimensions.iter().map(|&size| size as usize).product()])
        });
        prop_oneof![entries(), like, small]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn arbitrary_bytes_never_panic(files in prop::array::uniform4(content())) {
            let _ = dataset(files);
        }
    }
}
