use crate::vectors;
use kloset_codec::entropy::{combined, entropy, histogram};
use proptest::prelude::*;

#[test]
fn entropies_agree_with_the_reference_to_the_last_bit() {
    let file = vectors::load(include_str!("../vectors/entropy.json"));
    for vector in file["vectors"].as_array().unwrap() {
        let bits = u64::from_str_radix(vector["f64_bits"].as_str().unwrap(), 16).unwrap();
        let ours = entropy(&vectors::input(vector));
        assert_eq!(ours.to_bits(), bits, "{} instead of {vector}", ours);
    }
}

#[test]
fn nothing_and_one_value_have_no_entropy() {
    for bytes in [&b""[..], b"a", &[7; 5000]] {
        assert_eq!(entropy(bytes).to_bits(), 0);
    }
    assert_eq!(combined([]).to_bits(), 0);
    assert_eq!(combined([(0.0, 0)]).to_bits(), 0);
}

#[test]
fn entropy_of_an_object_is_the_weighted_mean_even_of_one_chunk() {
    assert_eq!(combined([(7.5, 3), (2.5, 1)]), 6.25);
    let e = f64::from_bits(0x401f_2f76_055b_040a);
    assert_eq!(combined([(e, 1000)]), e * 1000.0 / 1000.0);
}

proptest! {
    #[test]
    fn histogram_counts_every_byte_once(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        let mut expected = [0u32; 256];
        for &b in &bytes {
            expected[usize::from(b)] += 1;
        }
        prop_assert_eq!(histogram(&bytes), expected);
    }
}
