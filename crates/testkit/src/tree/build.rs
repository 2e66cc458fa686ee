//! Builds odd trees.

#![allow(clippy::print_stderr, reason = "tests name their cases and what they skip")]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{Result, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use kloset_format::Timestamp;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags};

use super::Fidelity;

/// Sets the modification time of a path, of a link itself if it is one.
pub fn set_time(path: &Path, time: Timestamp) -> Result<()> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanoseconds) },
    };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Fills `root` with `folders` folders of `files` files of `bytes` bytes each, all different.
pub fn build_small_tree(root: &Path, folders: usize, files: usize, bytes: usize) -> Result<()> {
    for folder in 0..folders {
        let path = root.join(format!("dir{folder:05}"));
        fs::create_dir_all(&path)?;
        for file in 0..files {
            let text = format!("{folder} {file}\n");
            let content: Vec<u8> = text.bytes().cycle().take(bytes).collect();
            fs::write(path.join(format!("file{file:05}")), content)?;
        }
    }
    Ok(())
}

/// Fills `root` with everything that `fidelity` allows for: names, links, modes, times, holes.
///
/// Says on standard error what the local file system refused to hold.
pub fn build_odd_tree(root: &Path, fidelity: Fidelity) -> Result<()> {
    names(root)?;
    contents(root, fidelity)?;
    links(root, fidelity)?;
    modes(root, fidelity)?;
    if fidelity.special_files {
        special_files(root)?;
    }
    if fidelity.xattrs {
        attributes(root)?;
    }
    if fidelity.endless_paths {
        endless_path(root)?;
    }
    times(root, fidelity)
}

fn names(root: &Path) -> Result<()> {
    let folder = root.join("names");
    fs::create_dir(&folder)?;
    let odd: [&[u8]; 12] = [
        b"plain",
        b"with space ",
        b" leading",
        b"new\nline",
        b"\x01control\x7f",
        b"not-utf8-\xff\xfe\x80",
        b"\xffstarts-with-ff",
        b"...",
        b"-rf",
        b"back\\slash",
        b"quote'\"*?[a]$(x)",
        "ünïcödé-e\u{301}-日本語".as_bytes(),
    ];
    for (i, name) in odd.iter().enumerate() {
        fs::write(folder.join(OsStr::from_bytes(name)), format!("{i}"))?;
    }
    fs::write(folder.join("n".repeat(255)), b"255 bytes of name")?;
    fs::create_dir(folder.join("d".repeat(255)))?;
    fs::create_dir(folder.join(OsString::from_vec(b"dir-\xc3\x28".to_vec())))?;
    fs::write(folder.join(OsString::from_vec(b"dir-\xc3\x28".to_vec())).join("inside"), b"x")?;
    // Sorts between `a` and `a/b` when slashes are compared as bytes.
    for name in ["a", "a!", "a-b", "a0"] {
        fs::create_dir(folder.join(name))?;
        fs::write(folder.join(name).join("b"), name)?;
    }
    Ok(())
}

fn contents(root: &Path, fidelity: Fidelity) -> Result<()> {
    let folder = root.join("contents");
    fs::create_dir(&folder)?;
    fs::create_dir(folder.join("empty-directory"))?;
    fs::write(folder.join("empty"), b"")?;
    fs::write(folder.join("one"), b"1")?;
    fs::write(folder.join("zeros"), vec![0u8; 5000])?;
    let noise: Vec<u8> = noise(300_001);
    fs::write(folder.join("noise"), &noise)?;
    for size in [4095, 4096, 4097, 65_535, 65_536, 65_537] {
        fs::write(folder.join(format!("size-{size}")), &noise[..size])?;
    }
    if fidelity.holes {
        let mut sparse = File::create(folder.join("sparse"))?;
        sparse.write_all(b"start")?;
        sparse.seek(SeekFrom::Start(3 << 20))?;
        sparse.write_all(b"middle")?;
        sparse.set_len(6 << 20)?;
        File::create(folder.join("only-hole"))?.set_len((1 << 20) + 7)?;
    }
    Ok(())
}

/// Bytes that do not compress, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| step()).collect()
}

fn links(root: &Path, fidelity: Fidelity) -> Result<()> {
    let folder = root.join("links");
    fs::create_dir(&folder)?;
    fs::write(folder.join("file"), b"linked")?;
    symlink("file", folder.join("to-file"))?;
    symlink(".", folder.join("to-self"))?;
    symlink("../contents", folder.join("to-directory"))?;
    symlink("/etc/hostname", folder.join("absolute"))?;
    symlink("no/such/thing", folder.join("dangling"))?;
    symlink(OsStr::from_bytes(b"not-\xff-utf8"), folder.join("odd-target"))?;
    symlink("t".repeat(255) + "/" + &"u".repeat(255), folder.join("long-target"))?;
    if fidelity.hard_links {
        fs::hard_link(folder.join("file"), folder.join("hard-1"))?;
        fs::hard_link(folder.join("file"), root.join("hard-2"))?;
        fs::hard_link(folder.join("file"), root.join("names").join("hard-3"))?;
    }
    Ok(())
}

