//! A hash that never changes: revisions, ids and names are made of it and outlive builds of the operator.

/// FNV-1a, 128 bits, over texts that are kept apart.
pub fn hash<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> String {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013B;
    let mut state: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for part in parts {
        for byte in part.as_ref().bytes().chain([0]) {
            state = (state ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    }
    format!("{state:032x}")
}

/// A short form of it for names and labels.
pub fn short<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> String {
    hash(parts)[22..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_frozen() {
        assert_eq!(hash(["a", "b"]), "6971299cb6757277b806e976f537e9be");
        assert_ne!(hash(["ab", ""]), hash(["a", "b"]));
    }
}
