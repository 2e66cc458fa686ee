//! The MessagePack form of CONFIG.

use super::{Chunking, Compression, Config, Encryption, Hashing, Kdf, KdfParams, PackfileSizes};
use crate::msgpack::{
    Reader, put_bin, put_bool, put_int, put_key, put_map, put_nil, put_str, put_time, put_u8, put_u32,
    put_u64,
};
use crate::{DecodeError, Timestamp};

const RESOURCE: &str = "CONFIG";

impl Config {
    /// The payload of the CONFIG file, byte for byte as the reference implementation writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        put_map(&mut out, 7);
        put_key(&mut out, "Timestamp");
        put_time(&mut out, self.timestamp);
        put_key(&mut out, "RepositoryID");
        put_bin(&mut out, &self.repository_id);
        put_key(&mut out, "Packfile");
        put_packfile(&mut out, &self.packfile);
        put_key(&mut out, "Chunking");
        put_chunking(&mut out, &self.chunking);
        put_key(&mut out, "Hashing");
        put_map(&mut out, 2);
        put_named_str(&mut out, "Algorithm", &self.hashing.algorithm);
        put_named_u32(&mut out, "Bits", self.hashing.bits);
        put_key(&mut out, "Compression");
        match &self.compression {
            Some(compression) => put_compression(&mut out, compression),
            None => put_nil(&mut out),
        }
        put_key(&mut out, "Encryption");
        match &self.encryption {
            Some(encryption) => put_encryption(&mut out, encryption),
            None => put_nil(&mut out),
        }
        out
    }

    /// Decodes the payload of a CONFIG file. Nothing is checked for sense: see [`Config::validate`].
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.len() > Self::MAX_BYTES {
            let (expected, found) =
                (format!("at most {} bytes", Self::MAX_BYTES), format!("{} bytes", payload.len()));
            return Err(DecodeError::new(RESOURCE, "length", 0, expected, found));
        }
        let mut config = Self {
            timestamp: Timestamp::UNSET,
            repository_id: [0; 16],
            packfile: PackfileSizes::default(),
            chunking: Chunking::default(),
            hashing: Hashing::default(),
            compression: None,
            encryption: None,
        };
        let mut reader = Reader::new(RESOURCE, payload);
        reader.map("CONFIG", |reader, key| {
            match key {
                b"Timestamp" => config.timestamp = reader.time("Timestamp")?,
                b"RepositoryID" => config.repository_id = reader.array("RepositoryID")?,
                b"Packfile" => config.packfile = read_packfile(reader)?,
                b"Chunking" => config.chunking = read_chunking(reader)?,
                b"Hashing" => config.hashing = read_hashing(reader)?,
                b"Compression" => {
                    config.compression =
                        if reader.take_nil() { None } else { Some(read_compression(reader)?) };
                }
                b"Encryption" => {
                    config.encryption = if reader.take_nil() { None } else { Some(read_encryption(reader)?) };
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        reader.finish()?;
        Ok(config)
    }
}

fn put_named_str(out: &mut Vec<u8>, key: &str, value: &str) {
    put_key(out, key);
    put_str(out, value.as_bytes());
}

fn put_named_u32(out: &mut Vec<u8>, key: &str, value: u32) {
    put_key(out, key);
    put_u32(out, value);
}

fn put_named_int(out: &mut Vec<u8>, key: &str, value: i64) {
    put_key(out, key);
    put_int(out, value);
}

fn put_packfile(out: &mut Vec<u8>, packfile: &PackfileSizes) {
    put_map(out, 3);
    for (key, value) in [("MinSize", packfile.min), ("AvgSize", packfile.avg), ("MaxSize", packfile.max)] {
        put_key(out, key);
        put_u64(out, value);
    }
}

fn put_chunking(out: &mut Vec<u8>, chunking: &Chunking) {
    put_map(out, 4);
    put_named_str(out, "Algorithm", &chunking.algorithm);
    put_named_u32(out, "MinSize", chunking.min);
    put_named_u32(out, "NormalSize", chunking.normal);
    put_named_u32(out, "MaxSize", chunking.max);
}

fn put_compression(out: &mut Vec<u8>, compression: &Compression) {
    put_map(out, 6);
    put_named_str(out, "Algorithm", &compression.algorithm);
    put_named_int(out, "Level", compression.level);
    put_named_int(out, "WindowSize", compression.window_size);
    put_named_int(out, "ChunkSize", compression.chunk_size);
    put_named_int(out, "BlockSize", compression.block_size);
    put_key(out, "EnableCRC");
    put_bool(out, compression.enable_crc);
}

fn put_encryption(out: &mut Vec<u8>, encryption: &Encryption) {
    put_map(out, 5);
    put_named_str(out, "SubKeyAlgorithm", &encryption.subkey_algorithm);
    put_named_str(out, "DataAlgorithm", &encryption.data_algorithm);
    put_named_int(out, "ChunkSize", encryption.chunk_size);
    put_key(out, "KDFParams");
    put_kdf(out, &encryption.kdf);
    put_key(out, "Canary");
    put_bin(out, &encryption.canary);
}

fn put_kdf(out: &mut Vec<u8>, params: &KdfParams) {
    put_map(out, 3);
    put_named_str(out, "KDF", params.kdf.name());
    put_key(out, "Salt");
    put_bin(out, &params.salt);
    match &params.kdf {
        Kdf::Argon2id { time, memory_kib, threads, key_len } => {
            put_key(out, "argon2id");
            put_map(out, 5);
            put_named_u32(out, "SaltSize", params.salt_size);
            put_named_u32(out, "Time", *time);
            put_named_u32(out, "Memory", *memory_kib);
            put_key(out, "Threads");
            put_u8(out, *threads);
            put_named_u32(out, "KeyLen", *key_len);
        }
        Kdf::Scrypt { n, r, p, key_len } => {
            put_key(out, "scrypt");
            put_map(out, 5);
            put_named_u32(out, "SaltSize", params.salt_size);
            for (key, value) in [("N", n), ("R", r), ("P", p), ("KeyLen", key_len)] {
                put_named_int(out, key, *value);
            }
        }
        Kdf::Pbkdf2 { iterations, key_len, hashing } => {
            put_key(out, "pbkdf2");
            put_map(out, 4);
            put_named_u32(out, "SaltSize", params.salt_size);
            put_named_int(out, "Iterations", *iterations);
            put_named_int(out, "KeyLen", *key_len);
            put_named_str(out, "Hashing", hashing);
        }
    }
}

impl Kdf {
    /// The name that CONFIG uses.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Argon2id { .. } => "ARGON2ID",
            Self::Scrypt { .. } => "SCRYPT",
            Self::Pbkdf2 { .. } => "PBKDF2",
        }
    }
}

