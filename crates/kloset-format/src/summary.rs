//! Statistics of directories: what they hold directly and what lies deeper.
//!
//! The accumulation repeats the reference implementation to the last quirk, because summaries
//! are blobs and equal summaries must have equal names. The worst quirk: zero means "unset" in
//! all minimums and maximums, so a true zero is overwritten by the next value.

use crate::mode::FileKind;
use crate::msgpack::{Reader, put_f64, put_i64, put_key, put_map, put_u64};
use crate::{DecodeError, Entry, FileMode};

/// Entropy up to which content counts as low, in bits per byte.
const LOW_ENTROPY: f64 = 2.0;
/// Entropy from which content counts as high, in bits per byte.
const HIGH_ENTROPY: f64 = 7.0;

/// Statistics of one directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Direct children.
    pub directory: Counters,
    /// Everything below the direct children; its `errors` count the direct ones too.
    pub below: Counters,
}

/// A field type of [`Counters`].
trait Counter: Copy {
    fn is_zero(self) -> bool;
    fn put(self, out: &mut Vec<u8>);
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError>;
}

impl Counter for u64 {
    fn is_zero(self) -> bool {
        self == 0
    }
    fn put(self, out: &mut Vec<u8>) {
        put_u64(out, self);
    }
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.u64(field)
    }
}

impl Counter for i64 {
    fn is_zero(self) -> bool {
        self == 0
    }
    fn put(self, out: &mut Vec<u8>) {
        put_i64(out, self);
    }
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.i64(field)
    }
}

impl Counter for f64 {
    fn is_zero(self) -> bool {
        self == 0.0
    }
    fn put(self, out: &mut Vec<u8>) {
        put_f64(out, self);
    }
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.f64(field)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Directory,
    Below,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident: $kind:ty, $key:literal, $halves:ident;)*) => {
        /// One half of a summary. Sizes are in bytes, times in whole seconds since 1970,
        /// entropies in bits per byte.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Counters {
            $($(#[$doc])* pub $field: $kind,)*
        }

        impl Counters {
            /// Whether the key of this field stands in this half at all.
            fn has(half: Half, halves: &str) -> bool {
                half == Half::Directory || halves == "both"
            }

            /// Number of keys that are written: those that are not zero.
            fn written(&self, half: Half) -> usize {
                let mut count = 0;
                $(count += usize::from(
                    Self::has(half, stringify!($halves)) && !Counter::is_zero(self.$field),
                );)*
                count
            }

            fn put_fields(&self, half: Half, out: &mut Vec<u8>) {
                $(if Self::has(half, stringify!($halves)) && !Counter::is_zero(self.$field) {
                    put_key(out, $key);
                    Counter::put(self.$field, out);
                })*
            }

            fn read(reader: &mut Reader<'_>, half: &'static str) -> Result<Self, DecodeError> {
                let mut counters = Self::default();
                reader.map(half, |reader, key| {
                    $(if key == $key.as_bytes() {
                        counters.$field = Counter::read(reader, $key)?;
                        return Ok(());
                    })*
                    reader.skip()
                })?;
                Ok(counters)
            }
        }
    };
}

