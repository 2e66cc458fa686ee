//! Reading: whole files, and many ranges at the same time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use bytes::{Bytes, BytesMut};
use kloset_connector::{ConnectorError, ErrorKind, RangeRequest, Storage, StoreFile};
use plugin_sdk::wire::store as wire;
use plugin_sdk::wire::store::store_client::StoreClient;
use tonic::Status;

use super::{PluginStorage, resource};
use crate::connection::{Patience, Wire};

/// Ranges asked for at the same time: the package may have a slow line behind it.
const RANGES_AT_ONCE: usize = 16;

/// One whole answer of `Get`, no longer than `limit`.
pub(super) async fn fetch(
    mut client: StoreClient<Wire>,
    request: wire::GetRequest,
    limit: u64,
    progress: Arc<AtomicU64>,
) -> Result<Bytes, Status> {
    let mut chunks = client.get(request).await?.into_inner();
    let mut first: Option<Bytes> = None;
    let mut body = BytesMut::new();
    let mut length = 0;
    while let Some(message) = chunks.message().await? {
        progress.fetch_add(1, Ordering::Relaxed);
        length += message.chunk.len() as u64;
        if length > limit {
            return Err(Status::data_loss(format!("the package sends more than {limit} bytes")));
        }
        match first.take() {
            None if body.is_empty() => first = Some(message.chunk),
            None => body.extend_from_slice(&message.chunk),
            Some(before) => {
                body.extend_from_slice(&before);
                body.extend_from_slice(&message.chunk);
            }
        }
    }
    // A short answer is handed on without copying.
    Ok(first.unwrap_or_else(|| body.freeze()))
}

/// One range of a packfile, exactly as long as asked.
async fn fetch_range(
    client: StoreClient<Wire>,
    request: RangeRequest,
    progress: Arc<AtomicU64>,
) -> Result<Bytes, Status> {
    let mut parts: Vec<Bytes> = Vec::new();
    let mut done = 0;
    loop {
        let rest = request.length - done;
        let length = u32::try_from(rest).unwrap_or(u32::MAX);
        let offset = request.offset.checked_add(done).ok_or_else(outside)?;
        let get = wire::GetRequest {
            mac: request.name.to_vec(),
            r#type: resource(request.file),
            range: Some(wire::Range { offset, length }),
        };
        let part = fetch(client.clone(), get, u64::from(length), progress.clone()).await?;
        if part.len() as u64 != u64::from(length) {
            return Err(outside());
        }
        done += part.len() as u64;
        parts.push(part);
        if done == request.length {
            break;
        }
    }
    Ok(match parts.len() {
        1 => parts.swap_remove(0),
        _ => parts.concat().into(),
    })
}

fn outside() -> Status {
    Status::data_loss("the range lies outside of the file")
}

/// Delivers every range once.
pub(super) fn get(
    storage: &PluginStorage,
    requests: &[RangeRequest],
    deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
) {
    let (sender, answers) = mpsc::channel();
    let mut waiting: BTreeSet<usize> = BTreeSet::new();
    let mut next = requests.iter().enumerate();
    let mut patience = Patience::new(&storage.connection, storage.connection.silence_max());
    loop {
        while waiting.len() < RANGES_AT_ONCE
            && let Some((index, request)) = next.next()
        {
            if request.file != StoreFile::Packfile {
                deliver(index, part_of_whole(storage, request));
                continue;
            }
            waiting.insert(index);
            let (client, request, sender) = (storage.client.clone(), *request, sender.clone());
            let range = fetch_range(client, request, storage.connection.progress());
            storage.connection.runtime().spawn(async move {
                let _ = sender.send((index, range.await));
            });
        }
        if waiting.is_empty() {
            return;
        }
        match answers.recv_timeout(std::time::Duration::from_millis(100)) {
            Ok((index, result)) => {
                waiting.remove(&index);
                let Some(request) = requests.get(index) else { continue };
                let shown = || storage.shown(request.file, &request.name);
                deliver(index, result.map_err(|status| storage.connection.failed(&status, "read", &shown())));
            }
            Err(_) => {
                if let Err(error) = patience.check("read", &storage.info.location) {
                    let kind = error.kind;
                    let rest = waiting.into_iter().chain(next.map(|(index, _)| index));
                    for index in rest {
                        let location = storage.info.location.as_str();
                        deliver(index, Err(ConnectorError::new(kind, "read", location, &error.message)));
                    }
                    return;
                }
            }
        }
    }
}

/// States and locks cannot be read in part.
fn part_of_whole(storage: &PluginStorage, request: &RangeRequest) -> Result<Bytes, ConnectorError> {
    let whole = Bytes::from(storage.get(request.file, &request.name)?);
    let end = request.offset.checked_add(request.length).filter(|&end| end <= whole.len() as u64);
    let Some(end) = end else {
        let shown = storage.shown(request.file, &request.name);
        return Err(ConnectorError::new(
            ErrorKind::Corrupt,
            "read",
            shown,
            "the range lies outside of the file",
        ));
    };
    Ok(whole.slice(request.offset as usize..end as usize))
}
