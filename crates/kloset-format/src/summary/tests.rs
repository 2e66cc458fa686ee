//! Quirks of the accumulation.

use super::*;
use crate::{FileInfo, Mac, Timestamp};

fn file(size: i64, seconds: i64, entropy: f64) -> Entry {
    let mut info = FileInfo::made_up_directory(b"f");
    info.mode = FileMode(0o644);
    info.size = size;
    info.mod_time = Timestamp { seconds, nanoseconds: 5 };
    let mut entry = Entry::new(b"/".to_vec(), info);
    entry.object = Mac([1; 32]);
    entry.chunks = 2;
    entry.entropy = entropy;
    entry.content_type = "text/plain; charset=utf-8".into();
    entry
}

#[test]
fn zero_counts_as_unset_in_minimums() {
    let mut summary = Summary::default();
    for (size, seconds) in [(0, 0), (9, 50), (5, 40), (0, -3)] {
        summary.add_entry(&file(size, seconds, 0.0));
    }
    summary.add_entry(&file(7, 60, 8.0));
    let counters = &summary.directory;
    assert_eq!((counters.min_size, counters.max_size), (7, 9));
    assert_eq!((counters.min_mod_time, counters.max_mod_time), (-3, 60));
    assert_eq!((counters.lo_entropy, counters.hi_entropy), (4, 1));
    assert_eq!((counters.min_entropy, counters.max_entropy), (8.0, 8.0));
}

#[test]
fn sizes_of_other_things_than_files_do_not_count() {
    let mut summary = Summary::default();
    let mut link = file(17, 1, 0.0);
    link.info.mode = FileMode(FileMode::SYMLINK | 0o777);
    link.object = Mac::ZERO;
    link.content_type = crate::entry::NOT_REGULAR_CONTENT_TYPE.into();
    summary.add_entry(&link);
    summary.finish(0);
    let expected = Counters {
        symlinks: 1,
        children: 1,
        min_mod_time: 1,
        max_mod_time: 1,
        lo_entropy: 1,
        mime_application: 1,
        ..Counters::default()
    };
    assert_eq!(summary.directory, expected);
}

#[test]
fn kinds_bits_and_content_types_are_counted() {
    let mut summary = Summary::default();
    for (mode, content_type) in [
        (FileMode::DEVICE, "audio/x"),
        (FileMode::DEVICE | FileMode::CHARACTER_DEVICE, "video/x"),
        (FileMode::PIPE | FileMode::STICKY, "image/x"),
        (FileMode::SOCKET | FileMode::SETGID, "font/x"),
        (FileMode::IRREGULAR | FileMode::SETUID, "text"),
        (0, ""),
    ] {
        let mut entry = file(1, 1, 0.0);
        entry.info.mode = FileMode(mode);
        entry.content_type = content_type.into();
        summary.add_entry(&entry);
    }
    let c = &summary.directory;
    assert_eq!((c.devices, c.pipes, c.sockets, c.files, c.children), (2, 1, 1, 2, 6));
    assert_eq!((c.setuid, c.setgid, c.sticky), (1, 1, 1));
    assert_eq!((c.mime_audio, c.mime_video, c.mime_image, c.mime_other, c.mime_text), (1, 1, 1, 2, 0));
}

#[test]
fn directories_add_both_halves_below_and_a_zero_wipes_a_minimum() {
    let mut child = Summary::default();
    child.add_entry(&file(10, 100, 1.0));
    child.finish(3);
    assert_eq!((child.directory.avg_size, child.directory.avg_entropy), (10, 1.0));
    assert_eq!((child.directory.errors, child.below.errors), (0, 3));
    let mut parent = Summary::default();
    parent.add_directory(&child);
    assert_eq!((parent.directory.children, parent.directory.directories), (1, 1));
    assert_eq!((parent.below.files, parent.below.size, parent.below.errors), (1, 10, 3));
    assert_eq!((parent.below.min_size, parent.below.max_size), (10, 10));
    assert_eq!((parent.below.avg_size, parent.below.sum_entropy), (0, 0.0));
    parent.add_directory(&Summary::default());
    assert_eq!((parent.below.min_size, parent.below.max_size), (0, 10));
    parent.finish(1);
    assert_eq!(parent.below.errors, 4);
    assert_eq!(parent.directory.avg_size, 0);
}
