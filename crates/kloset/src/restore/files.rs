//! Contents of regular files, on several threads: many small ones at once; large ones are cut into pieces.
//!
//! Every worker holds one batch of content at a time, so memory is bounded by the number of workers
//! times the size of a batch, whatever the files are like.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use crossbeam_channel::{Sender, bounded};
use kloset_connector::{FileContent, Limitation, Outcome, Target};
use kloset_format::object::{ChunkRecord, Object};
use kloset_format::{Mac, PackfileId, ResourceType};

use super::attributes::Attributes;
use super::large::LargeFile;
use super::plan::Item;
use super::tally;
use super::{Run, is_local};
use crate::guard::guard;
use crate::repository::DecodeOn;
use crate::vfs::{OBJECTS_PER_BATCH, read_chunks};
use crate::{BlobId, Error};

/// Plain content in the hands of all workers together; encoded bytes come on top.
const CONTENT_BYTES_MAX: u64 = 64 << 20;
/// Content of one batch, and of one piece of a large file.
const BATCH_BYTES: Range<u64> = 2 << 20..16 << 20;
/// Files of one batch.
const BATCH_FILES: Range<usize> = 64..2048;

/// Writes files on several threads.
pub(super) struct Writers<'a> {
    pub(super) run: &'a Run<'a>,
    attributes: &'a Attributes<'a>,
    workers: usize,
    pub(super) batch_bytes: u64,
    jobs: Mutex<Option<Sender<Job>>>,
    /// First names of hard links whose file could not be written.
    failed: Mutex<HashSet<Vec<u8>>>,
    /// The error that ended everything.
    fatal: Mutex<Option<Error>>,
    pub(super) stopped: AtomicBool,
}

/// Whether a file has got its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It has.
    Yes,
    /// It failed and was reported.
    No,
}

/// A file whose chunks are known.
pub(super) struct FilePlan {
    pub(super) item: Item,
    pub(super) target: Target,
    pub(super) object: Object,
    /// Where its first chunk lies.
    place: (PackfileId, u64),
    /// Attributes that could not be read: the content is restored and the file reported.
    problem: Option<String>,
    limitation: Option<Limitation>,
}

pub(super) enum Job {
    Files(Vec<FilePlan>),
    Piece { file: Arc<LargeFile>, chunks: Range<usize>, offset: u64 },
}

