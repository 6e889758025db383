//! Files that change between the list and the reading of them.

use checkpoint::Item;

use super::*;

/// The rows of a number in a file of a kind.
fn content(name: &str, numbers: std::ops::Range<u32>) -> Vec<u8> {
    let text: String = numbers.map(|n| format!("{{\"n\":{n}}}\n")).collect();
    if !name.ends_with(".gz") {
        return text.into_bytes();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

async fn list(spec: &SourceSpec) -> Vec<Item> {
    crate::enumerate_splits(spec, &BTreeMap::new(), &environment()).await.unwrap().unwrap()
}

/// What subtasks read of a list.
async fn read_all(spec: &SourceSpec, listed: &[Item], parallelism: u32) -> Vec<String> {
    let mut out = Vec::new();
    for subtask in 0..parallelism {
        let mut context = context(subtask, parallelism);
        context.splits = Some(listed.iter().skip(subtask as usize).step_by(parallelism as usize).cloned().collect());
        let mut source = crate::build_source(spec, &mut context, &environment()).unwrap();
        assert!(read(source.as_mut(), usize::MAX, &mut out).await);
    }
    out.sort();
    out
}

#[tokio::test]
async fn what_is_added_or_grows_behind_the_list_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> =
        (0..10).flat_map(|n| [format!("{n}.json"), format!("{n}.json.gz"), format!("n#{n}")]).collect();
    let mut expected = Vec::new();
    for (number, name) in (0..).step_by(10).zip(&names) {
        std::fs::write(directory.path().join(name), content(name, number..number + 3)).unwrap();
        expected.extend((number..number + 3).map(|n| n.to_string()));
    }
    expected.sort();
    let spec = source_of(table(directory.path(), "json", &[]), &[("n", DataType::BigInt)]);
    let listed = list(&spec).await;
    for name in &names {
        let mut file = std::fs::File::options().append(true).open(directory.path().join(name)).unwrap();
        file.write_all(&content(name, 1000..1002)).unwrap();
        std::fs::write(directory.path().join(format!("a{name}")), content(name, 2000..2001)).unwrap();
    }
    for parallelism in [1, 4, 50] {
        assert_eq!(read_all(&spec, &listed, parallelism).await, expected, "{parallelism}");
    }
}

#[tokio::test]
async fn a_restored_state_needs_no_list_and_a_source_without_one_refuses_to_run() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("1.json"), content("1.json", 0..3)).unwrap();
    let spec = source_of(table(directory.path(), "json", &[]), &[("n", DataType::BigInt)]);
    let failure = crate::build_source(&spec, &mut context(0, 1), &environment()).err().unwrap();
    assert_eq!(failure.message, "operator source/1: nobody has listed the files");
    let mut first = crate::testing::open(&spec, context(0, 1), &environment()).await.unwrap();
    let lists = snapshot(std::slice::from_mut(&mut first));
    std::fs::write(directory.path().join("2.json"), content("2.json", 10..13)).unwrap();
    assert_eq!(crate::enumerate_splits(&spec, &lists, &environment()).await, Ok(None));
    let mut out = Vec::new();
    for mut source in crate::testing::open_all(&spec, 4, Some(&lists), &environment()).await {
        assert!(read(source.as_mut(), usize::MAX, &mut out).await);
    }
    assert_eq!(out, ["0", "1", "2"]);
}
