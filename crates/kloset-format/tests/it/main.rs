//! Tests of the format against vectors, golden bytes, random values and damage.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod golden;
mod hostile;
mod records;
mod round_trip;
mod tree_shape;
mod trees;

/// The MAC of the vectors: BLAKE3 keyed with 00 01 02 ... 1f.
fn mac(bytes: &[u8]) -> kloset_format::Mac {
    let key = std::array::from_fn(|i| i as u8);
    kloset_format::Mac(*blake3::keyed_hash(&key, bytes).as_bytes())
}

/// Parses hexadecimal digits, blanks and line ends between them.
fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("hexadecimal")).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// No file of this folder may be forgotten above.
#[test]
fn every_test_file_is_part_of_this_binary() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        let listed = include_str!("main.rs").contains(&format!("mod {module};"));
        assert!(module == "main" || listed, "{name} is not listed");
    }
}
