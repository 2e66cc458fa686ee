//! The inputs that the vector files describe.

use serde_json::Value;
use sha2::{Digest, Sha256};

pub fn load(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Bytes of SHA-256(seed || counter), cut at `length`.
pub fn generated(seed: &str, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + 32);
    for counter in 0u64.. {
        if out.len() >= length {
            break;
        }
        out.extend_from_slice(
            &Sha256::new().chain_update(seed).chain_update(counter.to_le_bytes()).finalize(),
        );
    }
    out.truncate(length);
    out
}

pub fn input(vector: &Value) -> Vec<u8> {
    let length = vector["length"].as_u64().unwrap() as usize;
    let input = &vector["input"];
    if let Some(text) = input["hex"].as_str() {
        return hex(text);
    }
    if let Some(fill) = input["fill"].as_u64() {
        return vec![fill as u8; length];
    }
    if let Some(formula) = input["formula"].as_str() {
        let at = |i: usize| match formula {
            "byte i = i mod 256" => (i % 256) as u8,
            "byte i = (i*i) mod 251" => (i * i % 251) as u8,
            other => panic!("unknown formula {other}"),
        };
        return (0..length).map(at).collect();
    }
    let seed = input["seed"].as_str().unwrap();
    let Some(at) = input["insert_at"].as_u64() else { return generated(seed, length) };
    let mut bytes = generated(seed, input["generate"].as_u64().unwrap() as usize);
    let at = at as usize;
    bytes.splice(at..at, input["insert_ascii"].as_str().unwrap().bytes());
    bytes
}
