//! Entries: one path of a snapshot, with everything that is known about it but its content.

use std::borrow::Cow;

use crate::msgpack::{
    Reader, put_bin, put_f64, put_i64, put_id, put_key, put_list, put_map, put_nil, put_str, put_str_list,
    put_time, put_u16, put_u32, put_u64,
};
use crate::{DecodeError, FileInfo, FileMode, Mac, Summary, Text, Timestamp, Version, path};

/// Content type of everything that is neither a regular file nor a directory.
pub const NOT_REGULAR_CONTENT_TYPE: &str = "application/x-not-regular-file";

/// Smallest encoded classification: three keys and three empty values.
const CLASSIFICATION_BYTES_MIN: usize = 28;
/// Smallest encoded pair: the keys `key` and `value` and two empty values.
const PAIR_BYTES_MIN: usize = 13;

/// One path of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Version of the record.
    pub version: Version,
    /// Path of the directory that holds it; `/` for the root itself.
    pub parent_path: Vec<u8>,
    /// What a stat call said.
    pub info: FileInfo,
    /// Not written nowadays: summaries have an index of their own.
    pub summary: Option<Summary>,
    /// Where a symbolic link points to.
    pub symlink_target: Vec<u8>,
    /// Name of the object with the content; zero for everything but regular files.
    pub object: Mac,
    /// Detected type of the content. Bytes that are not UTF-8 were replaced on decoding.
    pub content_type: String,
    /// Entropy of the content in bits per byte.
    pub entropy: f64,
    /// Number of chunks of the content.
    pub chunks: u64,
    /// Windows only; not written by current sources.
    pub alternate_data_streams: Vec<Vec<u8>>,
    /// Windows only; not written by current sources.
    pub security_descriptor: Vec<u8>,
    /// Windows only; not written by current sources.
    pub file_attributes: u32,
    /// Names of extended attributes, sorted bytewise.
    pub extended_attributes: Vec<Vec<u8>>,
    /// What analysers said.
    pub classifications: Vec<EntryClassification>,
    /// Free data.
    pub custom_metadata: Vec<CustomMetadata>,
    /// Free marks.
    pub tags: Vec<Text>,
}

/// What one analyser said about an entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntryClassification {
    /// Name of the analyser.
    pub analyzer: Text,
    /// Classes it found.
    pub classes: Vec<Text>,
    /// Scores it gave.
    pub scores: Vec<Score>,
}

/// A named number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Name.
    pub key: Text,
    /// Number.
    pub value: f64,
}

/// Free data of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomMetadata {
    /// Name.
    pub key: Text,
    /// Data.
    pub value: Vec<u8>,
}

