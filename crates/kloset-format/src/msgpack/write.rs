//! Functions that append one canonical value to a buffer.

use crate::Timestamp;

/// Appends nil.
#[inline]
pub fn put_nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// Appends a boolean.
#[inline]
pub fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// Appends an 8-bit field, two bytes even when zero.
#[inline]
pub fn put_u8(out: &mut Vec<u8>, value: u8) {
    out.extend_from_slice(&[0xcc, value]);
}

#[inline]
fn put_marked<const N: usize>(out: &mut Vec<u8>, marker: u8, value: [u8; N]) {
    out.push(marker);
    out.extend_from_slice(&value);
}

/// Appends a 16-bit field at full width.
#[inline]
pub fn put_u16(out: &mut Vec<u8>, value: u16) {
    put_marked(out, 0xcd, value.to_be_bytes());
}

/// Appends a 32-bit field at full width.
#[inline]
pub fn put_u32(out: &mut Vec<u8>, value: u32) {
    put_marked(out, 0xce, value.to_be_bytes());
}

/// Appends a 64-bit field at full width.
#[inline]
pub fn put_u64(out: &mut Vec<u8>, value: u64) {
    put_marked(out, 0xcf, value.to_be_bytes());
}

/// Appends a signed 64-bit field at full width.
#[inline]
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_marked(out, 0xd3, value.to_be_bytes());
}

/// Appends a floating-point field.
#[inline]
pub fn put_f64(out: &mut Vec<u8>, value: f64) {
    put_marked(out, 0xcb, value.to_bits().to_be_bytes());
}

/// Appends a plain machine integer in its smallest form: the only compact integers of the format.
pub fn put_int(out: &mut Vec<u8>, value: i64) {
    match value {
        -32..=0x7f => out.push(value as u8),
        0x80..=0xff => put_u8(out, value as u8),
        0x100..=0xffff => put_u16(out, value as u16),
        0x1_0000..=0xffff_ffff => put_u32(out, value as u32),
        0x1_0000_0000.. => put_u64(out, value as u64),
        -0x80..=-33 => put_marked(out, 0xd0, (value as i8).to_be_bytes()),
        -0x8000..=-0x81 => put_marked(out, 0xd1, (value as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => put_marked(out, 0xd2, (value as i32).to_be_bytes()),
        _ => put_i64(out, value),
    }
}

/// Appends a string; its bytes need not be UTF-8.
#[inline]
pub fn put_str(out: &mut Vec<u8>, value: &[u8]) {
    match value.len() {
        length @ 0..=31 => out.push(0xa0 | length as u8),
        length @ 32..=0xff => out.extend_from_slice(&[0xd9, length as u8]),
        length @ 0x100..=0xffff => put_marked(out, 0xda, (length as u16).to_be_bytes()),
        length => put_marked(out, 0xdb, length32(length).to_be_bytes()),
    }
    out.extend_from_slice(value);
}

/// Appends a key of a map.
#[inline]
pub fn put_key(out: &mut Vec<u8>, key: &str) {
    put_str(out, key.as_bytes());
}

/// Appends a byte string.
#[inline]
pub fn put_bin(out: &mut Vec<u8>, value: &[u8]) {
    match value.len() {
        length @ 0..=0xff => out.extend_from_slice(&[0xc4, length as u8]),
        length @ 0x100..=0xffff => put_marked(out, 0xc5, (length as u16).to_be_bytes()),
        length => put_marked(out, 0xc6, length32(length).to_be_bytes()),
    }
    out.extend_from_slice(value);
}

/// Appends a 32-byte identifier, also when it is all zero.
#[inline]
pub fn put_id(out: &mut Vec<u8>, id: &[u8; 32]) {
    put_bin(out, id);
}

/// Appends the head of a list of `length` items.
#[inline]
pub fn put_list(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=15 => out.push(0x90 | length as u8),
        16..=0xffff => put_marked(out, 0xdc, (length as u16).to_be_bytes()),
        _ => put_marked(out, 0xdd, length32(length).to_be_bytes()),
    }
}

/// Appends a list of strings.
pub fn put_str_list<T: AsRef<[u8]>>(out: &mut Vec<u8>, items: &[T]) {
    put_list(out, items.len());
    for item in items {
        put_str(out, item.as_ref());
    }
}

/// Appends the head of a map of `length` pairs.
#[inline]
pub fn put_map(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=15 => out.push(0x80 | length as u8),
        16..=0xffff => put_marked(out, 0xde, (length as u16).to_be_bytes()),
        _ => put_marked(out, 0xdf, length32(length).to_be_bytes()),
    }
}

/// Appends a time in the shortest of the three timestamp forms.
pub fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    let seconds = time.seconds as u64;
    if seconds >> 34 != 0 {
        out.extend_from_slice(&[0xc7, 12, 0xff]);
        out.extend_from_slice(&time.nanoseconds.to_be_bytes());
        out.extend_from_slice(&seconds.to_be_bytes());
        return;
    }
    let word = u64::from(time.nanoseconds) << 34 | seconds;
    match u32::try_from(word) {
        Ok(short) => {
            out.extend_from_slice(&[0xd6, 0xff]);
            out.extend_from_slice(&short.to_be_bytes());
        }
        Err(_) => {
            out.extend_from_slice(&[0xd7, 0xff]);
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

fn length32(length: usize) -> u32 {
    u32::try_from(length).expect("no record comes near 4 GiB")
}
