//! The MessagePack form of snapshot headers.

use super::{Class, Classification, Header, Identity, Importer, Index, KeyValue, Roots, SourceRecord};
use crate::msgpack::{
    Reader, put_bin, put_f64, put_i64, put_id, put_key, put_list, put_map, put_nil, put_str, put_str_list,
    put_time, put_u32,
};
use crate::{DecodeError, SnapshotId, Summary, Timestamp, Version};

/// Smallest encoded items of the lists: what keeps a short header from growing to gigabytes.
mod bytes_min {
    /// Three names of tree records.
    pub(super) const SOURCE: usize = 100;
    /// Name of one tree record.
    pub(super) const INDEX: usize = 34;
    /// Two keys and two empty values.
    pub(super) const KEY_VALUE: usize = 13;
    /// Two keys and two empty values.
    pub(super) const CLASS: usize = 20;
    /// Two keys and two empty values.
    pub(super) const CLASSIFICATION: usize = 20;
}

impl Header {
    /// The bytes of the header blob.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2048);
        put_map(&mut out, 17);
        put_key(&mut out, "version");
        put_u32(&mut out, self.version.0);
        put_key(&mut out, "identifier");
        put_id(&mut out, &self.identifier.0);
        put_key(&mut out, "timestamp");
        put_time(&mut out, self.timestamp);
        put_key(&mut out, "duration");
        put_i64(&mut out, self.duration_ns);
        put_key(&mut out, "identity");
        put_identity(&mut out, &self.identity);
        put_named(&mut out, "name", &self.name);
        put_named(&mut out, "category", &self.category);
        put_named(&mut out, "environment", &self.environment);
        put_named(&mut out, "perimeter", &self.perimeter);
        put_named(&mut out, "job", &self.job);
        put_key(&mut out, "replicas");
        put_u32(&mut out, self.replicas);
        put_named(&mut out, "dataset", &self.dataset);
        put_key(&mut out, "data_classes");
        put_str_list(&mut out, &self.data_classes);
        put_key(&mut out, "classifications");
        put_records(&mut out, &self.classifications, put_classification);
        put_key(&mut out, "tags");
        put_str_list(&mut out, &self.tags);
        put_key(&mut out, "context");
        put_records(&mut out, &self.context, put_key_value);
        put_key(&mut out, "sources");
        put_records(&mut out, &self.sources, put_source);
        out
    }

    /// Decodes a header blob. Whether it is the header asked for is up to the caller.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut header = Self::new(SnapshotId::ZERO, Timestamp::UNSET);
        header.version = Version::default();
        header.replicas = 0;
        let mut reader = Reader::new("snapshot header", bytes);
        reader.map("header", |reader, key| header.read_field(reader, key))?;
        reader.finish()?;
        Ok(header)
    }

    fn read_field(&mut self, reader: &mut Reader<'_>, key: &[u8]) -> Result<(), DecodeError> {
        match key {
            b"version" => self.version = Version(reader.u32("version")?),
            b"identifier" => self.identifier = reader.id("identifier")?,
            b"timestamp" => self.timestamp = reader.time("timestamp")?,
            b"duration" => self.duration_ns = reader.i64("duration")?,
            b"identity" => self.identity = read_identity(reader)?,
            b"name" => self.name = reader.text("name")?,
            b"category" => self.category = reader.text("category")?,
            b"environment" => self.environment = reader.text("environment")?,
            b"perimeter" => self.perimeter = reader.text("perimeter")?,
            b"job" => self.job = reader.text("job")?,
            b"replicas" => self.replicas = reader.u32("replicas")?,
            b"dataset" => self.dataset = reader.text("dataset")?,
            b"data_classes" => self.data_classes = reader.text_list("data_classes")?,
            b"classifications" => {
                self.classifications =
                    reader.list("classifications", bytes_min::CLASSIFICATION, read_classification)?;
            }
            b"tags" => self.tags = reader.text_list("tags")?,
            b"context" => self.context = reader.list("context", bytes_min::KEY_VALUE, read_key_value)?,
            b"sources" => self.sources = reader.list("sources", bytes_min::SOURCE, read_source)?,
            _ => reader.skip()?,
        }
        Ok(())
    }
}

fn put_named(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    put_key(out, key);
    put_str(out, value);
}

fn put_records<T>(out: &mut Vec<u8>, records: &[T], put: fn(&mut Vec<u8>, &T)) {
    put_list(out, records.len());
    for record in records {
        put(out, record);
    }
}

fn put_identity(out: &mut Vec<u8>, identity: &Identity) {
    put_map(out, 2);
    put_key(out, "identifier");
    put_bin(out, &identity.identifier);
    put_key(out, "public_key");
    match &identity.public_key {
        Some(key) => put_bin(out, key),
        None => put_nil(out),
    }
}