impl Entry {
    /// An entry without content for `info` in the directory `parent_path`.
    pub fn new(parent_path: Vec<u8>, info: FileInfo) -> Self {
        Self {
            version: Version::V1_0_0,
            parent_path,
            info,
            summary: None,
            symlink_target: Vec::new(),
            object: Mac::ZERO,
            content_type: String::new(),
            entropy: 0.0,
            chunks: 0,
            alternate_data_streams: Vec::new(),
            security_descriptor: Vec::new(),
            file_attributes: 0,
            extended_attributes: Vec::new(),
            classifications: Vec::new(),
            custom_metadata: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// Absolute, clean path.
    ///
    /// The name comes from the store: before using the path outside a snapshot, check
    /// [`Entry::has_plain_name`].
    pub fn path(&self) -> Vec<u8> {
        path::clean(&path::join(&self.parent_path, &self.info.name))
    }

    /// Whether the name is one component that a directory can hold, or that of the root.
    pub fn has_plain_name(&self) -> bool {
        match self.info.name.as_slice() {
            b"" | b"." | b".." => false,
            b"/" => self.parent_path == b"/",
            name => !name.iter().any(|&byte| byte == b'/' || byte == 0),
        }
    }

    /// Key of this entry in the `content-type` index, if it belongs there:
    /// `/`, the type without parameters, and the path.
    pub fn content_type_key(&self) -> Option<Vec<u8>> {
        if self.info.mode.is_directory() || self.content_type.is_empty() {
            return None;
        }
        let bare = self.content_type.split(';').next().unwrap_or_default();
        let path = self.path();
        let mut key = Vec::with_capacity(1 + bare.len() + path.len());
        key.push(b'/');
        key.extend_from_slice(bare.as_bytes());
        key.extend_from_slice(&path);
        Some(key)
    }

    /// Appends the canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_map(out, 5 + self.optional_keys());
        put_key(out, "version");
        put_u32(out, self.version.0);
        put_key(out, "parent_path");
        put_str(out, &self.parent_path);
        put_key(out, "file_info");
        put_file_info(out, &self.info);
        put_key(out, "summary");
        match &self.summary {
            Some(summary) => summary.encode(out),
            None => put_nil(out),
        }
        self.put_content(out);
        self.put_attributes(out);
        self.put_marks(out);
    }

    /// Number of keys that are written only when they say something.
    fn optional_keys(&self) -> usize {
        [
            !self.symlink_target.is_empty(),
            !self.content_type.is_empty(),
            self.entropy != 0.0,
            self.chunks != 0,
            !self.alternate_data_streams.is_empty(),
            !self.security_descriptor.is_empty(),
            self.file_attributes != 0,
            !self.extended_attributes.is_empty(),
            !self.classifications.is_empty(),
            !self.custom_metadata.is_empty(),
            !self.tags.is_empty(),
        ]
        .into_iter()
        .map(usize::from)
        .sum()
    }

    fn put_content(&self, out: &mut Vec<u8>) {
        if !self.symlink_target.is_empty() {
            put_key(out, "symlink_target");
            put_str(out, &self.symlink_target);
        }
        put_key(out, "object");
        put_id(out, &self.object.0);
        if !self.content_type.is_empty() {
            put_key(out, "content_type");
            put_str(out, self.content_type.as_bytes());
        }
        if self.entropy != 0.0 {
            put_key(out, "entropy");
            put_f64(out, self.entropy);
        }
        if self.chunks != 0 {
            put_key(out, "chunks");
            put_u64(out, self.chunks);
        }
    }

    fn put_attributes(&self, out: &mut Vec<u8>) {
        if !self.alternate_data_streams.is_empty() {
            put_key(out, "alternate_data_streams");
            put_str_list(out, &self.alternate_data_streams);
        }
        if !self.security_descriptor.is_empty() {
            put_key(out, "security_descriptor");
            put_bin(out, &self.security_descriptor);
        }
        if self.file_attributes != 0 {
            put_key(out, "file_attributes");
            put_u32(out, self.file_attributes);
        }
        if !self.extended_attributes.is_empty() {
            put_key(out, "extended_attributes");
            put_str_list(out, &self.extended_attributes);
        }
    }

    fn put_marks(&self, out: &mut Vec<u8>) {
        if !self.classifications.is_empty() {
            put_key(out, "classifications");
            put_list(out, self.classifications.len());
            self.classifications.iter().for_each(|classification| put_classification(out, classification));
        }
        if !self.custom_metadata.is_empty() {
            put_key(out, "custom_metadata");
            put_list(out, self.custom_metadata.len());
            for custom in &self.custom_metadata {
                put_map(out, 2);
                put_key(out, "key");
                put_str(out, &custom.key);
                put_key(out, "value");
                put_bin(out, &custom.value);
            }
        }
        if !self.tags.is_empty() {
            put_key(out, "tags");
            put_str_list(out, &self.tags);
        }
    }

    /// Decodes an entry blob, or the entry bytes of a dirpack frame.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut entry = Self::new(Vec::new(), zero_file_info());
        entry.version = Version::default();
        let mut reader = Reader::new("entry", bytes);
        reader.map("entry", |reader, key| entry.read_field(reader, key))?;
        reader.finish()?;
        Ok(entry)
    }

    fn read_field(&mut self, reader: &mut Reader<'_>, key: &[u8]) -> Result<(), DecodeError> {
        match key {
            b"version" => self.version = Version(reader.u32("version")?),
            b"parent_path" => self.parent_path = reader.vec("parent_path")?,
            b"file_info" => self.info = read_file_info(reader)?,
            b"summary" => {
                self.summary = if reader.take_nil() { None } else { Some(Summary::read(reader)?) };
            }
            b"symlink_target" => self.symlink_target = reader.vec("symlink_target")?,
            b"object" => self.object = reader.id("object")?,
            b"content_type" => self.content_type = reader.string("content_type")?,
            b"entropy" => self.entropy = reader.f64("entropy")?,
            b"chunks" => self.chunks = reader.u64("chunks")?,
            b"alternate_data_streams" => {
                self.alternate_data_streams = reader.vec_list("alternate_data_streams")?;
            }
            b"security_descriptor" => self.security_descriptor = reader.vec("security_descriptor")?,
            b"file_attributes" => self.file_attributes = reader.u32("file_attributes")?,
            b"extended_attributes" => self.extended_attributes = reader.vec_list("extended_attributes")?,
            b"classifications" => {
                self.classifications =
                    reader.list("classifications", CLASSIFICATION_BYTES_MIN, read_classification)?;
            }
            b"custom_metadata" => {
                self.custom_metadata = reader.list("custom_metadata", PAIR_BYTES_MIN, read_custom)?
            }
            b"tags" => self.tags = reader.text_list("tags")?,
            _ => reader.skip()?,
        }
        Ok(())
    }

