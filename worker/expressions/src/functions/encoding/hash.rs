//! Hashes as hexadecimal text. DataFusion has all but SHA-1.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, StringArray, StringBuilder},
    datatypes::{DataType as Arrow, Field},
};
use datafusion_common::config::ConfigOptions;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs};
use datafusion_functions::crypto;
use model::Failure;

use super::{LOWER, write_hex};
use crate::function::Kernel;

#[derive(Clone, Copy, Debug)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    pub(super) fn sha2(bits: i64) -> Option<Self> {
        Some(match bits {
            224 => Self::Sha224,
            256 => Self::Sha256,
            384 => Self::Sha384,
            512 => Self::Sha512,
            _ => return None,
        })
    }
}

pub(super) fn kernel(algorithm: Algorithm) -> Result<Kernel, Failure> {
    Ok(Arc::new(move |inputs| Ok(Arc::new(hashed(algorithm, &inputs.arg(0)?.array)?))))
}

/// The hash of each value.
pub(super) fn hashed(algorithm: Algorithm, values: &ArrayRef) -> Result<StringArray, Failure> {
    let bytes = arrow::compute::cast(values, &Arrow::Binary)?;
    let udf = match algorithm {
        Algorithm::Sha1 => {
            let digests = bytes.as_binary::<i32>().iter().map(|value| value.map(sha1));
            return hex(digests);
        }
        Algorithm::Md5 => crypto::md5(),
        Algorithm::Sha224 => crypto::sha224(),
        Algorithm::Sha256 => crypto::sha256(),
        Algorithm::Sha384 => crypto::sha384(),
        Algorithm::Sha512 => crypto::sha512(),
    };
    let failed = |error| Failure::internal(format!("{algorithm:?}: {error}"));
    let rows = bytes.len();
    let return_type = udf.return_type(&[Arrow::Binary]).map_err(failed)?;
    let value = udf
        .invoke_with_args(ScalarFunctionArgs {
            args: vec![ColumnarValue::Array(bytes)],
            arg_fields: vec![Arc::new(Field::new("value", Arrow::Binary, true))],
            number_rows: rows,
            return_field: Arc::new(Field::new("hash", return_type, true)),
            config_options: Arc::new(ConfigOptions::default()),
        })
        .map_err(failed)?;
    let array = value.into_array(rows).map_err(failed)?;
    if array.data_type() == &Arrow::Binary {
        return hex(array.as_binary::<i32>().iter());
    }
    let texts = arrow::compute::cast(&array, &Arrow::Utf8)?;
    Ok(texts.as_string::<i32>().clone())
}

fn hex(digests: impl Iterator<Item = Option<impl AsRef<[u8]>>>) -> Result<StringArray, Failure> {
    let mut out = StringBuilder::new();
    for digest in digests {
        match digest {
            None => out.append_null(),
            Some(digest) => {
                write_hex(&mut out, digest.as_ref(), LOWER).map_err(|_| Failure::internal("text cannot be written"))?;
                out.append_value("");
            }
        }
    }
    Ok(out.finish())
}

/// SHA-1 as in FIPS 180-4.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    // The length takes the last eight bytes of a block.
    padded.resize((padded.len() + 8).next_multiple_of(64), 0);
    let length_at = padded.len() - 8;
    padded[length_at..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        for index in 16..80 {
            words[index] = (words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (index, word) in words.iter().enumerate() {
            let (mixed, constant) = match index / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, value) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(value);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_has_its_known_values() {
        for (message, expected) in [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
        ] {
            let text = hex([Some(sha1(message.as_bytes()))].into_iter()).unwrap();
            assert_eq!(text.value(0), expected);
        }
    }
}