fn modes(root: &Path, fidelity: Fidelity) -> Result<()> {
    let folder = root.join("modes");
    fs::create_dir(&folder)?;
    // Only the superuser can read the first two back.
    let first = if rustix::process::geteuid().is_root() { 0 } else { 2 };
    for mode in [0o000, 0o200, 0o400, 0o444, 0o600, 0o644, 0o755, 0o777, 0o1644, 0o2755, 0o4755, 0o6711]
        .into_iter()
        .skip(first)
    {
        let path = folder.join(format!("file-{mode:04o}"));
        fs::write(&path, b"mode")?;
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    for mode in [0o500, 0o555, 0o700, 0o755, 0o1777, 0o2775] {
        let path = folder.join(format!("directory-{mode:04o}"));
        fs::create_dir(&path)?;
        fs::write(path.join("inside"), b"x")?;
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    if fidelity.owners {
        let owned = folder.join("owned");
        fs::write(&owned, b"somebody else's")?;
        std::os::unix::fs::chown(&owned, Some(12_345), Some(54_321))?;
        fs::set_permissions(&owned, Permissions::from_mode(0o6755))?;
        let owned = folder.join("owned-directory");
        fs::create_dir(&owned)?;
        std::os::unix::fs::chown(&owned, Some(1), Some(2))?;
        let link = folder.join("owned-link");
        symlink("owned", &link)?;
        std::os::unix::fs::lchown(&link, Some(3), Some(4))?;
    }
    Ok(())
}

fn special_files(root: &Path) -> Result<()> {
    let folder = root.join("special");
    fs::create_dir(&folder)?;
    for (name, kind) in [("pipe", FileType::Fifo), ("socket", FileType::Socket)] {
        let path = folder.join(name);
        rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(0o600), 0)?;
        fs::set_permissions(&path, Permissions::from_mode(0o640))?;
    }
    Ok(())
}

fn attributes(root: &Path) -> Result<()> {
    let folder = root.join("attributes");
    fs::create_dir(&folder)?;
    fs::write(folder.join("file"), b"with attributes")?;
    let big = vec![b'x'; 2000];
    let values: [(&str, &[u8]); 4] =
        [("user.note", b"text"), ("user.empty", b""), ("user.binary", b"\x00\xff\x00"), ("user.big", &big)];
    for (name, value) in values {
        if let Err(error) = rustix::fs::setxattr(folder.join("file"), name, value, XattrFlags::empty()) {
            eprintln!("skipped: attribute {name} refused by the local file system: {error}");
        }
    }
    let _ = rustix::fs::setxattr(&folder, "user.folder", b"too", XattrFlags::empty());
    Ok(())
}

/// A chain of folders whose whole path is longer than one system call takes.
fn endless_path(root: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = rustix::fs::openat(CWD, root, flags, Mode::empty())?;
    for level in 0..24 {
        let name = format!("deep-{level:02}-{}", "x".repeat(200));
        rustix::fs::mkdirat(&folder, name.as_str(), Mode::from_raw_mode(0o755))?;
        folder = rustix::fs::openat(&folder, name.as_str(), flags, Mode::empty())?;
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, "bottom", flags, Mode::from_raw_mode(0o644))?;
    File::from(file).write_all(b"very deep")?;
    Ok(rustix::fs::symlinkat("bottom", &folder, "link")?)
}

/// Odd times; folders last, since their children change them.
fn times(root: &Path, fidelity: Fidelity) -> Result<()> {
    let folder = root.join("times");
    fs::create_dir(&folder)?;
    let mut list = vec![
        ("epoch", 0, 0),
        ("nanoseconds", 1_600_000_000, 123_456_789),
        ("last-nanosecond", 1_600_000_000, 999_999_999),
        ("after-2038", 2_500_000_000, 1),
    ];
    if fidelity.far_times {
        list.extend([("before-1970", -157_766_400, 500_000_001), ("far-future", 7_258_118_400, 2)]);
    }
    for (name, seconds, nanoseconds) in list {
        let time = Timestamp { seconds, nanoseconds };
        fs::write(folder.join(name), name)?;
        set_time(&folder.join(name), time)?;
        fs::create_dir(folder.join(format!("{name}.d")))?;
        set_time(&folder.join(format!("{name}.d")), time)?;
        symlink(name, folder.join(format!("{name}.link")))?;
        set_time(&folder.join(format!("{name}.link")), time)?;
    }
    // A folder that nobody may write to keeps its old time.
    let locked = root.join("modes").join("directory-0555");
    set_time(&locked, Timestamp { seconds: 1_111_111_111, nanoseconds: 111 })?;
    set_time(&folder, Timestamp { seconds: 1_000_000_000, nanoseconds: 5 })
}
