//! Paths inside a snapshot: absolute, `/`-separated byte strings without a trailing slash.

use std::cmp::Ordering;

/// Cleans `path` the way the format wants keys: absolute, no `.`/`..`/doubled or trailing slashes.
/// `..` at the root stays at the root.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    if parts.is_empty() {
        return b"/".to_vec();
    }
    let mut out = Vec::with_capacity(path.len() + 1);
    for part in parts {
        out.push(b'/');
        out.extend_from_slice(part);
    }
    out
}

/// `parent` + `/` + `name`, without doubling the slash of the root.
pub fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if name == b"/" {
        return b"/".to_vec();
    }
    let mut out = Vec::with_capacity(parent.len() + name.len() + 1);
    if parent != b"/" {
        out.extend_from_slice(parent);
    }
    out.push(b'/');
    out.extend_from_slice(name);
    out
}

/// The directory that holds a clean absolute path; `/` for `/` itself.
pub fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&b| b == b'/') {
        Some(0) | None => b"/",
        Some(at) => &path[..at],
    }
}

/// The last component of a clean absolute path; `/` for `/`.
pub fn base_name(path: &[u8]) -> &[u8] {
    if path == b"/" {
        return path;
    }
    match path.iter().rposition(|&b| b == b'/') {
        Some(at) => &path[at + 1..],
        None => path,
    }
}

/// Whether `path` is `ancestor` or lies below it; both clean and absolute.
pub fn is_within(path: &[u8], ancestor: &[u8]) -> bool {
    ancestor == b"/"
        || path == ancestor
        || (path.len() > ancestor.len() && path.starts_with(ancestor) && path[ancestor.len()] == b'/')
}

/// Number of `/` bytes: the first criterion of the file tree's order.
pub fn slashes(path: &[u8]) -> usize {
    path.iter().filter(|&&b| b == b'/').count()
}

/// The order of the file tree: fewer slashes first, then plain bytes.
pub fn tree_order(a: &[u8], b: &[u8]) -> Ordering {
    slashes(a).cmp(&slashes(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_joining_and_splitting() {
        assert_eq!(clean(b"//a/./b/../c/"), b"/a/c");
        assert_eq!(clean(b"../.."), b"/");
        assert_eq!(join(b"/", b"a"), b"/a");
        assert_eq!(join(b"/a", b"b"), b"/a/b");
        assert_eq!(join(b"/", b"/"), b"/");
        assert_eq!(parent(b"/a"), b"/");
        assert_eq!(parent(b"/a/b"), b"/a");
        assert_eq!(base_name(b"/a/b"), b"b");
        assert!(is_within(b"/a/b", b"/a") && !is_within(b"/ab", b"/a"));
    }
}
