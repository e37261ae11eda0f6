//! The weights artifact of a trial: a safetensors file, which any tool of the trade opens.
//!
//! The format (`huggingface/safetensors`, "Format" in its README): the length of the header as a little-endian `u64`, the
//! header as JSON, the tensors without gaps. The tensors stand in the order that `weights_digest` covers: layer by layer, the
//! kernel [inputs × units] row after row, then the biases. So the digest in a trial's result is that of everything behind
//! the header, and the header follows from the result: whoever has a result can tell whether a file is its weights.

use crate::id::Digest;
use crate::metric::Evaluation;

/// The parameters of a trained network.
#[derive(Clone, PartialEq, Debug)]
pub struct Weights {
    /// From the input to the output.
    pub layers: Vec<Layer>,
}

/// The parameters of one layer.
#[derive(Clone, PartialEq, Debug)]
pub struct Layer {
    /// Units of the layer before, or inputs: rows of the kernel.
    pub inputs: usize,
    /// Units of this layer: columns of the kernel.
    pub units: usize,
    /// `inputs × units` weights, row after row.
    pub kernel: Vec<f32>,
    /// One a unit.
    pub biases: Vec<f32>,
}

/// Why bytes are not the weights of a result.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WeightsError {
    /// Too few or too many, or of other shapes.
    #[error("it does not begin as the weights of this result do, or has another length")]
    OtherShape,
    /// The right shapes and other numbers.
    #[error("its numbers have the digest {found}, those of the result {wanted}")]
    OtherNumbers {
        /// The digest of what is there.
        found: Digest,
        /// The digest in the result.
        wanted: Digest,
    },
}

/// Returns how many bytes the tensors of a result take, without the header; `None` where no file could hold them.
pub fn tensor_bytes(of: &Evaluation) -> Option<u64> {
    of.matrices.iter().try_fold(0_u64, |sum, matrix| {
        let numbers = (u64::from(matrix.inputs) + 1).checked_mul(u64::from(matrix.units))?;
        sum.checked_add(numbers.checked_mul(4)?)
    })
}

/// Returns what a file with the weights of a result begins with: the length of the header and the header, which names
/// every tensor with its shape and place, padded with spaces so that the tensors begin at a multiple of eight. `None`
/// where no file could hold them.
pub fn header(of: &Evaluation) -> Option<Vec<u8>> {
    tensor_bytes(of)?;
    let mut json = format!("{{\"__metadata__\":{{\"weights_digest\":\"{}\"}}", of.weights_digest);
    let mut start = 0_u64;
    for (matrix, number) in of.matrices.iter().zip(1..) {
        let (inputs, units) = (u64::from(matrix.inputs), u64::from(matrix.units));
        let tensors =
            [("kernel", format!("{inputs},{units}"), inputs * units), ("bias", units.to_string(), units)];
        for (name, shape, numbers) in tensors {
            let end = start + 4 * numbers;
            json += &format!(
                ",\"layer_{number}.{name}\":{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[{start},{end}]}}"
            );
            start = end;
        }
    }
    json.push('}');
    let length = json.len().next_multiple_of(8);
    json.extend(std::iter::repeat_n(' ', length - json.len()));
    Some([&(length as u64).to_le_bytes()[..], json.as_bytes()].concat())
}

/// Reads the weights of a result, and checks that they are its own.
///
/// # Errors
/// [`WeightsError`] where the bytes are not exactly the file of this result.
pub fn read(bytes: &[u8], of: &Evaluation) -> Result<Weights, WeightsError> {
    let tensors =
        header(of).and_then(|header| bytes.strip_prefix(&*header)).ok_or(WeightsError::OtherShape)?;
    if Some(tensors.len() as u64) != tensor_bytes(of) {
        return Err(WeightsError::OtherShape);
    }
    let found = Digest::of(tensors);
    if found != of.weights_digest {
        return Err(WeightsError::OtherNumbers { found, wanted: of.weights_digest });
    }
    let numbers =
        tensors.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    let mut numbers = numbers.fuse();
    let layer = |matrix: &crate::metric::MatrixSummary| {
        let (inputs, units) = (matrix.inputs as usize, matrix.units as usize);
        let kernel = numbers.by_ref().take(inputs * units).collect();
        Layer { inputs, units, kernel, biases: numbers.by_ref().take(units).collect() }
    };
    Ok(Weights { layers: of.matrices.iter().map(layer).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confusion::Confusion;
    use crate::metric::MatrixSummary;

    fn tensors() -> Vec<u8> {
        (0..11).flat_map(|n| (n as f32 / 4.0).to_le_bytes()).collect()
    }

    fn evaluation() -> Evaluation {
        let matrix = |inputs, units| MatrixSummary {
            inputs,
            units,
            sparsity: 0.0,
            mean_absolute: 0.0,
            histogram: vec![],
        };
        Evaluation {
            validation_loss: 0.0,
            test_loss: 0.0,
            test_accuracy: 0.0,
            confusion: Confusion::default(),
            matrices: vec![matrix(3, 2), matrix(2, 1)],
            weights_digest: Digest::of(&tensors()),
        }
    }

    fn file() -> Vec<u8> {
        [header(&evaluation()).unwrap(), tensors()].concat()
    }

    #[test]
    fn the_weights_of_a_result_are_read_back_layer_by_layer() {
        let weights = read(&file(), &evaluation()).unwrap();
        let first = &weights.layers[0];
        assert_eq!((first.inputs, first.units), (3, 2));
        assert_eq!(first.kernel, [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]);
        assert_eq!(first.biases, [1.5, 1.75]);
        assert_eq!(weights.layers[1].kernel, [2.0, 2.25]);
        assert_eq!(weights.layers[1].biases, [2.5]);
    }

    #[test]
    fn the_header_names_every_tensor_without_gaps() {
        let file = file();
        let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        assert_eq!((8 + length) % 8, 0);
        let json: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
        let offsets = |name: &str| json[name]["data_offsets"].to_string();
        let names = ["layer_1.kernel", "layer_1.bias", "layer_2.kernel", "layer_2.bias"];
        assert_eq!(names.map(offsets), ["[0,24]", "[24,32]", "[32,40]", "[40,44]"]);
        assert_eq!(json["layer_1.kernel"]["shape"].to_string(), "[3,2]");
        assert_eq!(json["__metadata__"]["weights_digest"], evaluation().weights_digest.to_string());
        assert_eq!(tensor_bytes(&evaluation()), Some(44));
    }

    #[test]
    fn what_is_not_exactly_the_file_of_the_result_is_refused() {
        let good = file();
        let flipped = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        };
        let longer = [&good[..], &[0]].concat();
        for wrong in
            [vec![], good[..20].to_vec(), good[..good.len() - 1].to_vec(), longer, flipped(0), flipped(30)]
        {
            assert_eq!(read(&wrong, &evaluation()), Err(WeightsError::OtherShape));
        }
        let last = good.len() - 1;
        assert!(matches!(read(&flipped(last), &evaluation()), Err(WeightsError::OtherNumbers { .. })));
    }

    #[test]
    fn shapes_that_no_file_holds_are_told() {
        let mut huge = evaluation();
        huge.matrices[0].inputs = u32::MAX;
        huge.matrices[0].units = u32::MAX;
        assert_eq!((tensor_bytes(&huge), header(&huge)), (None, None));
        assert_eq!(read(&file(), &huge), Err(WeightsError::OtherShape));
    }
}
