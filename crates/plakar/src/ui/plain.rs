//! Per-path lines: `S1: OK ✓ /path` and `S1: KO ✘ /path: reason`.

use kloset::Stored;
use kloset_format::{Mac, SnapshotId};

use crate::size;
use crate::ui::escape;

const GREEN_CHECK: &str = "\x1b[32m✓\x1b[0m";
const RED_CROSS: &str = "\x1b[31m✘\x1b[0m";

/// A path is done. Away from a terminal the name keeps its bytes, but for those that would end the line.
pub fn done(snapshot: SnapshotId, path: &[u8], terminal: bool) -> Vec<u8> {
    let mark = if terminal { GREEN_CHECK } else { "✓" };
    let mut line = format!("{}: OK {mark} ", snapshot.short()).into_bytes();
    if terminal {
        line.extend_from_slice(escape::name(path).as_bytes());
    } else {
        line.extend(path.iter().map(|&byte| if byte.is_ascii_control() { b'?' } else { byte }));
    }
    line.push(b'\n');
    line
}

/// A path failed.
pub fn failed(snapshot: SnapshotId, path: &[u8], reason: &str, terminal: bool) -> String {
    format!("{}: KO {} {}: {}", snapshot.short(), cross(terminal), escape::name(path), escape::line(reason))
}

/// An object failed.
pub fn object_failed(snapshot: SnapshotId, object: Mac, reason: &str, terminal: bool) -> String {
    format!("{}: KO {} object={object}: {}", snapshot.short(), cross(terminal), escape::line(reason))
}

/// What a run that ends without a snapshot leaves for the next one.
pub fn checkpoint(stored: Stored) -> String {
    let size = size::show(stored.bytes);
    format!(
        "what was stored so far is recorded and will not be stored again: {} blobs ({size})",
        stored.blobs
    )
}

/// What a run without a snapshot had left for this one.
pub fn found(stored: Stored) -> String {
    let size = size::show(stored.bytes);
    format!(
        "what an earlier run without a snapshot had stored was not stored again: {} blobs ({size})",
        stored.blobs
    )
}

fn cross(terminal: bool) -> &'static str {
    if terminal { RED_CROSS } else { "✘" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_upstream() {
        let id = SnapshotId([0xab; 32]);
        assert_eq!(done(id, b"/a\xff", false), b"abababab: OK \xe2\x9c\x93 /a\xff\n");
        assert_eq!(done(id, b"/a\nb: OK /c", false), "abababab: OK ✓ /a?b: OK /c\n".as_bytes());
        assert_eq!(done(id, b"/a\x1b", true), "abababab: OK \x1b[32m✓\x1b[0m /a?\n".as_bytes());
        assert_eq!(failed(id, b"/a", "why", false), "abababab: KO ✘ /a: why");
        assert!(object_failed(id, Mac([1; 32]), "w", false).starts_with("abababab: KO ✘ object=0101"));
    }
}
