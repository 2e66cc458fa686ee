//! What the tests of faults share: small stores in memory, backups into them, reading back.

use std::collections::BTreeMap;
use std::sync::Arc;

use kloset::backup::{BackupOptions, BackupReport, backup};
use kloset::repository::{CreateOptions, LockedStore, OpenOptions, create};
use kloset::{Error, OpenError, Repository, Runtime, SilentMonitor, Snapshot};
use kloset_codec::codec::Scratch;
use kloset_codec::encrypt::{Cipher, SubkeyAlgorithm};
use kloset_codec::hash::{HashAlgorithm, config_trailer};
use kloset_codec::kdf;
use kloset_connector::{Storage, StoreFile};
use kloset_format::config::{
    Chunking, Compression, Config, Encryption, Hashing, Kdf, KdfParams, PackfileSizes,
};
use kloset_format::{ResourceType, SnapshotId, Timestamp, Version, envelope};
use testkit::{MemoryStore, MemoryTree};

pub const PASSPHRASE: &[u8] = b"a passphrase of the tests";

/// Contents of a snapshot by absolute path.
pub type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// Numbers that look random and are the same in each run.
#[derive(Clone)]
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Bytes that do not compress.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(length).collect()
    }
}

/// CONFIG of a store whose packfiles hold 64 KiB and whose chunks are 4 to 16 KiB.
fn small_config(encryption: Option<Encryption>, key: Option<&[u8; 32]>) -> Vec<u8> {
    config(*b"a store of tests", 4 << 10, encryption, key)
}

/// CONFIG of a small store with this identity, whose chunks are `chunk_min` to four times as long.
fn config(
    repository_id: [u8; 16],
    chunk_min: u32,
    encryption: Option<Encryption>,
    key: Option<&[u8; 32]>,
) -> Vec<u8> {
    let config = Config {
        timestamp: Timestamp { seconds: 1_700_000_000, nanoseconds: 0 },
        repository_id,
        packfile: PackfileSizes { min: 0, avg: 0, max: 64 << 10 },
        chunking: Chunking {
            algorithm: "fastcdc-v1.0.0".to_owned(),
            min: chunk_min,
            normal: chunk_min * 2,
            max: chunk_min * 4,
        },
        hashing: Hashing { algorithm: "BLAKE3".to_owned(), bits: 256 },
        compression: Some(Compression { algorithm: "LZ4".to_owned(), ..Compression::default() }),
        encryption,
    };
    let mut bytes = envelope::header(ResourceType::CONFIG, Version::V1_0_0).to_vec();
    bytes.extend_from_slice(&config.encode());
    let trailer = config_trailer(key, &bytes);
    bytes.extend_from_slice(trailer.as_bytes());
    bytes
}

/// A plaintext store with small packfiles.
pub fn small_store() -> MemoryStore {
    let store = MemoryStore::new();
    store.create(&small_config(None, None)).unwrap();
    store
}

/// Another plaintext store with small packfiles, and chunks of at least `chunk_min` bytes.
pub fn other_store(chunk_min: u32) -> MemoryStore {
    let store = MemoryStore::new();
    store.create(&config(*b"the other store.", chunk_min, None, None)).unwrap();
    store
}

/// A plaintext store with the sizes that new stores have.
pub fn large_store() -> MemoryStore {
    let options = CreateOptions {
        hashing: HashAlgorithm::Blake3,
        compression: Some(kloset_codec::compress::Compression::Lz4),
        passphrase: None,
    };
    let store = MemoryStore::new();
    create(&store, &options, &runtime(1)).unwrap();
    store
}

/// An encrypted store with small packfiles, opened by [`PASSPHRASE`].
pub fn small_encrypted_store() -> MemoryStore {
    let salt = vec![7; 16];
    let cost = kdf::Kdf::Argon2id { time: 1, memory_kib: 8 << 10, threads: 1 };
    let key = kdf::derive(&cost, &salt, PASSPHRASE).unwrap();
    let mut canary = Vec::new();
    Cipher::new(&key, SubkeyAlgorithm::Aes256Kw, 64 << 10).seal(&[1; 32], &mut canary, Scratch::new().rng());
    let encryption = Encryption {
        subkey_algorithm: "AES256-KW".to_owned(),
        data_algorithm: "AES256-GCM-SIV".to_owned(),
        chunk_size: 64 << 10,
        kdf: KdfParams {
            salt_size: 16,
            salt,
            kdf: Kdf::Argon2id { time: 1, memory_kib: 8 << 10, threads: 1, key_len: 32 },
        },
        canary,
    };
    let store = MemoryStore::new();
    store.create(&small_config(Some(encryption), Some(&key))).unwrap();
    store
}

