//! The IDX format: two zero bytes, the type of the entries, the number of dimensions, each dimension as a big-endian
//! `u32`, then the entries. Described at the end of <http://yann.lecun.com/exdb/mnist/>.

use super::DataError;
use gridsweep_common::data::DataRole;
use gridsweep_engine::Dataset;

/// The type code of unsigned bytes, the only one that images and labels have.
const UNSIGNED_BYTES: u8 = 8;

/// The entries of an IDX file and its dimensions.
struct Idx {
    dimensions: Vec<usize>,
    entries: Vec<u8>,
}

/// Makes a data set of the contents of its four files.
pub(super) fn dataset(
    train_images: Vec<u8>,
    train_labels: Vec<u8>,
    test_images: Vec<u8>,
    test_labels: Vec<u8>,
) -> Result<Dataset, DataError> {
    let train = images(DataRole::TrainImages, train_images)?;
    let test = images(DataRole::TestImages, test_images)?;
    let train_labels = labels(DataRole::TrainLabels, train_labels)?;
    let test_labels = labels(DataRole::TestLabels, test_labels)?;
    let inputs = train.dimensions.iter().skip(1).product();
    let classes = train_labels.iter().chain(&test_labels).max().map_or(1, |&last| usize::from(last) + 1);
    Ok(Dataset::from_bytes(train.entries, train_labels, test.entries, test_labels, inputs, classes)?)
}

fn images(role: DataRole, bytes: Vec<u8>) -> Result<Idx, DataError> {
    let idx = parse(bytes).map_err(|what| DataError::Malformed { role, what })?;
    if idx.dimensions.len() < 2 {
        return Err(DataError::Malformed { role, what: "images have at least two dimensions".to_owned() });
    }
    Ok(idx)
}

fn labels(role: DataRole, bytes: Vec<u8>) -> Result<Vec<u8>, DataError> {
    let idx = parse(bytes).map_err(|what| DataError::Malformed { role, what })?;
    if idx.dimensions.len() != 1 {
        return Err(DataError::Malformed { role, what: "labels have one dimension".to_owned() });
    }
    Ok(idx.entries)
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
}
