//! Collects answers for one operation: requests carry a tag, answers come back with it.
//!
//! An operation runs on its caller's thread as a loop over its mailbox; it owns all its state and
//! needs no locks, however many requests it keeps in flight.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use kloset_connector::{ConnectorError, ErrorKind};

use crate::channel::{Channel, Reply};
use crate::packet::{Request, Response, status};

/// How long an operation begun after an interrupt (an unlock, say) may take.
const GRACE: Duration = Duration::from_secs(5);

/// The user's interrupt as one operation sees it.
pub(crate) struct Patience {
    flag: Arc<AtomicBool>,
    grace_until: Option<Instant>,
}

impl Patience {
    /// Starts an operation. After an interrupt the operations that clean up still get a moment.
    pub(crate) fn new(flag: &Arc<AtomicBool>) -> Self {
        let set = flag.load(Ordering::Relaxed);
        Self { flag: Arc::clone(flag), grace_until: set.then(|| Instant::now() + GRACE) }
    }

    /// Whether to go on.
    pub(crate) fn lasts(&self) -> bool {
        match self.grace_until {
            Some(until) => Instant::now() < until,
            None => !self.flag.load(Ordering::Relaxed),
        }
    }

    fn check(&self) -> Result<(), ConnectorError> {
        if self.lasts() {
            return Ok(());
        }
        Err(ConnectorError::new(ErrorKind::Interrupted, "wait for", "the server", "interrupted"))
    }
}

/// The answers of one operation.
pub(crate) struct Mailbox<T> {
    sender: Sender<(T, Reply)>,
    receiver: Receiver<(T, Reply)>,
    patience: Patience,
}

impl<T: Send + 'static> Mailbox<T> {
    pub(crate) fn new(patience: Patience) -> Self {
        let (sender, receiver) = crossbeam_channel::unbounded();
        Self { sender, receiver, patience }
    }

    /// Sends a request whose answer will come back with `tag`.
    pub(crate) fn send(&self, channel: &Channel, request: &Request, tag: T) {
        let sender = self.sender.clone();
        channel.send(request, Box::new(move |reply| drop(sender.send((tag, reply)))));
    }

    /// Puts a tag of the caller's own into the mailbox's queue, from any thread.
    pub(crate) fn poster(&self) -> Poster<T> {
        Poster(self.sender.clone())
    }

    /// The next answer. Only call it while answers are due.
    pub(crate) fn receive(&self) -> Result<(T, Reply), ConnectorError> {
        loop {
            self.patience.check()?;
            match self.receiver.recv_timeout(Duration::from_millis(50)) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ConnectorError::new(
                        ErrorKind::Other,
                        "wait for",
                        "the server",
                        "no sender left",
                    ));
                }
            }
        }
    }

    /// The next answer within `wait`, if one comes.
    pub(crate) fn receive_within(&self, wait: Duration) -> Result<Option<(T, Reply)>, ConnectorError> {
        self.patience.check()?;
        Ok(self.receiver.recv_timeout(wait).ok())
    }

    /// Where the answers arrive, for waiting on several things.
    pub(crate) fn receiver(&self) -> &Receiver<(T, Reply)> {
        &self.receiver
    }

    /// Whether to go on.
    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }
}

/// Tells an operation something from another thread.
pub(crate) struct Poster<T>(Sender<(T, Reply)>);

impl<T> Clone for Poster<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Poster<T> {
    pub(crate) fn post(&self, tag: T) {
        // The operation may be over: then nobody needs to know.
        let _ = self.0.send((tag, Ok(Response::Status { code: status::OK, message: String::new() })));
    }
}

/// Sends one request and waits for its answer.
pub(crate) fn call(
    channel: &Channel,
    request: &Request,
    patience: &Patience,
) -> Result<Reply, ConnectorError> {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    channel.send(request, Box::new(move |reply| drop(sender.send(reply))));
    loop {
        patience.check()?;
        if let Ok(reply) = receiver.recv_timeout(Duration::from_millis(50)) {
            return Ok(reply);
        }
    }
}

/// Waits until another file may be opened on a channel.
pub(crate) fn wait_for_room(channel: &Channel, patience: &Patience) -> Result<(), ConnectorError> {
    while !channel.has_room() && !channel.is_lost() {
        patience.check()?;
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Locks a mutex whose data stay valid even if a holder panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
