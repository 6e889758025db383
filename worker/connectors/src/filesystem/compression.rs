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

/// Decompresses one file from its start.
pub(super) enum Decompressor {
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
    /// The second is whether all that came in so far ends with a frame.
    Zstd(Box<zstd::stream::raw::Decoder<'static>>, bool),
}

impl Decompressor {
    pub(super) fn new(compression: Compression, file: &str) -> Result<Self, Failure> {
        Ok(match compression {
            Compression::Gzip => Self::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new()))),
            Compression::Zstd => {
                let decoder = zstd::stream::raw::Decoder::new().map_err(|error| damaged(file, "zstd", &error))?;
                Self::Zstd(Box::new(decoder), true)
            }
        })
    }

    /// What a piece of the file adds.
    pub(super) fn decompress(&mut self, piece: &[u8], file: &str) -> Result<Bytes, Failure> {
        match self {
            Self::Gzip(decoder) => {
                decoder.write_all(piece).map_err(|error| damaged(file, "gzip", &error))?;
                Ok(Bytes::from(std::mem::take(decoder.get_mut())))
            }
            Self::Zstd(decoder, is_whole) => {
                let mut output = Vec::new();
                unzstd(decoder, is_whole, piece, &mut output).map_err(|error| damaged(file, "zstd", &error))?;
                Ok(Bytes::from(output))
            }
        }
    }

    /// What remains at the end of the file.
    pub(super) fn finish(self, file: &str) -> Result<Bytes, Failure> {
        match self {
            Self::Gzip(decoder) => decoder.finish().map(Bytes::from).map_err(|error| damaged(file, "gzip", &error)),
            Self::Zstd(_, true) => Ok(Bytes::new()),
            Self::Zstd(..) => Err(damaged(file, "zstd", &"the file ends within a frame")),
        }
    }
}

fn unzstd(
    decoder: &mut zstd::stream::raw::Decoder<'static>,
    is_whole: &mut bool,
    mut piece: &[u8],
    output: &mut Vec<u8>,
) -> std::io::Result<()> {
    use zstd::stream::raw::Operation;
    const ROOM_BYTES: usize = 128 << 10;
    let mut is_full = true;
    // What did not fit comes with the next call, even if there is no more input.
    while !piece.is_empty() || is_full {
        let start = output.len();
        output.resize(start + ROOM_BYTES, 0);
        let status = decoder.run_on_buffers(piece, &mut output[start..])?;
        output.truncate(start + status.bytes_written);
        is_full = status.bytes_written == ROOM_BYTES;
        if status.bytes_read > 0 || status.bytes_written > 0 {
            *is_whole = status.remaining == 0;
        }
        piece = &piece[status.bytes_read..];
    }
    Ok(())
}

fn damaged(file: &str, format: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::data(format!("{file}: {format}: {error}"))
}
