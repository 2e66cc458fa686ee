//! Pages without scripts, made by hand. Every name in them is hostile until escaped.

use std::fmt::Write as _;

use kloset::Snapshot;
use kloset_format::entry::Entry;
use kloset_format::mode::FileKind;
use kloset_format::path::join;

use crate::size;

const HEAD: &str = "<!doctype html><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><style>\
body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222;background:#fff}\
table{border-collapse:collapse;width:100%}td,th{padding:.2em .8em;text-align:left;white-space:nowrap}\
td:last-child{white-space:normal;width:60%}tr:nth-child(even){background:#f4f4f4}.n{text-align:right}\
a{color:#05c;text-decoration:none}a:hover{text-decoration:underline}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}tr:nth-child(even){background:#222}a{color:#7af}}\
</style>";

/// The list of snapshots.
pub(crate) fn snapshots(named: &[(String, std::sync::Arc<Snapshot>)]) -> String {
    let mut page = begin("snapshots");
    page.push_str("<table><tr><th>time<th>snapshot<th class=n>size<th>name<th>tags<th>directory");
    for (name, snapshot) in named {
        let header = snapshot.header();
        let size = header
            .source()
            .map_or(0, |source| source.summary.directory.size.saturating_add(source.summary.below.size));
        let tags: Vec<_> = header.tags.iter().map(|tag| tag.to_string_lossy().into_owned()).collect();
        let root = snapshot.root_directory();
        let _ = write!(
            page,
            "<tr><td>{}<td><a href=\"/{name}\">{}</a><td class=n>{}<td>{}<td>{}<td><a href=\"/{name}{}\">{}</a>",
            time(header.timestamp),
            snapshot.id().short(),
            size::show(size),
            text(header.name.to_string_lossy().as_bytes()),
            text(tags.join(", ").as_bytes()),
            link(root),
            text(root),
        );
    }
    page.push_str("</table>");
    page
}

/// One folder; `base` is the path of the page.
pub(crate) fn folder(base: &[u8], children: &[Entry]) -> String {
    let mut page = begin(&String::from_utf8_lossy(base));
    page.push_str("<table><tr><th>mode<th class=n>size<th>modified<th>name");
    if base != b"/" {
        let up = link(kloset_format::path::parent(base));
        let _ = write!(page, "<tr><td><td><td><td><a href=\"{up}\">..</a>");
    }
    for entry in children {
        let info = &entry.info;
        let kind = info.mode.kind();
        let name = text(&info.name);
        let shown = match kind {
            FileKind::Directory | FileKind::Regular => {
                let slash = if kind == FileKind::Directory { "/" } else { "" };
                format!("<a href=\"{}\">{name}{slash}</a>", link(&join(base, &info.name)))
            }
            FileKind::Symlink => format!("{name} &rarr; {}", text(&entry.symlink_target)),
            _ => name,
        };
        let size = if kind == FileKind::Regular {
            size::show(info.size.max(0).unsigned_abs())
        } else {
            String::new()
        };
        let _ = write!(
            page,
            "<tr><td>{}<td class=n>{size}<td>{}<td>{shown}",
            info.mode.to_text(),
            time(info.mod_time)
        );
    }
    page.push_str("</table>");
    page
}

fn begin(title: &str) -> String {
    let title = text(title.as_bytes());
    format!("{HEAD}<title>{title}</title><h1><a href=\"/\">plakar</a></h1><p>{title}</p>")
}

/// Text for a page: nothing in it is markup, nothing moves the cursor.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for letter in String::from_utf8_lossy(bytes).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters, and those that turn the direction of writing.
            letter
                if letter.is_control()
                    || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.push('?');
            }
            letter => out.push(letter),
        }
    }
    out
}

/// A path for a link.
pub(crate) fn link(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for &byte in path {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// UTC, to the second.
pub(crate) fn time(time: kloset_format::Timestamp) -> String {
    time.rfc3339().replace('T', " ").replace('Z', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use kloset_format::Timestamp;

    #[test]
    fn names_cannot_become_markup_or_leave_their_link() {
        assert_eq!(text(b"<script>&\"'\n\xff\xe2\x80\xae"), "&lt;script&gt;&amp;&quot;&#39;?\u{fffd}?");
        assert_eq!(link(b"/a b/<\">?#%\xff"), "/a%20b/%3C%22%3E%3F%23%25%FF");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (-1, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(time(Timestamp { seconds, nanoseconds: 0 }), shown);
        }
    }
}
