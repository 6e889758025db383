//! `METADATA` columns. The connector `files` of the test catalog has some.

use graph::OperatorSpec;
use model::DataType;

use crate::support::{error, job, session, text};

const TABLE: &str = "CREATE TABLE t (
    a INT,
    name STRING METADATA FROM 'file.name' VIRTUAL COMMENT 'whose',
    written TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'file.modification-time' VIRTUAL,
    `file.size` INT METADATA VIRTUAL,
    kb AS `file.size` / 1024,
    WATERMARK FOR written AS written - INTERVAL '1' SECOND
) WITH ('connector' = 'files');";

/// What the source of a query reads: names and types.
fn read(query: &str) -> Vec<String> {
    let planned = job(&mut session(), &format!("{TABLE} {query}"));
    let source = planned.graph.nodes.iter().find_map(|node| match &node.operator {
        OperatorSpec::Source(source) => Some(source),
        _ => None,
    });
    let columns = source.unwrap().columns.iter();
    columns.map(|column| format!("{} {}", column.path.join("/"), column.data_type)).collect()
}

#[test]
fn only_the_metadata_that_is_used_is_read_in_the_type_of_the_connector() {
    assert_eq!(read("SELECT a FROM t"), ["a INT"]);
    assert_eq!(read("SELECT kb FROM t WHERE name LIKE 'x%'"), ["name STRING", "file.size BIGINT"]);
    let windows = "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(written), INTERVAL '1' HOUR)) \
                   GROUP BY window_start, window_end";
    assert_eq!(read(windows), ["written TIMESTAMP_LTZ(3)"]);
    let graph = job(&mut session(), &format!("{TABLE} SELECT * FROM t")).graph;
    let result: Vec<_> = graph.nodes.last().unwrap().schema.fields.iter().map(|field| &field.data_type).collect();
    let types = [DataType::Int, DataType::String, DataType::TimestampLtz(3), DataType::Int, DataType::Int];
    assert_eq!(result, types.iter().collect::<Vec<_>>());
}

#[test]
fn they_are_described_and_inherited() {
    let described = |create: &str| {
        let lines = text(&mut session(), &format!("{TABLE} {create}"));
        lines.lines().skip(1).map(|line| line.trim_end_matches(['|', ' ']).to_owned()).collect::<Vec<_>>()
    };
    let all = [
        "a | INT | TRUE",
        "name | STRING | TRUE |  | METADATA FROM 'file.name' VIRTUAL |  | whose",
        "written | TIMESTAMP_LTZ(3) | FALSE |  | METADATA FROM 'file.modification-time' VIRTUAL | written - INTERVAL '1' SECOND",
        "file.size | INT | TRUE |  | METADATA VIRTUAL",
        "kb | INT | TRUE |  | AS `file.size` / 1024",
    ];
    assert_eq!(described("DESCRIBE t"), all);
    assert_eq!(described("CREATE TABLE u LIKE t; DESCRIBE u"), all);
    assert_eq!(described("CREATE TABLE u LIKE t (INCLUDING METADATA); DESCRIBE u"), all);
    let none = "CREATE TABLE u LIKE t (EXCLUDING METADATA EXCLUDING GENERATED EXCLUDING WATERMARKS); DESCRIBE u";
    assert_eq!(described(none), all[..1]);
    let other =
        "CREATE TABLE u (name BYTES METADATA FROM 'file.path' VIRTUAL) LIKE t (OVERWRITING METADATA); DESCRIBE u";
    assert_eq!(described(other)[4], "name | BYTES | TRUE |  | METADATA FROM 'file.path' VIRTUAL");
    let twice = error(&mut session(), &format!("{TABLE} CREATE TABLE u (name STRING METADATA) LIKE t"));
    assert!(twice.message.contains("column 'name' is already in the table 't'"), "{twice}");
    assert!(text(&mut session(), &format!("{TABLE} SHOW CREATE TABLE t")).contains("`file.size` INT METADATA VIRTUAL"));
}

#[test]
fn they_are_not_written() {
    let mut session = session();
    session.run(TABLE).unwrap();
    let planned = job(&mut session, "INSERT INTO t SELECT 1");
    let OperatorSpec::Sink(sink) = &planned.graph.nodes.last().unwrap().operator else { panic!("no sink") };
    assert_eq!(sink.table.schema.fields.len(), 1);
    let named = error(&mut session, "INSERT INTO t (a, name) SELECT 1, 'x'");
    assert_eq!((named.message.as_str(), named.column), ("column 'name' is VIRTUAL and cannot be written", 19));
    session.run("CREATE TABLE u (a INT, s BIGINT METADATA FROM 'file.size') WITH ('connector' = 'files')").unwrap();
    let found = error(&mut session, "INSERT INTO u SELECT 1, 2");
    let message = "table 'u' cannot be written: connector 'files' does not take metadata such as column 's'; \
                   if the column is only to be read, declare it VIRTUAL";
    assert_eq!((found.message.as_str(), found.line, found.column), (message, 1, 13));
}
