//! One SFTP conversation: any number of requests in flight over one pair of byte streams.
//!
//! A writer thread gathers queued requests into large writes, a reader thread hands each answer to
//! the completion that was left with its request. When the conversation breaks, everything pending
//! fails at once with the same cause. Requests on one channel are answered in the order they were
//! sent, which the callers rely on when they send a handle's last use and its close back to back.

mod threads;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::Sender;
use kloset_connector::layer::Throttle;
use kloset_connector::{ConnectorError, ErrorKind};

use self::threads::{read_answers, spawn, wait_for_greeting, write_requests};
use crate::codec::{Frame, MESSAGE_BYTES_MAX};
use crate::packet::{Features, Handle, Limits, Request, Response, put_u32, status};

/// Data per request unless the server tells its limits.
const CAREFUL_BYTES: u32 = 32 << 10;
/// Open handles unless the server tells its limits.
const CAREFUL_HANDLES: usize = 200;
/// Fixed cost of a request when channels are compared, in bytes.
const REQUEST_COST: u64 = 512;

/// What ends sessions without a word.
pub(crate) const ENDED_EARLY: &str = "if this is right after the login: a chroot folder that is not owned by root \
     alone, a forced command, or an account that may not run sftp ends sessions like this";

/// Why a channel is no more; shared by all requests that it took down.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Lost {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    pub(crate) fn error(&self, operation: &'static str, location: impl Into<String>) -> ConnectorError {
        let mut error = ConnectorError::new(self.kind, operation, location, self.message.clone());
        error.hint.clone_from(&self.hint);
        error
    }
}

/// An answer, or the loss of the channel.
pub(crate) type Reply = Result<Response, Arc<Lost>>;

/// What happens with an answer; runs on the reader thread and must not block.
pub(crate) type Completion = Box<dyn FnOnce(Reply) + Send>;

/// The process or socket behind a channel.
pub(crate) trait Peer: Send + Sync {
    /// Ends it; the streams then end too.
    fn end(&self);
    /// What it had to say about its end.
    fn last_words(&self) -> Option<Lost>;
    /// Bytes written to it that it has not taken yet: they move when the line does.
    fn backlog_bytes(&self) -> u64;
}

enum Outgoing {
    Message(Vec<u8>, Option<Bytes>),
    Quit,
}

struct Waiting {
    done: Completion,
    cost: u64,
    opens: bool,
    closes: bool,
}

#[derive(Default)]
struct Pending {
    waiting: HashMap<u32, Waiting>,
    next_id: u32,
    lost: Option<Arc<Lost>>,
}

struct Shared {
    peer: Box<dyn Peer>,
    queue: Sender<Outgoing>,
    pending: Mutex<Pending>,
    dead: AtomicBool,
    load: AtomicU64,
    requests: AtomicUsize,
    handles: AtomicUsize,
    read_bytes: AtomicU32,
    write_bytes: AtomicU32,
    /// Handles that the server has given and not taken back.
    granted: AtomicUsize,
    handles_max: AtomicUsize,
    /// The server has told how many handles it gives.
    limits_told: AtomicBool,
    born: Instant,
    moved_ms: AtomicU64,
    last_backlog: AtomicU64,
}

/// A live (or lost) conversation. Dropping the last reference ends it.
pub(crate) struct Channel {
    shared: Arc<Shared>,
    features: Features,
    files_max: Option<usize>,
}

/// The streams of a channel and what limits them.
pub(crate) struct Streams {
    pub(crate) input: Box<dyn Read + Send>,
    pub(crate) output: Box<dyn Write + Send>,
    pub(crate) upload: Arc<Throttle>,
    pub(crate) download: Arc<Throttle>,
    /// Files open at a time, if the user limits them.
    pub(crate) files_max: Option<usize>,
}

