//! Shannon entropy of chunks, equal to the reference implementation's to the last bit.
//!
//! The figure is part of records that are named by their MAC: one bit off, and equal files
//! get different metadata. So the logarithm is written out, without fused operations.

/// How often each byte value occurs in `bytes` (below 4 GiB).
pub fn histogram(bytes: &[u8]) -> [u32; 256] {
    // Below this size clearing and adding up three more tables costs more than it saves.
    const SINGLE_TABLE_BYTES: usize = 1024;
    let mut counts = [0u32; 256];
    let rest = if bytes.len() < SINGLE_TABLE_BYTES { bytes } else { count_interleaved(bytes, &mut counts) };
    for &byte in rest {
        counts[usize::from(byte)] += 1;
    }
    counts
}

/// Counts into four tables in turn, so that equal neighbours do not wait for each other. Returns what is left over.
fn count_interleaved<'a>(bytes: &'a [u8], counts: &mut [u32; 256]) -> &'a [u8] {
    let mut tables = [[0u32; 256]; 4];
    let (words, rest) = bytes.as_chunks::<8>();
    let [a, b, c, d] = &mut tables;
    for word in words {
        let word = u64::from_le_bytes(*word);
        a[(word & 0xff) as usize] += 1;
        b[(word >> 8 & 0xff) as usize] += 1;
        c[(word >> 16 & 0xff) as usize] += 1;
        d[(word >> 24 & 0xff) as usize] += 1;
        a[(word >> 32 & 0xff) as usize] += 1;
        b[(word >> 40 & 0xff) as usize] += 1;
        c[(word >> 48 & 0xff) as usize] += 1;
        d[(word >> 56) as usize] += 1;
    }
    for (i, count) in counts.iter_mut().enumerate() {
        *count = a[i] + b[i] + c[i] + d[i];
    }
    rest
}

/// Entropy of `bytes` in bits per byte; 0 if there are none.
pub fn entropy(bytes: &[u8]) -> f64 {
    entropy_of_counts(&histogram(bytes))
}

/// Entropy of the bytes that `counts` describes.
pub fn entropy_of_counts(counts: &[u32; 256]) -> f64 {
    let total: u64 = counts.iter().map(|&n| u64::from(n)).sum();
    let total = total as f64;
    // In a small file many values occur equally often: remember the term of each small count.
    const REMEMBERED: usize = 64;
    let mut terms = [0f64; REMEMBERED];
    let mut entropy = 0f64;
    for &count in counts {
        if count == 0 {
            continue;
        }
        entropy -= match terms.get_mut(count as usize) {
            Some(term) => {
                // No term is zero but that of a certainty, which is cheap.
                if *term == 0.0 {
                    *term = term_of(f64::from(count) / total);
                }
                *term
            }
            None => term_of(f64::from(count) / total),
        };
    }
    entropy
}

/// Mean of chunk entropies weighted by chunk length, in the order given; 0 if there are no bytes.
pub fn combined(chunks: impl IntoIterator<Item = (f64, u64)>) -> f64 {
    let mut sum = 0f64;
    let mut total = 0u64;
    for (entropy, length) in chunks {
        sum += entropy * length as f64;
        total = total.saturating_add(length);
    }
    if total == 0 { 0.0 } else { sum / total as f64 }
}

fn term_of(p: f64) -> f64 {
    p * log2(p)
}

/// Base-2 logarithm of a normal positive number, rounded as the format wants.
fn log2(x: f64) -> f64 {
    let (fraction, exponent) = split(x);
    if fraction == 0.5 {
        return f64::from(exponent - 1);
    }
    ln(fraction) * (1.0 / std::f64::consts::LN_2) + f64::from(exponent)
}

/// `x = fraction * 2^exponent` with the fraction in [0.5, 1).
fn split(x: f64) -> (f64, i32) {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1022;
    (f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52), exponent)
}

fn ln(x: f64) -> f64 {
    const HI: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
    const LO: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
    const L1: f64 = f64::from_bits(0x3fe5_5555_5555_5593);
    const L2: f64 = f64::from_bits(0x3fd9_9999_9997_fa04);
    const L3: f64 = f64::from_bits(0x3fd2_4924_9422_9359);
    const L4: f64 = f64::from_bits(0x3fcc_71c5_1d8e_78af);
    const L5: f64 = f64::from_bits(0x3fc7_4664_96cb_03de);
    const L6: f64 = f64::from_bits(0x3fc3_9a09_d078_c69f);
    const L7: f64 = f64::from_bits(0x3fc2_f112_df3e_5244);

    let (mut f, mut k) = split(x);
    if f < std::f64::consts::FRAC_1_SQRT_2 {
        f *= 2.0;
        k -= 1;
    }
    f -= 1.0;
    let k = f64::from(k);
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let h = 0.5 * f * f;
    let r = s2 * (L1 + s4 * (L3 + s4 * (L5 + s4 * L7))) + s4 * (L2 + s4 * (L4 + s4 * L6));
    k * HI - ((h - (s * (h + r) + k * LO)) - f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log2_agrees_with_the_reference_to_the_last_bit() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../tests/vectors/entropy.json")).unwrap();
        for vector in vectors["log2"].as_array().unwrap() {
            let x = vector["numerator"].as_f64().unwrap() / vector["denominator"].as_f64().unwrap();
            let bits = u64::from_str_radix(vector["f64_bits"].as_str().unwrap(), 16).unwrap();
            assert_eq!(log2(x).to_bits(), bits, "{vector}");
        }
    }
}
