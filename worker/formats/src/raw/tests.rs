use model::Field;

use super::*;

fn decode(data_type: &DataType, options: RawOptions, data: &[u8]) -> Batch {
    let mut decoder = RawDecoder::new(&[Column::new("c", data_type.clone())], options);
    assert_eq!(decoder.decode(data, true, usize::MAX).unwrap(), data.len());
    Batch::append(decoder.take().unwrap())
}

#[test]
fn lines_are_values_and_come_back() {
    let columns = [Column::new("line", DataType::String)];
    let text = "first\n\n {\"ü\": 1}\r\nlast";
    let mut decoder = RawDecoder::new(&columns, RawOptions::default());
    assert_eq!(decoder.decode(text.as_bytes(), false, usize::MAX).unwrap(), text.len() - 4);
    assert_eq!(decoder.decode(b"last", true, usize::MAX).unwrap(), 4);
    let rows = decoder.take().unwrap();
    let values: Vec<_> = rows.column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!(values, ["first", "", " {\"ü\": 1}", "last"]);
    let mut written = Vec::new();
    RawEncoder::new(RawOptions::default()).encode(&Batch::append(rows), &mut written).unwrap();
    assert_eq!(written, format!("{}\n", text.replace('\r', "")).into_bytes());

    let mut counting = RawDecoder::new(&[], RawOptions::default());
    counting.decode(text.as_bytes(), true, usize::MAX).unwrap();
    assert_eq!(counting.take().unwrap().num_rows(), 4);
}

#[test]
fn bytes_are_anything_and_text_is_of_its_charset() {
    let data = b"\xFF\xFE\nok\n";
    let bytes = decode(&DataType::Bytes, RawOptions::default(), data);
    assert_eq!(bytes.column(0).as_binary::<i32>().value(0), b"\xFF\xFE");
    let text = [Column::new("t", DataType::String)];
    assert_eq!(RawDecoder::new(&text, RawOptions::default()).decode(data, true, usize::MAX).unwrap_err().offset, 0);
    let mut keeping = RawDecoder::new(&text, RawOptions::default());
    keeping.losses().keep();
    assert_eq!(keeping.decode(data, true, usize::MAX).unwrap(), data.len());
    assert_eq!((keeping.rows(), keeping.losses().count()), (1, 1));
    let rejected = keeping.losses().take();
    assert_eq!((rejected.len(), rejected[0].lines, rejected[0].record.as_slice()), (1, 0, b"\xFF\xFE".as_slice()));

    let latin = RawOptions { charset: Charset::Latin1, ..RawOptions::default() };
    let rows = decode(&DataType::String, latin, data);
    assert_eq!(rows.column(0).as_string::<i32>().value(0), "ÿþ");
    let mut written = Vec::new();
    RawEncoder::new(latin).encode(&rows, &mut written).unwrap();
    assert_eq!(written, data);
    let ascii = RawOptions { charset: Charset::Ascii, ..RawOptions::default() };
    let failure = RawEncoder::new(ascii).encode(&rows, &mut written).unwrap_err();
    assert_eq!(failure.message, "'ÿ' has no form in the charset of 'raw.charset'");
    assert_eq!(
        RawDecoder::new(&text, ascii).decode(data, true, usize::MAX).unwrap_err().message,
        "text is not US-ASCII"
    );
}

#[test]
fn numbers_are_in_their_binary_form_either_way_round() {
    let cases: [(DataType, &[u8], &str); 7] = [
        (DataType::Boolean, b"\x01", "true"),
        (DataType::TinyInt, b"\xFF", "-1"),
        (DataType::SmallInt, b"\x01\x0D", "269"),
        (DataType::Int, b"\xFF\xFF\xFF\xFE", "-2"),
        (DataType::BigInt, b"\x00\x00\x00\x00\x00\x00\x01\x00", "256"),
        (DataType::Float, b"\x3F\x00\x00\x00", "0.5"),
        (DataType::Double, b"\xBF\xE0\x00\x00\x00\x00\x00\x00", "-0.5"),
    ];
    for (data_type, big, expected) in cases {
        let mut little = big.to_vec();
        little.reverse();
        for (endianness, bytes) in [(Endianness::Big, big), (Endianness::Little, little.as_slice())] {
            let options = RawOptions { endianness, ..RawOptions::default() };
            for end in [b"\n".as_slice(), b"\r\n"] {
                let rows = decode(&data_type, options, &[bytes, end].concat());
                let shown = arrow::util::display::array_value_to_string(rows.column(0), 0).unwrap();
                assert_eq!(shown, expected, "{data_type} {endianness:?}");
                let mut written = Vec::new();
                RawEncoder::new(options).encode(&rows, &mut written).unwrap();
                assert_eq!(written, [bytes, b"\n"].concat());
            }
        }
    }
    let mut decoder = RawDecoder::new(&[Column::new("c", DataType::Int)], RawOptions::default());
    let malformed = decoder.decode(b"\x00\x00\x00\x01\n123\n", true, usize::MAX).unwrap_err();
    assert_eq!((malformed.offset, malformed.message.as_str()), (5, "a INT has 4 bytes, not 3"));
}

#[test]
fn tables_have_one_column_of_a_simple_type() {
    let schema =
        |types: &[DataType]| Schema::new(types.iter().map(|data_type| Field::new("c", data_type.clone())).collect());
    assert!(check_schema(&schema(&[DataType::String])).is_ok());
    assert!(check_schema(&schema(&[DataType::BigInt])).is_ok());
    let message = |types: &[DataType]| check_schema(&schema(types)).unwrap_err().message;
    assert_eq!(message(&[DataType::Date]), "format raw has no DATE, only text, bytes, numbers and BOOLEAN");
    assert_eq!(message(&[DataType::String, DataType::Bytes]), "format raw has one column, not 2");
}
