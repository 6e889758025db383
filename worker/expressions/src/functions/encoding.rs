//! Bytes as text and text as bytes: hexadecimal, base 64, URLs, character sets, hashes.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, BinaryArray, BooleanArray, StringArray},
    datatypes::Int32Type,
};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use model::{DataType, Failure};

use crate::{
    arg::Inputs,
    coercion::{is_binary, is_text},
    function::{
        Arguments,
        Body::{Bound, Plain},
        Function, Kernel,
        Parameter::{Any, Bytes, Int, Text, TextOrBytes},
        function, returns,
    },
};

mod hash;
mod url;

pub(crate) const FUNCTIONS: &[Function] = &[
    function("DECODE", &[Bytes, Text], returns::string, Plain(decode)).fallible(),
    function("ENCODE", &[Text, Text], returns::bytes, Plain(encode)).fallible(),
    function("FROM_BASE64", &[Text], returns::string, Plain(from_base64)).fallible(),
    function("HEX", &[Any], returns::string, Bound(hex)),
    function("IS_VALID_UTF8", &[Bytes], returns::boolean, Plain(is_valid_utf8)),
    function("MAKE_VALID_UTF8", &[Bytes], returns::string, Plain(make_valid_utf8)),
    function("MD5", &[TextOrBytes], |_| Ok(DataType::Char(32)), Bound(|_| hash::kernel(hash::Algorithm::Md5))),
    function("PARSE_URL", &[Text, Text, Text], returns::string, Plain(url::parse_url)).nullable().optional(1),
    function("SHA1", &[TextOrBytes], |_| Ok(DataType::Char(40)), Bound(|_| hash::kernel(hash::Algorithm::Sha1))),
    function("SHA2", &[TextOrBytes, Int], |_| Ok(DataType::Varchar(128)), Bound(sha2)),
    function("SHA224", &[TextOrBytes], |_| Ok(DataType::Char(56)), Bound(|_| hash::kernel(hash::Algorithm::Sha224))),
    function("SHA256", &[TextOrBytes], |_| Ok(DataType::Char(64)), Bound(|_| hash::kernel(hash::Algorithm::Sha256))),
    function("SHA384", &[TextOrBytes], |_| Ok(DataType::Char(96)), Bound(|_| hash::kernel(hash::Algorithm::Sha384))),
    function("SHA512", &[TextOrBytes], |_| Ok(DataType::Char(128)), Bound(|_| hash::kernel(hash::Algorithm::Sha512))),
    function("TO_BASE64", &[TextOrBytes], returns::string, Plain(to_base64)),
    function("UNHEX", &[Text], returns::bytes, Plain(unhex)).nullable(),
    function("URL_DECODE", &[Text], returns::string, Plain(|inputs| url::convert(inputs, url::decode))).nullable(),
    function("URL_ENCODE", &[Text], returns::string, Plain(|inputs| url::convert(inputs, url::encode))).nullable(),
];

/// The bytes of a text or bytes argument in a row.
struct AnyBytes<'a> {
    inner: Inner<'a>,
}

enum Inner<'a> {
    Text(crate::arg::Text<'a>),
    Bytes(crate::arg::Binary<'a>),
}

impl<'a> AnyBytes<'a> {
    fn new(inputs: &Inputs<'a>, index: usize) -> Result<Self, Failure> {
        let is_text = inputs.arg(index)?.array.as_string_opt::<i32>().is_some();
        let inner = if is_text { Inner::Text(inputs.text(index)?) } else { Inner::Bytes(inputs.binary(index)?) };
        Ok(Self { inner })
    }

    fn get(&self, row: usize) -> Option<&'a [u8]> {
        match &self.inner {
            Inner::Text(text) => text.get(row).map(str::as_bytes),
            Inner::Bytes(bytes) => bytes.get(row),
        }
    }
}

