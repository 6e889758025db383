//! Bytes as text and text as bytes: hexadecimal, base 64, URLs, character sets, hashes.

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, StringArray, StringBuilder},
    datatypes::Int32Type,
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

pub(crate) mod base64;
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

pub(crate) fn write_hex(out: &mut impl Write, bytes: &[u8], digits: &[u8; 16]) -> std::fmt::Result {
    for byte in bytes {
        out.write_char(char::from(digits[usize::from(byte >> 4)]))?;
        out.write_char(char::from(digits[usize::from(byte & 15)]))?;
    }
    Ok(())
}

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

fn hex(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let data_type = arguments.get(0);
    if is_text(data_type) || is_binary(data_type) {
        return Ok(Arc::new(|inputs| {
            let values = AnyBytes::new(inputs, 0)?;
            let mut out = StringBuilder::new();
            for row in 0..inputs.rows {
                match values.get(row) {
                    None => out.append_null(),
                    Some(bytes) => {
                        write_hex(&mut out, bytes, UPPER).map_err(|_| Failure::internal("text cannot be written"))?;
                        out.append_value("");
                    }
                }
            }
            Ok(Arc::new(out.finish()))
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
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let (first, rest) = text.as_bytes().split_at(text.len() % 2);
    let mut out = Vec::with_capacity(text.len() / 2 + 1);
    for byte in first {
        digit(byte)?;
        out.push(0);
    }
    for pair in rest.chunks_exact(2) {
        out.push(digit(&pair[0])? << 4 | digit(&pair[1])?);
    }
    Some(out)
}

fn to_base64(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let values = AnyBytes::new(inputs, 0)?;
    let texts: StringArray = (0..inputs.rows).map(|row| Some(base64::encode(values.get(row)?))).collect();
    Ok(Arc::new(texts))
}

fn from_base64(inputs: &Inputs<'_>) -> Result<ArrayRef, Failure> {
    let texts = inputs.text(0)?;
    let decoded = (0..inputs.rows).map(|row| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let bytes = base64::decode(text).ok_or_else(|| Failure::data(format!("'{text}' is no BASE64")))?;
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
            let one: ArrayRef = Arc::new(BinaryArray::from(vec![bytes]));
            let hashed = hash::hashed(algorithm, &one)?;
            Ok(hashed.is_valid(0).then(|| hashed.value(0).to_owned()))
        });
        Ok(Arc::new(texts.collect::<Result<StringArray, Failure>>()?))
    }))
}
