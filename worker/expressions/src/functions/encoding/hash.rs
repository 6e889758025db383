//! Hashes as hexadecimal text.

use std::sync::Arc;

use arrow::array::StringArray;
use md5::Md5;
use model::Failure;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::AnyBytes;
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

    /// The hash of the bytes.
    pub(super) fn hash(self, bytes: &[u8]) -> String {
        match self {
            Self::Md5 => hex::encode(Md5::digest(bytes)),
            Self::Sha1 => hex::encode(Sha1::digest(bytes)),
            Self::Sha224 => hex::encode(Sha224::digest(bytes)),
            Self::Sha256 => hex::encode(Sha256::digest(bytes)),
            Self::Sha384 => hex::encode(Sha384::digest(bytes)),
            Self::Sha512 => hex::encode(Sha512::digest(bytes)),
        }
    }
}

pub(super) fn kernel(algorithm: Algorithm) -> Result<Kernel, Failure> {
    Ok(Arc::new(move |inputs| {
        let values = AnyBytes::new(inputs, 0)?;
        let hashes = (0..inputs.rows).map(|row| Some(algorithm.hash(values.get(row)?)));
        Ok(Arc::new(hashes.collect::<StringArray>()))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_known_texts() {
        for (algorithm, text, expected) in [
            (Algorithm::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (Algorithm::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                Algorithm::Sha1,
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (Algorithm::Sha224, "abc", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            (Algorithm::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ] {
            assert_eq!(algorithm.hash(text.as_bytes()), expected, "{algorithm:?} of '{text}'");
        }
        assert_eq!(Algorithm::Sha384.hash(b"abc").len(), 96);
        assert_eq!(Algorithm::Sha512.hash(b"abc").len(), 128);
    }
}
