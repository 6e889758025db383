//! Compressed files: known by their suffix, decompressed piece by piece.

use std::io::Write;

use bytes::Bytes;
use model::Failure;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// What the suffix of a file says.
    pub(super) fn of(uri: &str) -> Option<Self> {
        if uri.ends_with(".gz") {
            Some(Self::Gzip)
        } else if uri.ends_with(".zst") {
            Some(Self::Zstd)
        } else {
            None
        }
    }
}

/// About how many bytes are given at a time, however many a piece stands for.
const OUTPUT_BYTES: usize = 256 << 10;

/// Decompresses one file from its start.
pub(super) enum Decompressor {
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
    Zstd(Box<Zstd>),
}

impl Decompressor {
    pub(super) fn new(compression: Compression, file: &str) -> Result<Self, Failure> {
        Ok(match compression {
            Compression::Gzip => Self::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new()))),
            Compression::Zstd => {
                let decoder = zstd::stream::raw::Decoder::new().map_err(|error| damaged(file, "zstd", &error))?;
                Self::Zstd(Box::new(Zstd { decoder, is_whole: true, is_full: false }))
            }
        })
    }

    /// What a piece of the file adds, a part of it with each call, which takes what it is made of off the piece; none at
    /// the end of the piece.
    pub(super) fn decompress(&mut self, piece: &mut Bytes, file: &str) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Gzip(decoder) => gunzip(decoder, piece).map_err(|error| damaged(file, "gzip", &error)),
            Self::Zstd(decoder) => decoder.run(piece).map_err(|error| damaged(file, "zstd", &error)),
        }
    }

    /// What remains at the end of the file.
    pub(super) fn finish(self, file: &str) -> Result<Bytes, Failure> {
        match self {
            Self::Gzip(decoder) => decoder.finish().map(Bytes::from).map_err(|error| damaged(file, "gzip", &error)),
            Self::Zstd(decoder) if decoder.is_whole => Ok(Bytes::new()),
            Self::Zstd(_) => Err(damaged(file, "zstd", &"the file ends within a frame")),
        }
    }
}

fn gunzip(decoder: &mut flate2::write::MultiGzDecoder<Vec<u8>>, piece: &mut Bytes) -> std::io::Result<Option<Bytes>> {
    // Each write gives a bounded buffer at most.
    while !piece.is_empty() && decoder.get_ref().len() < OUTPUT_BYTES {
        let taken = decoder.write(piece)?;
        if taken == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        let _ = piece.split_to(taken);
    }
    let output = std::mem::take(decoder.get_mut());
    Ok((!output.is_empty()).then(|| output.into()))
}

pub(super) struct Zstd {
    decoder: zstd::stream::raw::Decoder<'static>,
    /// Whether all that came in so far ends with a frame.
    is_whole: bool,
    /// Whether something did not fit and comes with the next call, even if there is no more input.
    is_full: bool,
}

impl Zstd {
    fn run(&mut self, piece: &mut Bytes) -> std::io::Result<Option<Bytes>> {
        use zstd::stream::raw::Operation;
        while !piece.is_empty() || self.is_full {
            let mut output = vec![0; OUTPUT_BYTES];
            let status = self.decoder.run_on_buffers(piece, &mut output)?;
            output.truncate(status.bytes_written);
            self.is_full = status.bytes_written == OUTPUT_BYTES;
            if status.bytes_read > 0 || status.bytes_written > 0 {
                self.is_whole = status.remaining == 0;
            }
            let _ = piece.split_to(status.bytes_read);
            if !output.is_empty() {
                return Ok(Some(output.into()));
            }
        }
        Ok(None)
    }
}

fn damaged(file: &str, format: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::data(format!("{file}: {format}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_piece_that_stands_for_much_is_given_in_parts() {
        let text = vec![b'x'; 64 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let files = [
            (Compression::Gzip, gzip.finish().unwrap()),
            (Compression::Zstd, zstd::stream::encode_all(text.as_slice(), 1).unwrap()),
        ];
        for (compression, file) in files {
            let mut decompressor = Decompressor::new(compression, "f").unwrap();
            let (mut piece, mut length) = (Bytes::from(file), 0);
            while let Some(output) = decompressor.decompress(&mut piece, "f").unwrap() {
                assert!(output.len() <= 2 * OUTPUT_BYTES, "{compression:?} {}", output.len());
                length += output.len();
            }
            length += decompressor.finish("f").unwrap().len();
            assert_eq!(length, text.len(), "{compression:?}");
        }
    }
}
