//! Looks at the parts of a repository that no other operation shows: locks, marks, places of blobs.

use kloset_codec::codec::Scratch;
use kloset_connector::StoreFile;
use kloset_format::lock::LockRecord;
use kloset_format::state::{StateEntry, StateMetadata, StateReader};
use kloset_format::{LockId, Mac, PackfileId, StateId};

use crate::repository::decode_state;
use crate::write::read_lock;
use crate::{BlobId, BlobLocation, Error, OpenError, Repository, Snapshot};

/// What one state says.
#[derive(Clone, Debug)]
pub struct StateContents {
    /// Name of the state that was newest for its writer.
    pub parent: StateId,
    /// Its entries, in their order.
    pub entries: Vec<StateEntry>,
    /// Its end.
    pub metadata: StateMetadata,
}

/// Where the entries of a directory are kept.
#[derive(Clone, Debug)]
pub struct DirectoryListing {
    /// Absolute path.
    pub path: Vec<u8>,
    /// The object that holds them.
    pub object: Mac,
}

/// The locks of a store, stale ones included.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    /// Those that can be read, oldest first.
    pub readable: Vec<(LockId, LockRecord)>,
    /// Names of the others.
    pub unreadable: Vec<LockId>,
}

impl Repository {
    /// Every lock in the store.
    pub fn locks(&self) -> Result<Locks, Error> {
        let listed = self.storage.list(StoreFile::Lock).map_err(Error::Storage)?;
        let mut locks = Locks::default();
        for file in listed {
            let name = LockId(file.name);
            match read_lock(self, name) {
                Ok(Some(record)) => locks.readable.push((name, record)),
                Ok(None) => {}
                Err(error) if error.is_out_of_reach() => return Err(error),
                Err(_) => locks.unreadable.push(name),
            }
        }
        locks.readable.sort_by_key(|(name, record)| (record.timestamp, *name));
        Ok(locks)
    }

    /// Reads one state anew.
    pub fn state_contents(&self, id: StateId) -> Result<StateContents, Error> {
        let bytes = self.storage.get(StoreFile::State, &id.0).map_err(Error::Storage)?;
        let state = decode_state(id, &bytes, &self.key, &self.codec, &mut Scratch::new())?;
        let damaged = |reason: String| OpenError::DamagedState { state: id, reason };
        let mut reader =
            StateReader::new(&state.plain, state.version).map_err(|error| damaged(error.to_string()))?;
        let mut entries = Vec::new();
        for entry in reader.by_ref() {
            entries.push(entry.map_err(|error| damaged(error.to_string()))?);
        }
        let metadata = reader.metadata().ok_or_else(|| damaged("it has no end".to_owned()))?;
        Ok(StateContents { parent: reader.parent(), entries, metadata })
    }

    /// Packfiles marked for deletion, with the time of the mark in nanoseconds since 1970.
    pub fn marked_packfiles(&self) -> Vec<(PackfileId, i64)> {
        let mut marked: Vec<_> = self.index.coloured().iter().map(|(id, when)| (*id, *when)).collect();
        marked.sort_unstable();
        marked
    }

    /// Blobs of any type with this name, and where they lie.
    pub fn blobs_named(&self, mac: Mac) -> Vec<(BlobId, BlobLocation)> {
        self.blobs_where(|blob, _| blob.mac == mac)
    }

    /// Blobs that are read from a packfile, in the order of their places.
    pub fn blobs_in(&self, packfile: PackfileId) -> Vec<(BlobId, BlobLocation)> {
        self.blobs_where(|_, place| place.packfile == packfile)
    }

    fn blobs_where(&self, wanted: impl Fn(BlobId, BlobLocation) -> bool) -> Vec<(BlobId, BlobLocation)> {
        let packfiles = self.index.packfile_list();
        let all = self.index.places().filter_map(|(blob, place)| {
            let packfile = *packfiles.get(place.packfile as usize)?;
            Some((blob, BlobLocation { packfile, offset: place.offset, length: place.length }))
        });
        let mut found: Vec<_> = all.filter(|(blob, place)| wanted(*blob, *place)).collect();
        found.sort_unstable_by_key(|(blob, place)| (*place, *blob));
        found
    }
}

impl Snapshot {
    /// Every directory with the object of its listing, in the order of a walk; `None` if the snapshot
    /// has no index of listings.
    pub fn listing_objects(&self) -> Result<Option<Vec<DirectoryListing>>, Error> {
        Ok(self.directory_index(b"/")?.map(|index| {
            index.rows().map(|(path, object)| DirectoryListing { path: path.to_vec(), object }).collect()
        }))
    }
}
