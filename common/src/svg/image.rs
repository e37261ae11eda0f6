//! Images within a picture: a hundred thousand weights are no hundred thousand rectangles.

use super::colour::Rgb;
use miniz_oxide::deflate::compress_to_vec_zlib;

/// How hard the encoder tries: more makes the files of weights hardly smaller.
const EFFORT: u8 = 6;

/// Pixels of at most 256 colours, row by row from the top.
#[derive(Clone, Debug)]
pub struct Pixels {
    /// How many stand side by side.
    pub width: usize,
    /// What colour each has, by its number in the palette; `width` times the number of rows.
    pub indices: Vec<u8>,
    /// At most 256 colours.
    pub palette: Vec<Rgb>,
}

impl Pixels {
    /// Returns the image as a PNG file (ISO/IEC 15948) within a `data:` address.
    pub fn data_address(&self) -> String {
        format!("data:image/png;base64,{}", base64(&self.png()))
    }

    fn png(&self) -> Vec<u8> {
        let width = self.width.max(1);
        let height = self.indices.len() / width;
        let mut header = Vec::new();
        header.extend(u32::try_from(width).unwrap_or(u32::MAX).to_be_bytes());
        header.extend(u32::try_from(height).unwrap_or(u32::MAX).to_be_bytes());
        // Eight bits a pixel, colours from a palette, the only compression and filtering there are, no interlacing.
        header.extend([8, 3, 0, 0, 0]);
        let palette: Vec<u8> =
            self.palette.iter().flat_map(|colour| [colour.0, colour.1, colour.2]).collect();
        let mut rows = Vec::with_capacity(self.indices.len() + height);
        for row in self.indices.chunks_exact(width) {
            rows.push(0);
            rows.extend_from_slice(row);
        }
        let mut out = vec![0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];
        chunk(&mut out, *b"IHDR", &header);
        chunk(&mut out, *b"PLTE", &palette);
        chunk(&mut out, *b"IDAT", &compress_to_vec_zlib(&rows, EFFORT));
        chunk(&mut out, *b"IEND", &[]);
        out
    }
}

fn chunk(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    out.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    let from = out.len();
    out.extend(kind);
    out.extend_from_slice(data);
    let check = crc32(&out[from..]);
    out.extend(check.to_be_bytes());
}

/// Returns the cyclic redundancy check of PNG, bit by bit (annex D of the standard).
fn crc32(bytes: &[u8]) -> u32 {
    let mut table = [0u32; 256];
    for (byte, entry) in (0..).zip(&mut table) {
        *entry = (0..8).fold(byte, |rest: u32, _| (rest >> 1) ^ if rest & 1 == 1 { 0xedb8_8320 } else { 0 });
    }
    !bytes
        .iter()
        .fold(u32::MAX, |rest, &byte| table[((rest ^ u32::from(byte)) & 0xff) as usize] ^ (rest >> 8))
}

/// Writes bytes in base 64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place > three.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_the_standard() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_check_is_that_of_the_standard() {
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