counters! {
    /// Directories.
    directories: u64, "directories", both;
    /// Regular files, and whatever is nothing else.
    files: u64, "files", both;
    /// Symbolic links.
    symlinks: u64, "symlinks", both;
    /// Block and character devices.
    devices: u64, "devices", both;
    /// Named pipes.
    pipes: u64, "pipes", both;
    /// Sockets.
    sockets: u64, "sockets", both;
    /// All of the above.
    children: u64, "children", both;
    /// Entries with the setuid bit, directories not counted.
    setuid: u64, "setuid", both;
    /// Entries with the setgid bit, directories not counted.
    setgid: u64, "setgid", both;
    /// Entries with the sticky bit, directories not counted.
    sticky: u64, "sticky", both;
    /// Entries that have content.
    objects: u64, "objects", both;
    /// Chunks of their contents.
    chunks: u64, "chunks", both;
    /// Smallest size.
    min_size: u64, "min_size", both;
    /// Largest size.
    max_size: u64, "max_size", both;
    /// Mean size of files.
    avg_size: u64, "avg_size", directory;
    /// Sum of all sizes.
    size: u64, "size", both;
    /// Earliest modification.
    min_mod_time: i64, "min_mod_time", both;
    /// Latest modification.
    max_mod_time: i64, "max_mod_time", both;
    /// Lowest entropy.
    min_entropy: f64, "min_entropy", both;
    /// Highest entropy.
    max_entropy: f64, "max_entropy", both;
    /// Sum of entropies.
    sum_entropy: f64, "sum_entropy", directory;
    /// Mean entropy of files.
    avg_entropy: f64, "avg_entropy", directory;
    /// Entries of high entropy, as compressed or encrypted files are.
    hi_entropy: u64, "hi_entropy", both;
    /// Entries of low entropy.
    lo_entropy: u64, "lo_entropy", both;
    /// Content types `audio/...`.
    mime_audio: u64, "MIME_audio", both;
    /// Content types `video/...`.
    mime_video: u64, "MIME_video", both;
    /// Content types `image/...`.
    mime_image: u64, "MIME_image", both;
    /// Content types `text/...`.
    mime_text: u64, "MIME_text", both;
    /// Content types `application/...`.
    mime_application: u64, "MIME_application", both;
    /// All other content types.
    mime_other: u64, "MIME_other", both;
    /// Paths that could not be read.
    errors: u64, "errors", both;
}

impl Counters {
    fn put_directory(&self, out: &mut Vec<u8>) {
        put_map(out, self.written(Half::Directory));
        self.put_fields(Half::Directory, out);
    }

    /// The half for what lies deeper always writes its errors, the last key, even if zero.
    fn put_below(&self, out: &mut Vec<u8>) {
        let missing = self.errors == 0;
        put_map(out, self.written(Half::Below) + usize::from(missing));
        self.put_fields(Half::Below, out);
        if missing {
            put_key(out, "errors");
            put_u64(out, 0);
        }
    }

    /// Adds the counts, but not the minimums, maximums and means, of another half.
    fn add_counts(&mut self, other: &Self) {
        let pairs = [
            (&mut self.directories, other.directories),
            (&mut self.files, other.files),
            (&mut self.symlinks, other.symlinks),
            (&mut self.devices, other.devices),
            (&mut self.pipes, other.pipes),
            (&mut self.sockets, other.sockets),
            (&mut self.children, other.children),
            (&mut self.setuid, other.setuid),
            (&mut self.setgid, other.setgid),
            (&mut self.sticky, other.sticky),
            (&mut self.objects, other.objects),
            (&mut self.chunks, other.chunks),
            (&mut self.size, other.size),
            (&mut self.hi_entropy, other.hi_entropy),
            (&mut self.lo_entropy, other.lo_entropy),
            (&mut self.mime_audio, other.mime_audio),
            (&mut self.mime_video, other.mime_video),
            (&mut self.mime_image, other.mime_image),
            (&mut self.mime_text, other.mime_text),
            (&mut self.mime_application, other.mime_application),
            (&mut self.mime_other, other.mime_other),
            (&mut self.errors, other.errors),
        ];
        for (mine, theirs) in pairs {
            add(mine, theirs);
        }
    }

    /// Widens the minimums and maximums; see [`widen`] for what a zero does.
    fn widen_by(&mut self, other: &Self) {
        widen(&mut self.min_size, &mut self.max_size, other.min_size, other.max_size);
        widen(&mut self.min_mod_time, &mut self.max_mod_time, other.min_mod_time, other.max_mod_time);
        widen(&mut self.min_entropy, &mut self.max_entropy, other.min_entropy, other.max_entropy);
    }

    fn count_kind(&mut self, mode: FileMode) {
        let kind = match mode.kind() {
            FileKind::Symlink => &mut self.symlinks,
            FileKind::BlockDevice | FileKind::CharacterDevice => &mut self.devices,
            FileKind::Pipe => &mut self.pipes,
            FileKind::Socket => &mut self.sockets,
            FileKind::Regular | FileKind::Irregular | FileKind::Directory => &mut self.files,
        };
        add(kind, 1);
        for (bit, counter) in [
            (FileMode::SETUID, &mut self.setuid),
            (FileMode::SETGID, &mut self.setgid),
            (FileMode::STICKY, &mut self.sticky),
        ] {
            add(counter, u64::from(mode.0 & bit != 0));
        }
    }