/// A tree that fills several small packfiles: one long content, some short ones, nested folders.
pub fn small_tree() -> MemoryTree {
    let mut tree = MemoryTree::new();
    let mut numbers = Numbers::new(1);
    tree.write("long", numbers.bytes(150_000));
    tree.write("empty", "");
    tree.write("text", "the same line\n".repeat(2000));
    for at in 0..6 {
        tree.write(&format!("folder/{at}"), numbers.bytes(3000 + 1000 * at));
        tree.write(&format!("folder/deep/er/{at}"), format!("short {at}"));
    }
    tree
}

/// The tree a day later: a changed file, a new one, one less.
pub fn changed(tree: &MemoryTree) -> MemoryTree {
    let mut tree = tree.clone();
    let mut numbers = Numbers::new(2);
    tree.write("folder/3", numbers.bytes(90_000));
    tree.write("folder/new/1", numbers.bytes(70_000));
    tree.write("folder/new/2", "new");
    tree.remove("folder/5");
    tree
}

pub fn runtime(threads: usize) -> Runtime {
    Runtime::system(threads, "test".to_owned())
}

pub fn open_with(
    storage: impl Storage + 'static,
    options: OpenOptions,
) -> Result<Arc<Repository>, OpenError> {
    let locked = LockedStore::probe(Arc::new(storage), options)?;
    let passphrase = locked.is_encrypted().then_some(PASSPHRASE);
    locked.unlock(passphrase).map(Arc::new).map_err(|(_, error)| error)
}

/// Opens without a cache, as another machine would.
pub fn try_open(storage: impl Storage + 'static) -> Result<Arc<Repository>, OpenError> {
    open_with(storage, OpenOptions::new(runtime(1), Arc::new(SilentMonitor)))
}

pub fn open(store: &MemoryStore) -> Arc<Repository> {
    try_open(store.clone()).unwrap_or_else(|error| panic!("the store does not open: {error}"))
}

pub fn backup_with(repository: &Arc<Repository>, tree: &MemoryTree) -> Result<BackupReport, Error> {
    let options = BackupOptions { name: "default".to_owned(), ..BackupOptions::default() };
    backup(repository, tree, &options, &SilentMonitor)
}

/// Opens and backs up.
pub fn try_backup(storage: impl Storage + 'static, tree: &MemoryTree) -> Result<BackupReport, Error> {
    backup_with(&try_open(storage)?, tree)
}

pub fn backed_up(store: &MemoryStore, tree: &MemoryTree) -> SnapshotId {
    let report = try_backup(store.clone(), tree).unwrap_or_else(|error| panic!("the backup fails: {error}"));
    assert_eq!(report.errors, 0);
    report.snapshot
}

/// Every regular file of a snapshot.
pub fn read_back(repository: &Arc<Repository>, id: SnapshotId) -> Result<Contents, Error> {
    let snapshot = Snapshot::open(repository, id)?;
    let mut files = Vec::new();
    snapshot.walk(b"/", &mut |found| {
        if found.entry.info.mode.is_regular() {
            files.push(found);
        }
        Ok(())
    })?;
    let mut contents = Contents::new();
    for file in files {
        let mut content = Vec::new();
        snapshot.write_content(&file.entry, &mut content)?.unwrap();
        contents.insert(file.path, content);
    }
    Ok(contents)
}

/// Fails unless a fresh client reads the snapshot exactly.
pub fn assert_whole(store: &MemoryStore, id: SnapshotId, tree: &MemoryTree, when: &str) {
    match read_back(&open(store), id) {
        Ok(contents) => assert!(contents == tree.contents(), "{when}: other contents come back"),
        Err(error) => panic!("{when}: the snapshot is not whole: {error}"),
    }
}

/// Every snapshot that a fresh client lists, sorted.
pub fn listed(store: &MemoryStore) -> Vec<SnapshotId> {
    let mut ids = open(store).snapshots();
    ids.sort();
    ids
}

/// Number of lock files in the store.
pub fn locks(store: &MemoryStore) -> usize {
    store.names(StoreFile::Lock).len()
}
