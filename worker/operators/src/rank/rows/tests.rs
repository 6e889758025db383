//! The rows of a partition, compared with a plain list.

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::*;

#[test]
fn rows_are_as_in_a_sorted_list() {
    let mut rng = SmallRng::seed_from_u64(3);
    for before_equal in [false, true] {
        let mut rows = RankedRows::default();
        let mut model: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for step in 0..4000_u32 {
            let sort = vec![rng.random_range(0..40); rng.random_range(1..3)];
            // First it grows, then it shrinks.
            let grows = if step < 2000 { 0.8 } else { 0.3 };
            if model.is_empty() || rng.random_bool(grows) {
                let row = step.to_be_bytes()[..rng.random_range(1..5)].to_vec();
                rows.insert(&sort, &row, before_equal);
                let at = model.partition_point(|(other, _)| if before_equal { *other < sort } else { *other <= sort });
                model.insert(at, (sort, row));
            } else if rng.random_bool(0.3) {
                rows.pop();
                model.pop();
            } else {
                let (sort, row) = model[rng.random_range(0..model.len())].clone();
                let first = model.iter().position(|other| *other == (sort.clone(), row.clone())).unwrap();
                assert!(rows.remove(&sort, &row));
                model.remove(first);
                assert!(!rows.remove(&sort, b"no such row"));
            }
            if step % 37 == 0 {
                let mut bytes = Vec::new();
                rows.encode(&mut bytes);
                rows = RankedRows::decode(&bytes).unwrap();
            }
            assert_eq!(rows.len(), model.len());
            assert_eq!(rows.is_empty(), model.is_empty());
            assert!(rows.iter().map(|row| (row.sort.to_vec(), row.row.to_vec())).eq(model.iter().cloned()));
            assert_eq!(rows.last_sort(), model.last().map_or(&[][..], |(sort, _)| sort));
            let (mut image, kept) = (Vec::new(), rng.random_range(0..100));
            rows.image_into(kept, &mut image);
            assert!(Frames::new(&image).eq(rows.iter().take(kept)));
        }
    }
}

#[test]
fn damaged_rows_are_refused() {
    assert!(RankedRows::decode(&[1, 2, 3]).is_err());
}