impl Channel {
    /// Starts a conversation and waits for the server's greeting until `deadline`, as long as
    /// `patient` says so.
    pub(crate) fn open(
        streams: Streams,
        peer: Box<dyn Peer>,
        deadline: Instant,
        patient: &dyn Fn() -> bool,
    ) -> Result<Arc<Self>, Lost> {
        let (queue, outgoing) = crossbeam_channel::unbounded();
        let Streams { input, output, upload, download, files_max } = streams;
        let shared = Arc::new(Shared {
            peer,
            queue,
            pending: Mutex::default(),
            dead: AtomicBool::new(false),
            load: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            handles: AtomicUsize::new(0),
            read_bytes: AtomicU32::new(CAREFUL_BYTES),
            write_bytes: AtomicU32::new(CAREFUL_BYTES),
            granted: AtomicUsize::new(0),
            handles_max: AtomicUsize::new(CAREFUL_HANDLES),
            limits_told: AtomicBool::new(false),
            born: Instant::now(),
            moved_ms: AtomicU64::new(0),
            last_backlog: AtomicU64::new(0),
        });
        let mut hello = Vec::with_capacity(9);
        put_u32(&mut hello, 5);
        hello.push(1);
        put_u32(&mut hello, 3);
        let _ = shared.queue.send(Outgoing::Message(hello, None));
        let (greet, greeting) = crossbeam_channel::bounded(1);
        let writer = Arc::clone(&shared);
        spawn("sftp-write", move || write_requests(&writer, output, &outgoing, &upload));
        let reader = Arc::clone(&shared);
        spawn("sftp-read", move || read_answers(&reader, input, &greet, &download));
        let features = match wait_for_greeting(&greeting, deadline, patient) {
            Ok(features) => features,
            Err(lost) => {
                shared.close();
                return Err(lost);
            }
        };
        let channel = Arc::new(Self { shared, features, files_max });
        if features.limits {
            channel.ask_limits();
        }
        Ok(channel)
    }

    /// Sends a request; `done` gets the answer.
    pub(crate) fn send(&self, request: &Request, done: Completion) {
        let cost = REQUEST_COST
            + match request {
                Request::Read { length, .. } => u64::from(*length),
                Request::Write { data, .. } => data.len() as u64,
                _ => 0,
            };
        let waiting = Waiting {
            done,
            cost,
            opens: matches!(request, Request::Open { .. } | Request::Opendir { .. }),
            closes: matches!(request, Request::Close { .. }),
        };
        let shared = &self.shared;
        if waiting.opens {
            shared.handles.fetch_add(1, Ordering::Relaxed);
        }
        // The queue is fed under the lock: messages leave in the order of their ids.
        let refused = {
            let mut pending = lock(&shared.pending);
            match pending.lost.clone() {
                Some(lost) => Some((waiting, lost)),
                None => {
                    let mut id = pending.next_id;
                    while pending.waiting.contains_key(&id) {
                        id = id.wrapping_add(1);
                    }
                    pending.next_id = id.wrapping_add(1);
                    if shared.requests.fetch_add(1, Ordering::Relaxed) == 0 {
                        shared.touch();
                    }
                    shared.load.fetch_add(cost, Ordering::Relaxed);
                    pending.waiting.insert(id, waiting);
                    let mut head = Vec::with_capacity(64);
                    let tail = request.encode(id, &mut head);
                    let _ = shared.queue.send(Outgoing::Message(head, tail));
                    None
                }
            }
        };
        if let Some((waiting, lost)) = refused {
            (waiting.done)(Err(lost));
        }
    }

    /// Sends a request whose answer does not matter.
    pub(crate) fn send_and_forget(&self, request: &Request) {
        self.send(request, Box::new(|_| ()));
    }

    /// Closes a handle without waiting.
    pub(crate) fn close(&self, handle: Handle) {
        self.send_and_forget(&Request::Close { handle });
    }

    /// What the server announced.
    pub(crate) fn features(&self) -> Features {
        self.features
    }

    /// Bytes to ask for in one READ.
    pub(crate) fn read_bytes(&self) -> u32 {
        self.shared.read_bytes.load(Ordering::Relaxed)
    }

    /// Bytes to send in one WRITE.
    pub(crate) fn write_bytes(&self) -> usize {
        self.shared.write_bytes.load(Ordering::Relaxed) as usize
    }

    /// Whether another file may be opened without asking too much of the server.
    pub(crate) fn has_room(&self) -> bool {
        let most = self.shared.handles_max.load(Ordering::Relaxed);
        self.shared.handles.load(Ordering::Relaxed) < self.files_max.map_or(most, |wish| wish.min(most))
    }

    /// Whether the conversation is over.
    pub(crate) fn is_lost(&self) -> bool {
        self.shared.dead.load(Ordering::Relaxed)
    }

    /// What is in flight, in bytes; for choosing the least busy channel.
    pub(crate) fn load(&self) -> u64 {
        self.shared.load.load(Ordering::Relaxed)
    }

    /// How long nothing has moved although answers are due; zero when nothing is due.
    pub(crate) fn quiet_for(&self) -> Duration {
        let shared = &self.shared;
        if self.is_lost() || shared.requests.load(Ordering::Relaxed) == 0 {
            return Duration::ZERO;
        }
        let backlog = shared.peer.backlog_bytes();
        if shared.last_backlog.swap(backlog, Ordering::Relaxed) != backlog {
            shared.touch();
        }
        let moved = Duration::from_millis(shared.moved_ms.load(Ordering::Relaxed));
        shared.born.elapsed().saturating_sub(moved)
    }

