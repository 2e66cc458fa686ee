//! One thread's way into the store: names, deduplicates, encodes and packs blobs.
//!
//! Each thread fills packfiles of its own, so that no lock is held while a blob is encoded.
//! Contents go to one packfile, metadata to another: listings and later backups read only the
//! latter.

use std::sync::Arc;

use kloset_codec::codec::Scratch;
use kloset_format::{Mac, ResourceType, SnapshotId};

use super::builder::PackfileBuilder;
use super::uploads::Shared;
use crate::{BlobId, Error};

/// What a blob belongs to, which decides the packfile it goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stream {
    /// Contents of files.
    Content,
    /// Everything that describes them.
    Metadata,
}

/// One thread's packfiles and scratch space.
pub(crate) struct Packer {
    shared: Arc<Shared>,
    pub(crate) scratch: Scratch,
    content: PackfileBuilder,
    metadata: PackfileBuilder,
}

impl Packer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            scratch: shared.repository.runtime.scratch(),
            shared,
            content: PackfileBuilder::new(),
            metadata: PackfileBuilder::new(),
        }
    }

    /// Stores a content piece whose name is known already.
    pub(crate) fn store_content_as(&mut self, mac: Mac, plain: &[u8]) -> Result<(), Error> {
        self.store_as(Stream::Content, ResourceType::CHUNK, mac, plain)
    }

    /// Stores a content piece whose name is known already, beside contents or beside metadata.
    pub(crate) fn store_chunk(&mut self, stream: Stream, mac: Mac, plain: &[u8]) -> Result<(), Error> {
        self.store_as(stream, ResourceType::CHUNK, mac, plain)
    }

    /// Stores a blob once more, in a packfile that is being filled now.
    pub(crate) fn store_again(
        &mut self,
        stream: Stream,
        resource: ResourceType,
        mac: Mac,
        plain: &[u8],
    ) -> Result<(), Error> {
        self.pack(stream, resource, mac, plain)
    }

    /// Stores a metadata blob unless the store has it; returns its name.
    pub(crate) fn store(&mut self, resource: ResourceType, plain: &[u8]) -> Result<Mac, Error> {
        let mac = self.shared.repository.key.mac(plain);
        self.store_as(Stream::Metadata, resource, mac, plain)?;
        Ok(mac)
    }

    /// Stores the header of a snapshot under its identifier, even if there is one already. It counts
    /// only once its snapshot is published.
    pub(crate) fn store_header(&mut self, snapshot: SnapshotId, plain: &[u8]) -> Result<(), Error> {
        self.pack(Stream::Metadata, ResourceType::SNAPSHOT, Mac(snapshot.0), plain)
    }

    fn store_as(
        &mut self,
        stream: Stream,
        resource: ResourceType,
        mac: Mac,
        plain: &[u8],
    ) -> Result<(), Error> {
        if !self.shared.claim(BlobId::new(resource, mac)) {
            return Ok(());
        }
        self.pack(stream, resource, mac, plain)
    }

    fn pack(&mut self, stream: Stream, resource: ResourceType, mac: Mac, plain: &[u8]) -> Result<(), Error> {
        let builder = match stream {
            Stream::Content => &mut self.content,
            Stream::Metadata => &mut self.metadata,
        };
        builder.add(&self.shared.repository.codec, &mut self.scratch, resource, mac, plain);
        if builder.payload_bytes() as u64 > self.shared.seal_above_bytes {
            let full = std::mem::replace(builder, self.shared.new_builder());
            self.shared.upload(full)?;
        }
        Ok(())
    }

    /// Gives up the unfinished packfiles: content, then metadata.
    pub(super) fn into_parts(self) -> (PackfileBuilder, PackfileBuilder) {
        (self.content, self.metadata)
    }
}