fn read_packfile(reader: &mut Reader<'_>) -> Result<PackfileSizes, DecodeError> {
    let mut sizes = PackfileSizes::default();
    reader.map("Packfile", |reader, key| {
        match key {
            b"MinSize" => sizes.min = reader.u64("Packfile.MinSize")?,
            b"AvgSize" => sizes.avg = reader.u64("Packfile.AvgSize")?,
            b"MaxSize" => sizes.max = reader.u64("Packfile.MaxSize")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(sizes)
}

fn read_chunking(reader: &mut Reader<'_>) -> Result<Chunking, DecodeError> {
    let mut chunking = Chunking::default();
    reader.map("Chunking", |reader, key| {
        match key {
            b"Algorithm" => chunking.algorithm = reader.string("Chunking.Algorithm")?,
            b"MinSize" => chunking.min = reader.u32("Chunking.MinSize")?,
            b"NormalSize" => chunking.normal = reader.u32("Chunking.NormalSize")?,
            b"MaxSize" => chunking.max = reader.u32("Chunking.MaxSize")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(chunking)
}

fn read_hashing(reader: &mut Reader<'_>) -> Result<Hashing, DecodeError> {
    let mut hashing = Hashing::default();
    reader.map("Hashing", |reader, key| {
        match key {
            b"Algorithm" => hashing.algorithm = reader.string("Hashing.Algorithm")?,
            b"Bits" => hashing.bits = reader.u32("Hashing.Bits")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(hashing)
}

fn read_compression(reader: &mut Reader<'_>) -> Result<Compression, DecodeError> {
    let mut compression = Compression::default();
    reader.map("Compression", |reader, key| {
        match key {
            b"Algorithm" => compression.algorithm = reader.string("Compression.Algorithm")?,
            b"Level" => compression.level = reader.i64("Compression.Level")?,
            b"WindowSize" => compression.window_size = reader.i64("Compression.WindowSize")?,
            b"ChunkSize" => compression.chunk_size = reader.i64("Compression.ChunkSize")?,
            b"BlockSize" => compression.block_size = reader.i64("Compression.BlockSize")?,
            b"EnableCRC" => compression.enable_crc = reader.bool("Compression.EnableCRC")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(compression)
}

fn read_encryption(reader: &mut Reader<'_>) -> Result<Encryption, DecodeError> {
    let start = reader.clone();
    let (mut subkey_algorithm, mut data_algorithm) = (String::new(), String::new());
    let (mut chunk_size, mut kdf, mut canary) = (0, None, Vec::new());
    reader.map("Encryption", |reader, key| {
        match key {
            b"SubKeyAlgorithm" => subkey_algorithm = reader.string("Encryption.SubKeyAlgorithm")?,
            b"DataAlgorithm" => data_algorithm = reader.string("Encryption.DataAlgorithm")?,
            b"ChunkSize" => chunk_size = reader.i64("Encryption.ChunkSize")?,
            b"KDFParams" => kdf = Some(read_kdf(reader)?),
            b"Canary" => canary = reader.vec("Encryption.Canary")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let kdf = kdf.ok_or_else(|| start.error("Encryption.KDFParams", "a map", "nothing"))?;
    Ok(Encryption { subkey_algorithm, data_algorithm, chunk_size, kdf, canary })
}

fn read_kdf(reader: &mut Reader<'_>) -> Result<KdfParams, DecodeError> {
    let start = reader.clone();
    let (mut name, mut salt) = (String::new(), Vec::new());
    let (mut argon2id, mut scrypt, mut pbkdf2) = (None, None, None);
    reader.map("KDFParams", |reader, key| {
        match key {
            b"KDF" => name = reader.string("KDFParams.KDF")?,
            b"Salt" => salt = reader.vec("KDFParams.Salt")?,
            b"argon2id" if !reader.take_nil() => argon2id = Some(read_argon2id(reader)?),
            b"scrypt" if !reader.take_nil() => scrypt = Some(read_scrypt(reader)?),
            b"pbkdf2" if !reader.take_nil() => pbkdf2 = Some(read_pbkdf2(reader)?),
            b"argon2id" | b"scrypt" | b"pbkdf2" => {}
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let (params, wanted) = match name.as_str() {
        "ARGON2ID" => (argon2id, "argon2id parameters"),
        "SCRYPT" => (scrypt, "scrypt parameters"),
        "PBKDF2" => (pbkdf2, "pbkdf2 parameters"),
        _ => {
            return Err(start.error(
                "KDFParams.KDF",
                "ARGON2ID, SCRYPT or PBKDF2",
                name.escape_debug().to_string(),
            ));
        }
    };
    let (salt_size, kdf) = params.ok_or_else(|| start.error("KDFParams", wanted, "none"))?;
    Ok(KdfParams { salt, salt_size, kdf })
}

fn read_argon2id(reader: &mut Reader<'_>) -> Result<(u32, Kdf), DecodeError> {
    let (mut salt_size, mut time, mut memory_kib, mut threads, mut key_len) = (0, 0, 0, 0, 0);
    reader.map("argon2id", |reader, key| {
        match key {
            b"SaltSize" => salt_size = reader.u32("argon2id.SaltSize")?,
            b"Time" => time = reader.u32("argon2id.Time")?,
            b"Memory" => memory_kib = reader.u32("argon2id.Memory")?,
            b"Threads" => threads = reader.u8("argon2id.Threads")?,
            b"KeyLen" => key_len = reader.u32("argon2id.KeyLen")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok((salt_size, Kdf::Argon2id { time, memory_kib, threads, key_len }))
}

fn read_scrypt(reader: &mut Reader<'_>) -> Result<(u32, Kdf), DecodeError> {
    let (mut salt_size, mut n, mut r, mut p, mut key_len) = (0, 0, 0, 0, 0);
    reader.map("scrypt", |reader, key| {
        match key {
            b"SaltSize" => salt_size = reader.u32("scrypt.SaltSize")?,
            b"N" => n = reader.i64("scrypt.N")?,
            b"R" => r = reader.i64("scrypt.R")?,
            b"P" => p = reader.i64("scrypt.P")?,
            b"KeyLen" => key_len = reader.i64("scrypt.KeyLen")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok((salt_size, Kdf::Scrypt { n, r, p, key_len }))
}

fn read_pbkdf2(reader: &mut Reader<'_>) -> Result<(u32, Kdf), DecodeError> {
    let (mut salt_size, mut iterations, mut key_len, mut hashing) = (0, 0, 0, String::new());
    reader.map("pbkdf2", |reader, key| {
        match key {
            b"SaltSize" => salt_size = reader.u32("pbkdf2.SaltSize")?,
            b"Iterations" => iterations = reader.i64("pbkdf2.Iterations")?,
            b"KeyLen" => key_len = reader.i64("pbkdf2.KeyLen")?,
            b"Hashing" => hashing = reader.string("pbkdf2.Hashing")?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok((salt_size, Kdf::Pbkdf2 { iterations, key_len, hashing }))
}