fn hex(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let data_type = arguments.get(0);
    if is_text(data_type) || is_binary(data_type) {
        return Ok(Arc::new(|inputs| {
            let values = AnyBytes::new(inputs, 0)?;
            let texts = (0..inputs.rows).map(|row| Some(::hex::encode_upper(values.get(row)?)));
            Ok(Arc::new(texts.collect::<StringArray>()))
        }));
    }
    if !data_type.is_numeric() && *data_type != DataType::Null {
        return Err(Failure::user(format!("a value of type {data_type} has no hexadecimal form")));
    }
    Ok(Arc::new(|inputs| {
        let values = arrow::compute::cast(&inputs.arg(0)?.array, &arrow::datatypes::DataType::Int64)?;
        let values = values.as_primitive::<arrow::datatypes::Int64Type>();
        let texts: StringArray = values.iter().map(|value| Some(format!("{:X}", value?))).collect();
        Ok(Arc::new(texts))
    }))
}

fn unhex(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    let bytes: BinaryArray = (0..inputs.rows).map(|row| unhexed(texts.get(row)?)).collect();
    Ok(Arc::new(bytes))
}

/// Pairs of digits; a digit that is left over at the start counts for nothing, as in Flink.
fn unhexed(text: &str) -> Option<Vec<u8>> {
    let (first, pairs) = text.as_bytes().split_at(text.len() % 2);
    let mut out = vec![0; first.len()];
    if !first.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    out.extend(::hex::decode(pairs).ok()?);
    Some(out)
}

/// For text without padding. Bits that are left over are ignored.
static UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);
static PADDED: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// As Java decodes base 64: padding is left out, or right. None if the text is not base 64.
fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    let engine = if text.ends_with('=') { &PADDED } else { &UNPADDED };
    engine.decode(text).ok()
}

fn to_base64(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let values = AnyBytes::new(inputs, 0)?;
    let texts: StringArray = (0..inputs.rows).map(|row| Some(STANDARD.encode(values.get(row)?))).collect();
    Ok(Arc::new(texts))
}

fn from_base64(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    let decoded = (0..inputs.rows).map(|row| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let bytes = base64_decoded(text).ok_or_else(|| Failure::data(format!("'{text}' is no BASE64")))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    });
    Ok(Arc::new(decoded.collect::<Result<StringArray, Failure>>()?))
}

/// Character sets that Java has everywhere.
#[derive(Clone, Copy)]
enum Charset {
    Ascii,
    Latin1,
    Utf8,
    Utf16 { big_endian: bool, marked: bool },
}

impl Charset {
    fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "US-ASCII" | "ASCII" => Self::Ascii,
            "ISO-8859-1" | "LATIN1" => Self::Latin1,
            "UTF-8" | "UTF8" => Self::Utf8,
            "UTF-16BE" => Self::Utf16 { big_endian: true, marked: false },
            "UTF-16LE" => Self::Utf16 { big_endian: false, marked: false },
            "UTF-16" => Self::Utf16 { big_endian: true, marked: true },
            _ => return None,
        })
    }

    fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Ascii => text.chars().map(|next| if next.is_ascii() { next as u8 } else { b'?' }).collect(),
            Self::Latin1 => text.chars().map(|next| u8::try_from(next).unwrap_or(b'?')).collect(),
            Self::Utf16 { big_endian, marked } => {
                let mark = (marked && !text.is_empty()).then_some(0xfeff);
                let units = mark.into_iter().chain(text.encode_utf16());
                units.flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
            }
        }
    }

    fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Ascii => bytes
                .iter()
                .map(|byte| if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER })
                .collect(),
            Self::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            Self::Utf16 { mut big_endian, marked } => {
                let mut bytes = bytes;
                if marked && bytes.len() >= 2 && matches!(bytes[..2], [0xfe, 0xff] | [0xff, 0xfe]) {
                    big_endian = bytes[0] == 0xfe;
                    bytes = &bytes[2..];
                }
                let unit = |pair: &[u8]| {
                    let pair = [pair[0], pair[1]];
                    if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
                };
                let units: Vec<u16> = bytes.chunks_exact(2).map(unit).collect();
                String::from_utf16_lossy(&units)
            }
        }
    }
}

