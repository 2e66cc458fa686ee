//! Reading files: a thousand small ones in flight, large ones through a window each.
//!
//! One thread drives the requests. Small files are collected whole and then handed to worker
//! threads; a large file is handed over as soon as it is open, and its worker reads what arrives.
//! A file is read until the server says that it ends, whatever the scan said of its size.

mod job;
mod reader;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use kloset_connector::layer::Retrier;
use kloset_connector::{ConnectorError, ContentSink, ErrorKind, ReadRequest};

use self::job::{Finished, Job, Kind};
use self::reader::{Work, hand_over};
use super::Reconnect;
use crate::answer::{asked, shown};
use crate::channel::{Channel, Reply};
use crate::mailbox::Mailbox;
use crate::packet::{Request, open};
use crate::pool::Pool;

/// Small files being read or waiting for a worker.
const SMALL_MAX: usize = 1024;
/// Their bytes.
const SMALL_BYTES_MAX: u64 = 64 << 20;
/// From this size on a file is read through a window.
const LARGE_BYTES: u64 = 4 << 20;
/// Large files that wait for their turn before no more requests are taken.
const LARGE_WAITING_MAX: usize = 64;

/// Reads what the queue asks for until it is closed.
pub(crate) fn read(
    pool: &Pool,
    retrier: &Retrier,
    requests: &Receiver<ReadRequest>,
    sink: &dyn ContentSink,
) -> Result<(), ConnectorError> {
    let mailbox = Mailbox::new(pool.patience());
    let workers = pool.context().parallelism.max(1);
    let (work, waiting) = crossbeam_channel::unbounded();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (waiting, poster) = (waiting.clone(), mailbox.poster());
            scope.spawn(move || hand_over(&waiting, &poster, sink));
        }
        let mut driver = Driver {
            reconnect: Reconnect::new(pool, retrier),
            mailbox,
            work,
            jobs: HashMap::new(),
            to_open: VecDeque::new(),
            large_waiting: VecDeque::new(),
            large_max: workers + 1,
            next_id: 0,
            small: 0,
            small_bytes: 0,
            large: 0,
            closed: false,
        };
        let result = driver.run(requests);
        driver.close_all();
        result
    })
}

/// What the driver hears.
pub(crate) enum Tag {
    Looked {
        id: usize,
        epoch: u32,
        channel: Arc<Channel>,
    },
    Opened {
        id: usize,
        epoch: u32,
        lane: usize,
        channel: Arc<Channel>,
    },
    Read {
        id: usize,
        epoch: u32,
        lane: usize,
        offset: u64,
        length: u32,
    },
    /// A worker took bytes of a large file.
    Taken {
        id: usize,
        bytes: u64,
    },
    /// A worker is done with a file.
    Done {
        id: usize,
        kind: Kind,
        bytes: u64,
    },
}

struct Driver<'a> {
    reconnect: Reconnect<'a>,
    mailbox: Mailbox<Tag>,
    work: Sender<Work>,
    jobs: HashMap<usize, Job>,
    /// Jobs that need a (new) channel.
    to_open: VecDeque<usize>,
    large_waiting: VecDeque<ReadRequest>,
    large_max: usize,
    next_id: usize,
    /// Small files, from the request until a worker is done with them.
    small: usize,
    small_bytes: u64,
    large: usize,
    closed: bool,
}

