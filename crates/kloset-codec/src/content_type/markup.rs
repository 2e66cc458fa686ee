//! HTML, XML and formats made of XML, SVG, PHP.

use super::charset;
use std::borrow::Cow;

/// The type of text whose first visible character is `<`; `start` begins there.
pub(super) fn detect(bytes: &[u8], start: &[u8], marked: Option<&'static str>) -> Option<Cow<'static, str>> {
    let root = root_element(start);
    if root.is_some_and(|root| element_is(root, b"svg")) {
        return Some("image/svg+xml".into());
    }
    if is_html(start) {
        return Some(with_charset("text/html", meta_charset(start), bytes, marked));
    }
    if starts_with_any_case(start, b"<?xml") {
        return Some(match root.and_then(made_of_xml) {
            Some(name) => name.into(),
            None => with_charset("text/xml", declared_encoding(start), bytes, marked),
        });
    }
    let php =
        starts_with_any_case(bytes, b"<?php") || matches!(bytes, [b'<', b'?', b' ' | b'\n' | b'\r', ..]);
    php.then_some("text/x-php".into())
}

/// Tags that begin an HTML document, by the rules that browsers follow.
const HTML_STARTS: [&[u8]; 16] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
];

fn is_html(start: &[u8]) -> bool {
    start.starts_with(b"<!--")
        || HTML_STARTS
            .iter()
            .any(|tag| starts_with_any_case(start, tag) && matches!(start.get(tag.len()), Some(b' ' | b'>')))
}

/// What follows the declarations, document type and comments at the beginning.
fn root_element(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = rest.trim_ascii_start();
        rest = if rest.starts_with(b"<!--") {
            after(rest, b"-->")?
        } else if rest.starts_with(b"<?") {
            after(rest, b"?>")?
        } else if rest.starts_with(b"<!") {
            after(rest, b">")?
        } else {
            return Some(rest);
        };
    }
}

/// The type that the root element of an XML document tells.
fn made_of_xml(root: &[u8]) -> Option<&'static str> {
    const ROOTS: [(&[u8], &[u8], &str); 8] = [
        (b"rss", b"", "application/rss+xml"),
        (b"feed", b"http://www.w3.org/2005/Atom", "application/atom+xml"),
        (b"X3D", b"", "model/x3d+xml"),
        (b"kml", b"", "application/vnd.google-earth.kml+xml"),
        (b"xliff", b"", "application/x-xliff+xml"),
        (b"COLLADA", b"", "model/vnd.collada+xml"),
        (b"gpx", b"", "application/gpx+xml"),
        (b"TrainingCenterDatabase", b"", "application/vnd.garmin.tcx+xml"),
    ];
    let found = ROOTS.iter().find(|(name, namespace, _)| {
        element_is(root, name) && (namespace.is_empty() || find(root, namespace).is_some())
    });
    found.map(|(_, _, name)| *name)
}

fn element_is(root: &[u8], name: &[u8]) -> bool {
    root.strip_prefix(b"<")
        .and_then(|rest| rest.strip_prefix(name))
        .and_then(<[u8]>::first)
        .is_some_and(|&next| next.is_ascii_whitespace() || next == b'>' || next == b'/')
}

/// `kind` with the character set: that of the byte order mark, the declared one, or the likely one.
fn with_charset(
    kind: &'static str,
    declared: Option<String>,
    bytes: &[u8],
    marked: Option<&'static str>,
) -> Cow<'static, str> {
    let charset = match (marked, declared) {
        (Some(marked), _) => Cow::from(marked),
        (None, Some(declared)) => declared.into(),
        (None, None) => charset::guess(bytes).unwrap_or_default().into(),
    };
    match (kind, charset.as_ref()) {
        (kind, "") => kind.into(),
        ("text/html", "utf-8") => "text/html; charset=utf-8".into(),
        ("text/xml", "utf-8") => "text/xml; charset=utf-8".into(),
        (kind, charset) => format!("{kind}; charset={charset}").into(),
    }
}

/// The `encoding` of an XML declaration.
fn declared_encoding(start: &[u8]) -> Option<String> {
    let declaration = start.get(..find(start, b"?>")?)?;
    charset_name(after(declaration, b"encoding")?.trim_ascii_start().strip_prefix(b"=")?)
}

/// The character set of a `meta` element, either form.
fn meta_charset(start: &[u8]) -> Option<String> {
    let lower = start.to_ascii_lowercase();
    let mut rest = lower.as_slice();
    while let Some(next) = after(rest, b"<meta") {
        let element = next.get(..find(next, b">")?)?;
        if let Some(value) = after(element, b"charset") {
            return charset_name(value.trim_ascii_start().strip_prefix(b"=")?);
        }
        rest = next;
    }
    None
}

/// A name as declarations give it, in lower case; with or without quotes, of few and harmless characters.
fn charset_name(value: &[u8]) -> Option<String> {
    const NAME_BYTES_MAX: usize = 40;
    let value = value.trim_ascii_start();
    let value = value.strip_prefix(b"\"").or(value.strip_prefix(b"'")).unwrap_or(value);
    let harmless = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    let name: String =
        value.iter().take_while(|b| harmless(b)).map(|&b| b.to_ascii_lowercase() as char).collect();
    (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then_some(name)
}

fn starts_with_any_case(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn after<'a>(bytes: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    bytes.get(find(bytes, wanted)? + wanted.len()..)
}
