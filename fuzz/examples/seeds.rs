//! Fills `corpus/` with what the targets start from: the files of a plain store, and what they hold.
//!
//! The store is a folder without encryption. Each target gets what it decodes, at most [`FILES_MAX`]
//! files of at most [`FILE_BYTES_MAX`] bytes: small seeds fuzz fast.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use kloset_codec::codec::{Codec, Scratch};
use kloset_codec::compress::Compression;
use kloset_format::packfile::{self, Footer};
use kloset_format::{ResourceType, Version, envelope};

const FILES_MAX: usize = 200;
const FILE_BYTES_MAX: usize = 16 << 10;
const DECODED_BYTES_MAX: usize = 64 << 20;

/// The corpus, and how many files each target has.
struct Corpus {
    root: PathBuf,
    count: HashMap<&'static str, usize>,
}

impl Corpus {
    fn add(&mut self, target: &'static str, bytes: &[u8]) -> std::io::Result<()> {
        let count = self.count.entry(target).or_default();
        if *count >= FILES_MAX || bytes.len() > FILE_BYTES_MAX {
            return Ok(());
        }
        *count += 1;
        let folder = self.root.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{count:03}")), bytes)
    }
}

/// The targets that decode a blob of this type.
fn targets_of(resource: ResourceType) -> &'static [&'static str] {
    match resource {
        ResourceType::SNAPSHOT => &["header"],
        ResourceType::OBJECT => &["object"],
        ResourceType::CHUNK => &["chunker", "content_type", "dirpack"],
        ResourceType::VFS_ENTRY => &["entry"],
        ResourceType::VFS_SUMMARY | ResourceType::ERROR_ENTRY | ResourceType::XATTR_ENTRY => &["records"],
        ResourceType::VFS_BTREE
        | ResourceType::VFS_NODE
        | ResourceType::ERROR_BTREE
        | ResourceType::ERROR_NODE
        | ResourceType::XATTR_BTREE
        | ResourceType::XATTR_NODE
        | ResourceType::BTREE_ROOT
        | ResourceType::BTREE_NODE => &["btree_node"],
        _ => &[],
    }
}

fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.is_dir() { found.extend(files_below(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

fn packfile_seeds(corpus: &mut Corpus, payload: &[u8], codec: &Codec) -> Result<(), Box<dyn Error>> {
    let mut scratch = Scratch::new();
    let (footer, at) = packfile::split_payload(payload)?;
    let plain = codec.decode(&mut scratch, footer, DECODED_BYTES_MAX)?;
    let footer = Footer::decode(&plain)?;
    let index = payload.get(footer.index_range(at)?).unwrap_or_default();
    let index = codec.decode(&mut scratch, index, DECODED_BYTES_MAX)?;
    corpus.add("packfile", &index)?;
    // As the target reads it: index, footer, length of the footer.
    let whole = [&index[..], &plain, &(plain.len() as u32).to_le_bytes()].concat();
    corpus.add("packfile", &whole)?;
    for record in packfile::records(&index)? {
        let range = record.range(footer.index_offset)?;
        let encoded = payload.get(range.start as usize..range.end as usize).unwrap_or_default();
        corpus.add("codec", encoded)?;
        let resource = ResourceType(u8::try_from(record.resource).unwrap_or_default());
        if resource == ResourceType::RANDOM {
            continue;
        }
        let plain = codec.decode(&mut scratch, encoded, DECODED_BYTES_MAX)?;
        for target in targets_of(resource) {
            corpus.add(target, &plain)?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let store = std::env::args_os().nth(1).ok_or("usage: seeds STORE (a folder without encryption)")?;
    let store = PathBuf::from(store);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut corpus = Corpus { root, count: HashMap::new() };
    let codec = Codec { compression: Some(Compression::Lz4), cipher: None };

    let config = fs::read(store.join("CONFIG"))?;
    corpus.add("envelope", &config)?;
    corpus.add("config", envelope::open(&config, ResourceType::CONFIG, Version::V1_1_0)?.payload)?;
    for path in files_below(&store.join("states"))? {
        let bytes = fs::read(path)?;
        corpus.add("envelope", &bytes)?;
        let payload = envelope::open(&bytes, ResourceType::STATE, Version::V1_1_0)?.payload;
        corpus.add("codec", payload)?;
        corpus.add("state", &codec.decode(&mut Scratch::new(), payload, DECODED_BYTES_MAX)?)?;
    }
    for path in files_below(&store.join("packfiles"))? {
        let bytes = fs::read(path)?;
        let payload = envelope::open(&bytes, ResourceType::PACKFILE, Version::V1_0_0)?.payload;
        packfile_seeds(&mut corpus, payload, &codec)?;
    }
    for (target, count) in corpus.count {
        println!("{target}: {count}");
    }
    Ok(())
}