    /// Marks the conversation as over: nothing new begins on it.
    pub(crate) fn condemn(&self) {
        self.shared.dead.store(true, Ordering::Relaxed);
    }

    /// Gives the conversation up.
    pub(crate) fn abandon(&self, lost: Lost) {
        self.shared.lose(lost);
        self.shared.close();
    }

    fn ask_limits(self: &Arc<Self>) {
        let shared = Arc::downgrade(&self.shared);
        let done: Completion = Box::new(move |reply| {
            if let (Some(shared), Ok(Response::Extended(body))) = (shared.upgrade(), reply)
                && let Ok(limits) = Limits::decode(body)
            {
                shared.obey(limits);
            }
        });
        self.send(&Request::Limits, done);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.shared.lose(Lost::new(ErrorKind::Transient, "connection closed"));
        self.shared.close();
    }
}

impl Shared {
    fn touch(&self) {
        self.moved_ms.store(self.born.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    fn close(&self) {
        self.dead.store(true, Ordering::Relaxed);
        let _ = self.queue.send(Outgoing::Quit);
        self.peer.end();
    }

    /// Fails everything that waits, and everything that will be sent.
    fn lose(&self, lost: Lost) {
        let waiting = {
            let mut pending = lock(&self.pending);
            if pending.lost.is_some() {
                return;
            }
            self.dead.store(true, Ordering::Relaxed);
            let lost = Arc::new(lost);
            pending.lost = Some(Arc::clone(&lost));
            (std::mem::take(&mut pending.waiting), lost)
        };
        let (waiting, lost) = waiting;
        self.requests.store(0, Ordering::Relaxed);
        for (_, one) in waiting {
            (one.done)(Err(Arc::clone(&lost)));
        }
    }

    fn obey(&self, limits: Limits) {
        let most = (MESSAGE_BYTES_MAX - 1024) as u64;
        let packet = if limits.packet == 0 { most } else { limits.packet.saturating_sub(1024).min(most) };
        let within =
            |told: u64| if told == 0 { u64::from(CAREFUL_BYTES) } else { told }.min(packet).max(1024) as u32;
        self.read_bytes.store(within(limits.read), Ordering::Relaxed);
        self.write_bytes.store(within(limits.write), Ordering::Relaxed);
        let handles = match limits.handles {
            0 => 4096,
            told => told.saturating_sub(16).clamp(4, 4096) as usize,
        };
        self.handles_max.store(handles, Ordering::Relaxed);
        self.limits_told.store(limits.handles > 0, Ordering::Relaxed);
    }

    /// "Failure" may stand for too many open handles. Answers come in the order of the requests, so
    /// the number granted is that of the server. Each such answer lowers the number that we ask for;
    /// with none open it has another reason.
    fn note_refused_handle(&self, response: &mut Response) {
        let Response::Status { code, .. } = response else { return };
        let granted = self.granted.load(Ordering::Relaxed);
        let most = self.handles_max.load(Ordering::Relaxed);
        let told = self.limits_told.load(Ordering::Relaxed);
        if *code == status::FAILURE && granted > 0 && (!told || granted >= most / 2) {
            self.handles_max.store(most.min((granted * 3 / 4).max(1)), Ordering::Relaxed);
            *code = status::CROWDED;
        }
    }

    fn answer(&self, frame: Frame) -> Result<(), Lost> {
        let violation =
            |text: &str| Lost::new(ErrorKind::Corrupt, format!("the server broke the SFTP protocol: {text}"));
        let (id, mut response) = Response::decode(frame.kind, frame.body).map_err(|bad| violation(bad.0))?;
        let Some(waiting) = lock(&self.pending).waiting.remove(&id) else {
            return if self.dead.load(Ordering::Relaxed) {
                Ok(())
            } else {
                Err(violation("answer to a request that was not made"))
            };
        };
        self.requests.fetch_sub(1, Ordering::Relaxed);
        self.load.fetch_sub(waiting.cost, Ordering::Relaxed);
        if waiting.closes {
            self.handles.fetch_sub(1, Ordering::Relaxed);
            self.granted.fetch_sub(1, Ordering::Relaxed);
        } else if waiting.opens && matches!(response, Response::Handle(_)) {
            self.granted.fetch_add(1, Ordering::Relaxed);
        } else if waiting.opens {
            self.handles.fetch_sub(1, Ordering::Relaxed);
            self.note_refused_handle(&mut response);
        }
        (waiting.done)(Ok(response));
        Ok(())
    }
}

/// Whether an answer says that the thing is not there.
pub(crate) fn is_missing(reply: &Reply) -> bool {
    matches!(reply, Ok(Response::Status { code: status::NO_SUCH_FILE, .. }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