fn charset(name: &str) -> Result<Charset, Failure> {
    Charset::parse(name).ok_or_else(|| Failure::data(format!("{name} is not a supported character set")))
}

fn encode(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (texts, names) = (inputs.text(0)?, inputs.text(1)?);
    let bytes = (0..inputs.rows).map(|row| match (texts.get(row), names.get(row)) {
        (Some(text), Some(name)) => Ok(Some(charset(name)?.encode(text))),
        _ => Ok(None),
    });
    let bytes = bytes.collect::<Result<Vec<_>, Failure>>()?;
    Ok(Arc::new(bytes.iter().map(Option::as_deref).collect::<BinaryArray>()))
}

fn decode(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let (bytes, names) = (inputs.binary(0)?, inputs.text(1)?);
    let texts = (0..inputs.rows).map(|row| match (bytes.get(row), names.get(row)) {
        (Some(bytes), Some(name)) => Ok(Some(charset(name)?.decode(bytes))),
        _ => Ok(None),
    });
    Ok(Arc::new(texts.collect::<Result<StringArray, Failure>>()?))
}

fn is_valid_utf8(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let bytes = inputs.binary(0)?;
    let valid: BooleanArray = (0..inputs.rows).map(|row| Some(std::str::from_utf8(bytes.get(row)?).is_ok())).collect();
    Ok(Arc::new(valid))
}

fn make_valid_utf8(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let bytes = inputs.binary(0)?;
    let texts: StringArray = (0..inputs.rows).map(|row| Some(String::from_utf8_lossy(bytes.get(row)?))).collect();
    Ok(Arc::new(texts))
}

fn sha2(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    if let Some(bits) = arguments.constant_integer(1) {
        let algorithm =
            hash::Algorithm::sha2(bits).ok_or_else(|| Failure::user(format!("no SHA-2 has {bits} bits")))?;
        return hash::kernel(algorithm);
    }
    Ok(Arc::new(|inputs| {
        let (values, bits) = (AnyBytes::new(inputs, 0)?, inputs.primitive::<Int32Type>(1)?);
        let texts = (0..inputs.rows).map(|row| {
            let (Some(bytes), Some(bits)) = (values.get(row), bits.get(row)) else { return Ok(None) };
            let algorithm = hash::Algorithm::sha2(i64::from(bits));
            let algorithm = algorithm.ok_or_else(|| Failure::data(format!("no SHA-2 has {bits} bits")))?;
            Ok(Some(algorithm.hash(bytes)))
        });
        Ok(Arc::new(texts.collect::<Result<StringArray, Failure>>()?))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_as_java_does() {
        for text in ["", "a", "ab", "abc", "abcd", "\u{e9}\u{65e5}\u{672c}"] {
            assert_eq!(base64_decoded(&STANDARD.encode(text)).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(STANDARD.encode("ab"), "YWI=");
        assert_eq!(base64_decoded("YWI").as_deref(), Some(&b"ab"[..]), "padding may be left out");
        assert_eq!(base64_decoded("YWJ").as_deref(), Some(&b"ab"[..]), "bits that are left over are ignored");
        for text in ["a", "a*bc", "YQ=", "YWI==", "=", "====", "YWI=YWI=", "YW\nI="] {
            assert_eq!(base64_decoded(text), None, "{text}");
        }
    }

    #[test]
    fn unhex_ignores_the_digit_that_is_left_over() {
        assert_eq!(unhexed("4a4B"), Some(vec![0x4a, 0x4b]));
        assert_eq!(unhexed("f4a"), Some(vec![0, 0x4a]));
        assert_eq!(unhexed(""), Some(Vec::new()));
        for text in ["g4a", "4g", "+1", "\u{e9}"] {
            assert_eq!(unhexed(text), None, "{text}");
        }
    }
}