    fn count_content_type(&mut self, content_type: &str) {
        if content_type.is_empty() {
            return;
        }
        let family = content_type.split_once('/').map_or("", |(family, _)| family);
        let counter = match family {
            "audio" => &mut self.mime_audio,
            "video" => &mut self.mime_video,
            "image" => &mut self.mime_image,
            "text" => &mut self.mime_text,
            "application" => &mut self.mime_application,
            _ => &mut self.mime_other,
        };
        add(counter, 1);
    }
}

/// Wraps as the reference implementation does; only a made-up size gets that far.
fn add(counter: &mut u64, more: u64) {
    *counter = counter.wrapping_add(more);
}

/// A zero on our side is "unset" and always replaced, even by another zero.
fn widen<T: PartialOrd + Default + Copy>(min: &mut T, max: &mut T, low: T, high: T) {
    let unset = T::default();
    if *min == unset || low < *min {
        *min = low;
    }
    if *max == unset || high > *max {
        *max = high;
    }
}

impl Summary {
    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let has_directory = self.directory.written(Half::Directory) > 0;
        put_map(out, 1 + usize::from(has_directory));
        if has_directory {
            put_key(out, "directory");
            self.directory.put_directory(out);
        }
        put_key(out, "below");
        self.below.put_below(out);
    }

    /// Decodes a summary blob.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("summary", bytes);
        let summary = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(summary)
    }

    /// Reads a summary that is part of another record.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut summary = Self::default();
        reader.map("summary", |reader, key| {
            match key {
                b"directory" => summary.directory = Counters::read(reader, "directory")?,
                b"below" => summary.below = Counters::read(reader, "below")?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(summary)
    }

    /// Adds a direct child that is not a directory.
    ///
    /// Children of both kinds must come in ascending byte order of the path: the sums of
    /// entropies and the handling of zeros depend on the order.
    pub fn add_entry(&mut self, entry: &Entry) {
        let counters = &mut self.directory;
        let mode = entry.info.mode;
        add(&mut counters.children, 1);
        counters.count_kind(mode);
        if !entry.object.is_zero() {
            add(&mut counters.objects, 1);
            add(&mut counters.chunks, entry.chunks);
        }
        let size = if mode.is_regular() { entry.info.size as u64 } else { 0 };
        let (seconds, entropy) = (entry.info.mod_time.seconds, entry.entropy);
        widen(&mut counters.min_mod_time, &mut counters.max_mod_time, seconds, seconds);
        widen(&mut counters.min_size, &mut counters.max_size, size, size);
        widen(&mut counters.min_entropy, &mut counters.max_entropy, entropy, entropy);
        if entropy <= LOW_ENTROPY {
            add(&mut counters.lo_entropy, 1);
        } else if entropy >= HIGH_ENTROPY {
            add(&mut counters.hi_entropy, 1);
        }
        counters.count_content_type(&entry.content_type);
        add(&mut counters.size, size);
        counters.sum_entropy += entropy;
    }

    /// Adds a direct child that is a directory, by its finished summary.
    pub fn add_directory(&mut self, child: &Self) {
        add(&mut self.directory.children, 1);
        add(&mut self.directory.directories, 1);
        self.below.add_counts(&child.below);
        self.below.add_counts(&child.directory);
        self.below.widen_by(&child.below);
        self.below.widen_by(&child.directory);
    }

    /// Ends the accumulation; `direct_errors` is the number of direct children with an error.
    pub fn finish(&mut self, direct_errors: u64) {
        add(&mut self.below.errors, direct_errors);
        let counters = &mut self.directory;
        if let Some(mean) = counters.size.checked_div(counters.files) {
            counters.avg_size = mean;
            counters.avg_entropy = counters.sum_entropy / counters.files as f64;
        }
    }
}

#[cfg(test)]
mod tests;