    /// The symbolic link's target for people.
    pub fn symlink_target_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.symlink_target)
    }
}

fn put_classification(out: &mut Vec<u8>, classification: &EntryClassification) {
    put_map(out, 3);
    put_key(out, "analyzer");
    put_str(out, &classification.analyzer);
    put_key(out, "classes");
    put_str_list(out, &classification.classes);
    put_key(out, "scores");
    put_list(out, classification.scores.len());
    for score in &classification.scores {
        put_map(out, 2);
        put_key(out, "key");
        put_str(out, &score.key);
        put_key(out, "value");
        put_f64(out, score.value);
    }
}

fn read_classification(reader: &mut Reader<'_>) -> Result<EntryClassification, DecodeError> {
    let mut classification = EntryClassification::default();
    reader.map("classifications", |reader, key| {
        match key {
            b"analyzer" => classification.analyzer = reader.text("analyzer")?,
            b"classes" => classification.classes = reader.text_list("classes")?,
            b"scores" => classification.scores = reader.list("scores", PAIR_BYTES_MIN, read_score)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(classification)
}

fn read_score(reader: &mut Reader<'_>) -> Result<Score, DecodeError> {
    let mut score = Score::default();
    reader.map("scores", |reader, key| {
        match key {
            b"key" => score.key = reader.text("score key")?,
            b"value" => score.value = reader.f64("score value")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(score)
}

fn read_custom(reader: &mut Reader<'_>) -> Result<CustomMetadata, DecodeError> {
    let mut custom = CustomMetadata::default();
    reader.map("custom_metadata", |reader, key| {
        match key {
            b"key" => custom.key = reader.text("custom key")?,
            b"value" => custom.value = reader.vec("custom value")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(custom)
}

fn put_file_info(out: &mut Vec<u8>, info: &FileInfo) {
    put_map(out, 12);
    put_key(out, "name");
    put_str(out, &info.name);
    put_key(out, "size");
    put_i64(out, info.size);
    put_key(out, "mode");
    put_u32(out, info.mode.0);
    put_key(out, "mod_time");
    put_time(out, info.mod_time);
    put_key(out, "dev");
    put_u64(out, info.dev);
    put_key(out, "ino");
    put_u64(out, info.ino);
    put_key(out, "uid");
    put_u64(out, info.uid);
    put_key(out, "gid");
    put_u64(out, info.gid);
    put_key(out, "nlink");
    put_u16(out, info.nlink);
    put_key(out, "username");
    put_str(out, &info.username);
    put_key(out, "groupname");
    put_str(out, &info.groupname);
    put_key(out, "flags");
    put_u32(out, info.flags);
}

/// What missing keys mean.
fn zero_file_info() -> FileInfo {
    FileInfo { mode: FileMode(0), mod_time: Timestamp::UNSET, ..FileInfo::made_up_directory(b"") }
}

fn read_file_info(reader: &mut Reader<'_>) -> Result<FileInfo, DecodeError> {
    let mut info = zero_file_info();
    reader.map("file_info", |reader, key| {
        match key {
            b"name" => info.name = reader.vec("name")?,
            b"size" => info.size = reader.i64("size")?,
            b"mode" => info.mode = FileMode(reader.u32("mode")?),
            b"mod_time" => info.mod_time = reader.time("mod_time")?,
            b"dev" => info.dev = reader.u64("dev")?,
            b"ino" => info.ino = reader.u64("ino")?,
            b"uid" => info.uid = reader.u64("uid")?,
            b"gid" => info.gid = reader.u64("gid")?,
            b"nlink" => info.nlink = reader.u16("nlink")?,
            b"username" => info.username = reader.vec("username")?,
            b"groupname" => info.groupname = reader.vec("groupname")?,
            b"flags" => info.flags = reader.u32("flags")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(info)
}
