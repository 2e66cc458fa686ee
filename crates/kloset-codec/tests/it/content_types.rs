use crate::vectors;
use kloset_codec::content_type::{LOOKED_AT_BYTES, detect};
use proptest::prelude::*;

#[test]
fn samples_have_the_type_that_the_reference_records() {
    let file = vectors::load(include_str!("../vectors/content-type.json"));
    for vector in file["vectors"].as_array().unwrap() {
        let bytes = vectors::hex(vector["hex"].as_str().unwrap());
        assert_eq!(detect(&bytes), vector["content_type"].as_str().unwrap(), "{}", vector["name"]);
    }
}

#[test]
fn only_the_beginning_is_looked_at() {
    let mut text = "word ".repeat(LOOKED_AT_BYTES / 5 + 1).into_bytes();
    text.truncate(LOOKED_AT_BYTES);
    text.push(0);
    assert_eq!(detect(&text), "text/plain; charset=utf-8");
    text[LOOKED_AT_BYTES - 1] = 0;
    assert_eq!(detect(&text), "application/octet-stream");
}

#[test]
fn a_character_cut_off_at_the_limit_is_still_utf8() {
    let mut text = "é".repeat(LOOKED_AT_BYTES).into_bytes();
    text.insert(0, b'x');
    assert_eq!(detect(&text), "text/plain; charset=utf-8");
}

#[test]
fn text_kinds() {
    let cases: &[(&[u8], &str)] = &[
        (b"caf\xe9 \x80 5\n", "text/plain; charset=windows-1252"),
        (b"\xfe\xff\0a", "text/plain; charset=utf-16be"),
        (b"{\"a\": [1, -2.5e3, \"\\u00e9\", null, true, {}]} \n", "application/json"),
        (b"{\"a\": 01}", "text/plain; charset=utf-8"),
        (b"{\"a\": 1", "text/plain; charset=utf-8"),
        (b"{\"a\":1}\n{\"a\":2}\n", "application/x-ndjson"),
        (b"{ body }\n", "text/plain; charset=utf-8"),
        (b"[section]\nkey = value\n", "text/plain; charset=utf-8"),
        (b"a,b\n1,2,3\n", "text/plain; charset=utf-8"),
        (b"a,\"b,c\nd\"\n1,2\n", "text/csv"),
        (b"# comment, of three, parts\na,b\n1,2\n", "text/csv"),
        (b"one, two\n", "text/plain; charset=utf-8"),
        (b"#!/usr/bin/env -S python3.11 -u\n", "text/x-python"),
        (b"#! /bin/bash -e\n", "text/x-shellscript"),
        (b"#!/usr/bin/perl -w\n", "text/x-perl"),
        (b"#!/opt/unheard-of\n", "text/plain; charset=utf-8"),
        (b"#include <stdio.h>\n", "text/plain; charset=utf-8"),
        (b"\n <!doctype html>\n<p>", "text/html; charset=utf-8"),
        (b"<html><head><meta charset=\"ISO-8859-15\">", "text/html; charset=iso-8859-15"),
        (
            b"<html><head><meta http-equiv=Content-Type content='text/html; charset=koi8-r'>",
            "text/html; charset=koi8-r",
        ),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>", "text/xml; charset=iso-8859-1"),
        (b"<?xml version='1.0'?><!-- c --><rss version='2.0'>", "application/rss+xml"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE svg>\n<svg width='1'>", "image/svg+xml"),
        (b"<unheard-of/>", "text/plain; charset=utf-8"),
        (b"BEGIN:VCARD\r\nVERSION:3.0\r\n", "text/vcard"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nhello\n", "application/x-subrip"),
        (b"GIF is a format\n", "text/plain; charset=utf-8"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(detect(bytes), *expected, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_tar_needs_a_right_checksum() {
    let mut header = [0u8; 1024];
    header[..4].copy_from_slice(b"name");
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header[..512].iter().map(|&b| u32::from(b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(detect(&header), "application/x-tar");
    header[0] ^= 1;
    assert_eq!(detect(&header), "application/octet-stream");
}

#[test]
fn elf_files_are_told_apart() {
    let mut header = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0";
    assert_eq!(detect(&header), "application/x-sharedlib");
    header[16] = 2;
    assert_eq!(detect(&header), "application/x-executable");
}

#[test]
fn deep_nesting_is_survived() {
    assert_eq!(detect(&[b'['; LOOKED_AT_BYTES]), "text/plain; charset=utf-8");
}

proptest! {
    #[test]
    fn no_input_makes_it_fail(start in prop::sample::select(vec![&b""[..], b"<", b"{\"", b"#!", b"<?xml", b"PK\x03\x04", b"a,\"", b"\x7fELF"]),
                              bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        let all = [start, &bytes].concat();
        prop_assert!(!detect(&all).is_empty());
        let printable: Vec<u8> = all.iter().map(|b| b % 0x60 + 0x20).collect();
        prop_assert!(!detect(&printable).is_empty());
    }
}