impl Driver<'_> {
    fn run(&mut self, requests: &Receiver<ReadRequest>) -> Result<(), ConnectorError> {
        loop {
            while self.large < self.large_max
                && let Some(request) = self.large_waiting.pop_front()
            {
                self.admit(request, Kind::Large);
            }
            self.open_jobs()?;
            if self.closed && self.small == 0 && self.large == 0 && self.large_waiting.is_empty() {
                return Ok(());
            }
            self.wait(requests)?;
        }
    }

    fn accepts(&self) -> bool {
        !self.closed
            && self.small < SMALL_MAX
            && self.small_bytes < SMALL_BYTES_MAX
            && self.large_waiting.len() < LARGE_WAITING_MAX
    }

    /// Takes whatever comes first: requests, if there is room, or answers.
    fn wait(&mut self, requests: &Receiver<ReadRequest>) -> Result<(), ConnectorError> {
        if !self.accepts() {
            let wait = if self.to_open.is_empty() { 50 } else { 5 };
            if let Some((tag, reply)) = self.mailbox.receive_within(Duration::from_millis(wait))? {
                self.take(tag, reply)?;
            }
            return Ok(());
        }
        let wait = Duration::from_millis(if self.to_open.is_empty() { 50 } else { 5 });
        let answers = self.mailbox.receiver().clone();
        crossbeam_channel::select! {
            recv(requests) -> request => match request {
                Ok(request) => {
                    self.take_request(request);
                    while self.accepts() && let Ok(request) = requests.try_recv() {
                        self.take_request(request);
                    }
                }
                Err(_) => self.closed = true,
            },
            recv(answers) -> answer => if let Ok((tag, reply)) = answer {
                self.take(tag, reply)?;
            },
            default(wait) => {}
        }
        // Answers that are here already, and a look at the user's interrupt.
        while let Some((tag, reply)) = self.mailbox.receive_within(Duration::ZERO)? {
            self.take(tag, reply)?;
        }
        Ok(())
    }

    fn take_request(&mut self, request: ReadRequest) {
        if request.size_hint < LARGE_BYTES {
            self.admit(request, Kind::Small);
        } else {
            self.large_waiting.push_back(request);
        }
    }

    fn admit(&mut self, request: ReadRequest, kind: Kind) {
        match kind {
            Kind::Small => {
                self.small += 1;
                self.small_bytes += request.size_hint;
            }
            Kind::Large => self.large += 1,
        }
        let id = self.next_id;
        self.next_id += 1;
        self.jobs.insert(id, Job::new(request, kind));
        self.to_open.push_back(id);
    }

    fn open_jobs(&mut self) -> Result<(), ConnectorError> {
        if self.to_open.is_empty() {
            return Ok(());
        }
        let channels = self.reconnect.channels(self.mailbox.patience())?;
        while let Some(&id) = self.to_open.front() {
            let Some(job) = self.jobs.get_mut(&id) else {
                self.to_open.pop_front();
                continue;
            };
            let Some(channel) = Reconnect::roomy(&channels) else { return Ok(()) };
            self.to_open.pop_front();
            let lane = job.add_lane(Arc::clone(&channel));
            send_look(&self.mailbox, id, job, &channel);
            // A pipe in place of the file would hold the server up for ever. Whoever lost a
            // connection under this file already looks before it leaps.
            if job.epoch == 0 {
                send_open(&self.mailbox, id, job, lane, channel);
            }
        }
        Ok(())
    }

    fn take(&mut self, tag: Tag, reply: Reply) -> Result<(), ConnectorError> {
        match tag {
            Tag::Looked { id, epoch, channel } => self.take_attributes(id, epoch, channel, reply),
            Tag::Opened { id, epoch, lane, channel } => self.take_handle(id, epoch, lane, &channel, reply),
            Tag::Read { id, epoch, lane, offset, length } => {
                let Some(job) = self.jobs.get_mut(&id).filter(|job| job.epoch == epoch) else {
                    return Ok(());
                };
                if let Err(lost) = &reply {
                    let error = lost.error("read", shown(&job.request.path));
                    return self.restart(id, error);
                }
                let answer = asked("read", &job.request.path).data(reply);
                job.take_data(lane, offset, length, answer);
                if job.needs_opening() {
                    self.to_open.push_back(id);
                    return Ok(());
                }
                self.advance(id);
                Ok(())
            }
            Tag::Taken { id, bytes } => {
                if let Some(job) = self.jobs.get_mut(&id) {
                    job.untaken -= bytes.min(job.untaken);
                    self.advance(id);
                }
                Ok(())
            }
            Tag::Done { id, kind, bytes } => {
                match kind {
                    Kind::Small => {
                        self.small -= 1;
                        self.small_bytes -= bytes;
                    }
                    Kind::Large => self.large -= 1,
                }
                // A worker may stop before the end.
                if let Some(mut job) = self.jobs.remove(&id) {
                    job.close_lanes();
                }
                Ok(())
            }
        }
    }

    /// What is at the path now: links are not read through, and pipes not at all.
    fn take_attributes(
        &mut self,
        id: usize,
        epoch: u32,
        channel: Arc<Channel>,
        reply: Reply,
    ) -> Result<(), ConnectorError> {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.epoch == epoch) else { return Ok(()) };
        if let Err(lost) = &reply {
            let error = lost.error("open", shown(&job.request.path));
            return self.restart(id, error);
        }
        let path = asked("open", &job.request.path);
        let refusal = match path.attributes(reply) {
            Ok(found) if found.permissions.is_none() || found.is_regular() => None,
            Ok(_) => Some(path.error(ErrorKind::Other, "no longer a regular file")),
            Err(error) => Some(error),
        };
        match refusal {
            // The answer to the open, which is under way, will end it.
            Some(error) if epoch == 0 => job.refusal = Some(error),
            Some(error) => self.fail(id, error),
            None if epoch > 0 => send_open(&self.mailbox, id, job, 0, channel),
            None => {}
        }
        Ok(())
    }

    /// A file that cannot be opened.
    fn fail(&mut self, id: usize, error: ConnectorError) {
        let Some(mut job) = self.jobs.remove(&id) else { return };
        job.close_lanes();
        // A worker that has the file already learns of the error there.
        if let Some((request, kind, error)) = job.abort(error) {
            let bytes = request.size_hint;
            self.hand_on(Work::Failed { id, kind, bytes, request, error });
        }
    }

    fn take_handle(
        &mut self,
        id: usize,
        epoch: u32,
        lane: usize,
        channel: &Arc<Channel>,
        reply: Reply,
    ) -> Result<(), ConnectorError> {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.epoch == epoch) else {
            // Nobody wants it any more.
            if let Ok(handle) = asked("open", b"").handle(reply) {
                channel.close(handle);
            }
            return Ok(());
        };
        if let Err(lost) = &reply {
            let error = lost.error("open", shown(&job.request.path));
            return self.restart(id, error);
        }
        let opened = match job.refusal.take() {
            Some(error) => {
                if let Ok(handle) = asked("open", b"").handle(reply) {
                    channel.close(handle);
                }
                Err(error)
            }
            None => asked("open", &job.request.path).handle(reply),
        };
        match opened {
            Ok(handle) => {
                job.take_handle(lane, handle);
                if lane == 0 {
                    self.begin(id)?;
                }
                self.advance(id);
            }
            // The other lanes can do without this one.
            Err(_) if lane > 0 => job.drop_lane(lane),
            Err(error) if error.is_transient() => return self.restart(id, error),
            Err(error) => self.fail(id, error),
        }
        Ok(())
    }

    /// The first handle of a large file: a worker gets it, and other channels join in.
    fn begin(&mut self, id: usize) -> Result<(), ConnectorError> {
        let Some(job) = self.jobs.get_mut(&id) else { return Ok(()) };
        if job.kind == Kind::Small {
            return Ok(());
        }
        if let Some(pieces) = job.start_stream() {
            let request = job.request.clone();
            let _ = self.work.send(Work::Stream { id, request, pieces });
        }
        for channel in self.reconnect.channels(self.mailbox.patience())? {
            if job.uses(&channel) || !channel.has_room() {
                continue;
            }
            let lane = job.add_lane(Arc::clone(&channel));
            send_open(&self.mailbox, id, job, lane, channel);
        }
        Ok(())
    }

    /// Asks for more of a file, and hands it on if all of it is there.
    fn advance(&mut self, id: usize) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.is_outgrown()
            && let Some(pieces) = job.outgrow()
        {
            self.small -= 1;
            self.small_bytes -= job.request.size_hint;
            self.large += 1;
            let _ = self.work.send(Work::Stream { id, request: job.request.clone(), pieces });
        }
        job.ask(id, &self.mailbox);
        let Some(finished) = job.take_finished() else { return };
        let Some(mut job) = self.jobs.remove(&id) else { return };
        job.close_lanes();
        self.reconnect.progress();
        let bytes = job.request.size_hint;
        if let Finished::Whole(pieces, error) = finished {
            self.hand_on(Work::Whole { id, bytes, request: job.request, pieces, error });
        }
    }

    fn hand_on(&self, work: Work) {
        // The workers live as long as the driver.
        let _ = self.work.send(work);
    }

    /// A channel was lost under a file: it is opened again and read on.
    fn restart(&mut self, id: usize, error: ConnectorError) -> Result<(), ConnectorError> {
        self.reconnect.note_loss(error)?;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.close_lanes();
            job.restart();
            self.to_open.push_back(id);
        }
        Ok(())
    }

    fn close_all(&mut self) {
        for (_, mut job) in self.jobs.drain() {
            job.close_lanes();
        }
    }
}

fn send_look(mailbox: &Mailbox<Tag>, id: usize, job: &Job, channel: &Arc<Channel>) {
    let tag = Tag::Looked { id, epoch: job.epoch, channel: Arc::clone(channel) };
    mailbox.send(channel, &Request::Lstat { path: job.request.path.clone() }, tag);
}

fn send_open(mailbox: &Mailbox<Tag>, id: usize, job: &Job, lane: usize, channel: Arc<Channel>) {
    let path = job.request.path.clone();
    let request = Request::Open { path, flags: open::READ, attributes: Default::default() };
    let tag = Tag::Opened { id, epoch: job.epoch, lane, channel: Arc::clone(&channel) };
    mailbox.send(&channel, &request, tag);
}