fn put_classification(out: &mut Vec<u8>, classification: &Classification) {
    put_map(out, 2);
    put_named(out, "analyzer", &classification.analyzer);
    put_key(out, "classes");
    put_records(out, &classification.classes, |out, class: &Class| {
        put_map(out, 2);
        put_named(out, "name", &class.name);
        put_key(out, "probability");
        put_f64(out, class.probability);
    });
}

fn put_key_value(out: &mut Vec<u8>, pair: &KeyValue) {
    put_map(out, 2);
    put_named(out, "key", &pair.key);
    put_named(out, "value", &pair.value);
}

fn put_source(out: &mut Vec<u8>, source: &SourceRecord) {
    put_map(out, 5);
    put_key(out, "importer");
    put_map(out, 3);
    put_named(out, "type", &source.importer.kind);
    put_named(out, "origin", &source.importer.origin);
    put_named(out, "directory", &source.importer.directory);
    put_key(out, "context");
    put_records(out, &source.context, put_key_value);
    put_key(out, "root");
    put_map(out, 3);
    for (key, mac) in
        [("root", source.roots.root), ("xattrs", source.roots.xattrs), ("errors", source.roots.errors)]
    {
        put_key(out, key);
        put_id(out, &mac.0);
    }
    put_key(out, "indexes");
    put_records(out, &source.indexes, |out, index: &Index| {
        put_map(out, 3);
        put_named(out, "name", &index.name);
        put_named(out, "type", &index.kind);
        put_key(out, "value");
        put_id(out, &index.value.0);
    });
    put_key(out, "summary");
    source.summary.encode(out);
}

fn read_identity(reader: &mut Reader<'_>) -> Result<Identity, DecodeError> {
    let mut identity = Identity::default();
    reader.map("identity", |reader, key| {
        match key {
            b"identifier" => identity.identifier = reader.vec("identity identifier")?,
            b"public_key" => {
                identity.public_key = reader.optional_bytes("public_key")?.map(<[u8]>::to_vec);
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(identity)
}

fn read_classification(reader: &mut Reader<'_>) -> Result<Classification, DecodeError> {
    let mut classification = Classification::default();
    reader.map("classifications", |reader, key| {
        match key {
            b"analyzer" => classification.analyzer = reader.text("analyzer")?,
            b"classes" => classification.classes = reader.list("classes", bytes_min::CLASS, read_class)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(classification)
}

fn read_class(reader: &mut Reader<'_>) -> Result<Class, DecodeError> {
    let mut class = Class::default();
    reader.map("classes", |reader, key| {
        match key {
            b"name" => class.name = reader.text("class name")?,
            b"probability" => class.probability = reader.f64("class probability")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(class)
}

fn read_key_value(reader: &mut Reader<'_>) -> Result<KeyValue, DecodeError> {
    let mut pair = KeyValue::default();
    reader.map("context", |reader, key| {
        match key {
            b"key" => pair.key = reader.text("context key")?,
            b"value" => pair.value = reader.text("context value")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(pair)
}

fn read_source(reader: &mut Reader<'_>) -> Result<SourceRecord, DecodeError> {
    let mut source = SourceRecord::default();
    reader.map("sources", |reader, key| {
        match key {
            b"importer" => source.importer = read_importer(reader)?,
            b"context" => {
                source.context = reader.list("source context", bytes_min::KEY_VALUE, read_key_value)?
            }
            b"root" => source.roots = read_roots(reader)?,
            b"indexes" => source.indexes = reader.list("indexes", bytes_min::INDEX, read_index)?,
            b"summary" => source.summary = Summary::read(reader)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(source)
}

fn read_importer(reader: &mut Reader<'_>) -> Result<Importer, DecodeError> {
    let mut importer = Importer::default();
    reader.map("importer", |reader, key| {
        match key {
            b"type" => importer.kind = reader.text("importer type")?,
            b"origin" => importer.origin = reader.text("importer origin")?,
            b"directory" => importer.directory = reader.vec("importer directory")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(importer)
}

fn read_roots(reader: &mut Reader<'_>) -> Result<Roots, DecodeError> {
    let mut roots = Roots::default();
    reader.map("root", |reader, key| {
        match key {
            b"root" => roots.root = reader.id("root")?,
            b"xattrs" => roots.xattrs = reader.id("xattrs")?,
            b"errors" => roots.errors = reader.id("errors")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(roots)
}

fn read_index(reader: &mut Reader<'_>) -> Result<Index, DecodeError> {
    let mut index = Index::default();
    reader.map("indexes", |reader, key| {
        match key {
            b"name" => index.name = reader.text("index name")?,
            b"type" => index.kind = reader.text("index type")?,
            b"value" => index.value = reader.id("index value")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(index)
}