impl<'a> Writers<'a> {
    pub(super) fn new(run: &'a Run<'a>, attributes: &'a Attributes<'a>, workers: usize) -> Self {
        Self {
            run,
            attributes,
            workers,
            batch_bytes: (CONTENT_BYTES_MAX / workers as u64).clamp(BATCH_BYTES.start, BATCH_BYTES.end),
            jobs: Mutex::default(),
            failed: Mutex::default(),
            fatal: Mutex::default(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Starts the workers, lets `plan` give them files, and waits until all are written.
    pub(super) fn work(&self, plan: impl FnOnce(&Self) -> Result<(), Error>) -> Result<(), Error> {
        let (send, receive) = bounded(self.workers * 2);
        *guard(&self.jobs) = Some(send);
        let planned = std::thread::scope(|scope| {
            for _ in 0..self.workers {
                let receive = receive.clone();
                scope.spawn(move || receive.into_iter().for_each(|job| self.run_job(job)));
            }
            drop(receive);
            let _close = CloseOnDrop(&self.jobs);
            let planned = plan(self);
            if planned.is_err() {
                self.stopped.store(true, Ordering::Relaxed);
            }
            planned
        });
        match guard(&self.fatal).take() {
            Some(error) => Err(error),
            None => planned,
        }
    }

    /// Gives files to the workers, in the order of their places in the store.
    pub(super) fn write(&self, files: Vec<Item>) -> Result<(), Error> {
        let mut plans = Vec::with_capacity(files.len());
        let mut files = files;
        while !files.is_empty() {
            let rest = files.split_off(files.len().min(OBJECTS_PER_BATCH));
            self.plan(std::mem::replace(&mut files, rest), &mut plans)?;
        }
        plans.sort_by_key(|plan| plan.place);
        let files_max = (plans.len() / (self.workers * 2)).clamp(BATCH_FILES.start, BATCH_FILES.end);
        let mut batch: Vec<FilePlan> = Vec::new();
        let mut batch_bytes = 0;
        let mut large: Vec<FilePlan> = Vec::new();
        for plan in plans {
            let bytes = plan.object.content_bytes();
            if bytes > self.batch_bytes {
                large.push(plan);
                if large.len() >= self.workers {
                    self.write_large(std::mem::take(&mut large), &|job| self.submit(job))?;
                }
                continue;
            }
            if batch.len() >= files_max || batch_bytes + bytes > self.batch_bytes {
                self.submit(Job::Files(std::mem::take(&mut batch)))?;
                batch_bytes = 0;
            }
            batch_bytes += bytes;
            batch.push(plan);
        }
        self.write_large(large, &|job| self.submit(job))?;
        if batch.is_empty() { Ok(()) } else { self.submit(Job::Files(batch)) }
    }

    /// Writes one file on this thread.
    pub(super) fn write_now(&self, item: Item) -> Result<Written, Error> {
        self.write_single(item, None)
    }

    /// Writes one file on this thread because `limitation` keeps it from being made otherwise.
    pub(super) fn write_copy(&self, item: Item, limitation: Limitation) -> Result<Written, Error> {
        self.write_single(item, Some(limitation))
    }

    /// Whether the first name of a hard link could not be written.
    pub(super) fn has_failed(&self, target: &[u8]) -> bool {
        guard(&self.failed).contains(target)
    }

    fn write_single(&self, item: Item, limitation: Option<Limitation>) -> Result<Written, Error> {
        let target = item.target.clone();
        let mut plans = Vec::new();
        self.plan(vec![item], &mut plans)?;
        for mut plan in plans {
            plan.limitation = limitation;
            if plan.object.content_bytes() > self.batch_bytes {
                self.write_large(vec![plan], &|job| {
                    self.run_job(job);
                    Ok(())
                })?;
            } else {
                self.run_job(Job::Files(vec![plan]));
            }
        }
        if let Some(error) = guard(&self.fatal).take() {
            return Err(error);
        }
        Ok(if self.has_failed(&target) { Written::No } else { Written::Yes })
    }

    fn submit(&self, job: Job) -> Result<(), Error> {
        if let Some(error) = guard(&self.fatal).take() {
            return Err(error);
        }
        let send = guard(&self.jobs).clone();
        let sent = send.map(|send| send.send(job));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(Error::Internal("no restore worker is left".to_owned())),
        }
    }

    /// Reads objects and attributes of files.
    fn plan(&self, items: Vec<Item>, plans: &mut Vec<FilePlan>) -> Result<(), Error> {
        let repository = self.run.snapshot.repository();
        let macs: Vec<Mac> = items.iter().map(|item| item.object).collect();
        let objects = self.run.snapshot.objects(&macs);
        let (values, problems) = self.run.attributes(self.attributes, &items.iter().collect::<Vec<_>>())?;
        for (((item, object), values), problem) in items.into_iter().zip(objects).zip(values).zip(problems) {
            let object = match object {
                Ok(object) => object,
                Err(error) if is_local(&error) => {
                    self.fail(&item, &error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            let first = object.chunks.first().map(|chunk| BlobId::new(ResourceType::CHUNK, chunk.mac));
            let place = first
                .and_then(|first| repository.locate(first))
                .map_or((PackfileId::ZERO, 0), |place| (place.packfile, place.offset));
            let mut target = self.run.target(&item, values);
            target.info.size = i64::try_from(object.content_bytes()).unwrap_or(i64::MAX);
            plans.push(FilePlan { item, target, object, place, problem, limitation: None });
        }
        Ok(())
    }

    pub(super) fn run_job(&self, job: Job) {
        match job {
            Job::Files(plans) => {
                if self.is_running() {
                    self.write_files(plans);
                }
            }
            Job::Piece { file, chunks, offset } => {
                if self.is_running() && guard(&file.failure).is_none() {
                    let written = self.write_piece(&file, chunks, offset);
                    if let Err(reason) = written {
                        guard(&file.failure).get_or_insert(reason);
                    }
                }
                self.piece_is_over(&file);
            }
        }
    }

    fn is_running(&self) -> bool {
        if let Err(error) = self.run.snapshot.repository().runtime().proceed() {
            self.give_up(error);
        }
        !self.stopped.load(Ordering::Relaxed)
    }

    fn write_files(&self, plans: Vec<FilePlan>) {
        let (chunks, at) = distinct_chunks(&plans);
        let read: Vec<Result<Bytes, Error>> =
            read_chunks(self.run.snapshot.repository(), &chunks, DecodeOn::Caller)
                .into_iter()
                .map(|chunk| chunk.map(Bytes::from))
                .collect();
        if read.iter().any(|chunk| chunk.as_ref().is_err_and(|error| !is_local(error))) {
            let error = read.into_iter().filter_map(Result::err).find(|error| !is_local(error));
            return self.give_up(error.unwrap_or(Error::Interrupted));
        }
        let mut whole = Vec::with_capacity(plans.len());
        let mut contents = Vec::with_capacity(plans.len());
        for plan in plans {
            let pieces: Result<Vec<Bytes>, &Error> = plan
                .object
                .chunks
                .iter()
                .filter_map(|chunk| read.get(*at.get(&chunk.mac)?))
                .map(|chunk| chunk.as_ref().cloned())
                .collect();
            match pieces {
                Ok(pieces) => {
                    contents.push(FileContent { target: plan.target.clone(), pieces });
                    whole.push(plan);
                }
                Err(error) => self.fail(&plan.item, &error.to_string()),
            }
        }
        if contents.is_empty() {
            return;
        }
        let outcomes = tally::outcomes(whole.len(), |report| self.run.destination.files(contents, report));
        for (plan, outcome) in whole.iter().zip(outcomes) {
            self.settle(plan, outcome);
        }
    }

    pub(super) fn settle(&self, plan: &FilePlan, outcome: Outcome) {
        if outcome.is_err() {
            self.remember_failure(&plan.item);
        }
        match (outcome, &plan.problem) {
            (Ok(_), Some(problem)) => self.run.tally.failed(&plan.item.path, problem),
            (outcome, _) => {
                let outcome = outcome.map(|mut applied| {
                    applied.limitations.extend(plan.limitation);
                    applied
                });
                self.run.tally.outcome(&plan.item, outcome, plan.object.content_bytes());
            }
        }
    }

    pub(super) fn fail(&self, item: &Item, reason: &str) {
        self.remember_failure(item);
        self.run.tally.failed(&item.path, reason);
    }

    fn remember_failure(&self, item: &Item) {
        if item.info.nlink > 1 {
            guard(&self.failed).insert(item.target.clone());
        }
    }

    pub(super) fn give_up(&self, error: Error) {
        guard(&self.fatal).get_or_insert(error);
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Closes the queue, so that the workers end when it is empty, even if the plan panics.
struct CloseOnDrop<'a>(&'a Mutex<Option<Sender<Job>>>);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        guard(self.0).take();
    }
}

/// Every chunk of a batch once, and its position by name.
fn distinct_chunks(plans: &[FilePlan]) -> (Vec<ChunkRecord>, HashMap<Mac, usize>) {
    let mut chunks = Vec::new();
    let mut at = HashMap::new();
    for chunk in plans.iter().flat_map(|plan| &plan.object.chunks) {
        at.entry(chunk.mac).or_insert_with(|| {
            chunks.push(*chunk);
            chunks.len() - 1
        });
    }
    (chunks, at)
}
