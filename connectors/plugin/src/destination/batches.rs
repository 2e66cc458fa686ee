//! Packages of ours: a batch is one call, its outcomes come back as they are known.

use std::future::Future;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use kloset_connector::{ConnectorError, ErrorKind, HardLink, Report, Target};
use kloset_format::FileInfo;
use plugin_sdk::CHUNK_BYTES;
use plugin_sdk::convert::{file_info_from_wire, outcome_from_wire, target_to_wire};
use plugin_sdk::failure::from_message;
use plugin_sdk::wire::kloset::destination_client::DestinationClient;
use plugin_sdk::wire::kloset::{self as wire, Item, Outcome, Work};
use tonic::{Response, Status, Streaming};

use super::export::Body;
use super::{Running, again};
use crate::connection::Wire;

pub(super) type Calls = DestinationClient<Wire>;

/// Longest message: the attributes of an inspected path are short.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

pub(super) fn client(wire: Wire) -> Calls {
    DestinationClient::new(wire).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// The messages of one target: its content is not copied, and divided so that no message is long.
pub(super) fn item(work: Work, target: &Target, body: Body) -> Vec<Item> {
    let first = Item { work: work as i32, target: Some(target_to_wire(target)), pieces: Vec::new() };
    let mut messages = vec![first];
    let Body::Pieces(pieces) = body else { return messages };
    let mut room = CHUNK_BYTES;
    for mut piece in pieces {
        while !piece.is_empty() {
            if room == 0 {
                messages.push(Item::default());
                room = CHUNK_BYTES;
            }
            let part = piece.split_to(piece.len().min(room));
            room -= part.len();
            if let Some(last) = messages.last_mut() {
                last.pieces.push(part);
            }
        }
    }
    messages
}

/// The message of a hard link.
pub(super) fn link_item(link: &HardLink) -> Item {
    let target = wire::Target {
        path: link.path.clone(),
        info: Some(Default::default()),
        original: link.original.clone(),
        ..Default::default()
    };
    Item { work: Work::HardLinks as i32, target: Some(target), pieces: Vec::new() }
}

pub(super) fn prepare(running: &Running, mut calls: Calls) -> Result<(), ConnectorError> {
    let prepare = async move { calls.prepare(wire::PrepareRequest {}).await };
    running.call("prepare", prepare).map(drop)
}

pub(super) fn finish(running: &Running, mut calls: Calls) -> Result<(), ConnectorError> {
    let finish = async move { calls.finish(wire::FinishRequest {}).await };
    running.call("finish", finish).map(drop)
}

/// Sends one batch of `count` targets and reports what becomes of each.
pub(super) fn send(running: &Running, mut calls: Calls, items: Vec<Item>, count: usize, report: Report<'_>) {
    if count == 0 {
        return;
    }
    let progress = running.connection.progress();
    let messages = tokio_stream::iter(items.into_iter().inspect(move |_| {
        progress.fetch_add(1, Ordering::Relaxed);
    }));
    let answers = async move { calls.batch(messages).await };
    take_outcomes(running, "write", answers, count, &|index, outcome| match outcome {
        Ok(outcome) => report(index, outcome_from_wire(&outcome, "write")),
        Err(error) => report(index, Err(error)),
    });
}

/// Asks what is at these paths.
pub(super) fn inspect(
    running: &Running,
    mut calls: Calls,
    paths: &[Vec<u8>],
    report: &(dyn Fn(usize, Result<Option<FileInfo>, ConnectorError>) + Sync),
) {
    let request = wire::InspectRequest { paths: paths.to_vec() };
    let answers = async move { calls.inspect(request).await };
    take_outcomes(running, "inspect", answers, paths.len(), &|index, outcome| {
        let found = outcome.and_then(|outcome| match (outcome.failure, outcome.found) {
            (Some(failure), _) => Err(from_message(&failure, "inspect")),
            (None, Some(info)) => Ok(paths.get(index).map(|path| file_info_from_wire(info, path))),
            (None, None) => Ok(None),
        });
        report(index, found);
    });
}

/// Hands on each outcome once; what the package does not answer has failed.
fn take_outcomes(
    running: &Running,
    operation: &'static str,
    answers: impl Future<Output = Result<Response<Streaming<Outcome>>, Status>>,
    count: usize,
    report: &dyn Fn(usize, Result<Outcome, ConnectorError>),
) {
    let mut open = vec![true; count];
    let mut left = count;
    let take = || -> Result<(), ConnectorError> {
        let mut outcomes = running.call(operation, answers)?.into_inner();
        while left > 0 {
            let Some(outcome) = running.call(operation, outcomes.message())? else {
                let message =
                    format!("package {} did not answer for everything", running.connection.package());
                return Err(ConnectorError::new(ErrorKind::Other, operation, &running.location, message));
            };
            running.connection.progress().fetch_add(1, Ordering::Relaxed);
            let index = outcome.index as usize;
            if let Some(open) = open.get_mut(index).filter(|open| **open) {
                *open = false;
                left -= 1;
                report(index, Ok(outcome));
            }
        }
        Ok(())
    };
    let Err(error) = take() else { return };
    for (index, _) in open.iter().enumerate().filter(|(_, open)| **open) {
        report(index, Err(again(&error)));
    }
}

/// A piece of a content cut to what fits into messages.
pub(super) fn parts(offset: u64, data: Bytes) -> impl Iterator<Item = (u64, Bytes)> {
    (0..data.len()).step_by(CHUNK_BYTES).map(move |start| {
        let end = data.len().min(start + CHUNK_BYTES);
        (offset + start as u64, data.slice(start..end))
    })
}
