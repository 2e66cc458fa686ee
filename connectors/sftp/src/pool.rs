//! The channels to one server: made when needed, made again when lost.
//!
//! One login, four channels on it. If the server wants fewer channels, fewer are used; if it wants
//! only one, a second login is made. A monitor thread notices silence. Nothing here tries anything
//! twice: a lost channel fails its requests as transient, and the next call connects anew.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use kloset_connector::{ConnectorContext, ConnectorError, ErrorKind};

use crate::channel::{Channel, Lost};
use crate::mailbox::{Patience, lock};
use crate::target::Target;
use crate::transport::{CHANNELS, Connection, Transport};

/// Tries for a first session that the server lets in and ends: most likely it always will.
const FIRST_SESSIONS_MAX: usize = 5;
/// Longest wait at the end for connections that were just being made.
const ENDING: Duration = Duration::from_secs(3);
/// Silence that the user is told of.
const STALL: Duration = Duration::from_secs(5);

/// Channels to one target.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    transport: Transport,
    context: ConnectorContext,
    state: Mutex<State>,
    changed: Condvar,
    ended: AtomicBool,
}

#[derive(Default)]
struct State {
    channels: Vec<Member>,
    /// Somebody is connecting.
    connecting: bool,
    /// More channels are being opened.
    growing: bool,
    /// The server's wish, learned by asking for more.
    channels_max: Option<usize>,
    was_connected: bool,
    ended_sessions: usize,
    monitored: bool,
}

struct Member {
    channel: Arc<Channel>,
    connection: Arc<Connection>,
}

impl Pool {
    pub(crate) fn new(target: Target, context: ConnectorContext) -> Self {
        let transport = Transport::new(target, context.clone());
        Self {
            shared: Arc::new(Shared {
                transport,
                context,
                state: Mutex::default(),
                changed: Condvar::new(),
                ended: AtomicBool::new(false),
            }),
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.shared.transport.target
    }

    pub(crate) fn context(&self) -> &ConnectorContext {
        &self.shared.context
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience::new(&self.shared.context.interrupted)
    }

    /// The least busy channel; connects if there is none.
    pub(crate) fn channel(&self, patience: &Patience) -> Result<Arc<Channel>, ConnectorError> {
        let channels = self.channels(patience)?;
        channels
            .into_iter()
            .min_by_key(|channel| channel.load())
            .ok_or_else(|| self.error("no channel is open"))
    }

    /// All live channels, at least one; connects if there is none.
    pub(crate) fn channels(&self, patience: &Patience) -> Result<Vec<Arc<Channel>>, ConnectorError> {
        let shared = &self.shared;
        let mut state = lock(&shared.state);
        loop {
            state.channels.retain(|member| !member.channel.is_lost());
            if !state.channels.is_empty() {
                let channels = state.channels.iter().map(|member| Arc::clone(&member.channel)).collect();
                shared.grow(&mut state);
                return Ok(channels);
            }
            if !state.connecting {
                break;
            }
            if !patience.lasts() {
                return Err(ConnectorError::new(
                    ErrorKind::Interrupted,
                    "connect to",
                    self.target().server(),
                    "interrupted",
                ));
            }
            let wait = Duration::from_millis(100);
            state =
                shared.changed.wait_timeout(state, wait).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
        state.connecting = true;
        drop(state);
        let result = shared.connect(patience);
        let mut state = lock(&shared.state);
        state.connecting = false;
        shared.changed.notify_all();
        let member = match result {
            Ok(member) => member,
            // A server that was there will come back.
            Err(mut error) if state.was_connected && error.is_out_of_reach() => {
                error.kind = ErrorKind::Transient;
                return Err(error);
            }
            Err(mut error) if !state.was_connected && error.kind == ErrorKind::Transient => {
                state.ended_sessions += 1;
                if state.ended_sessions >= FIRST_SESSIONS_MAX {
                    error.kind = ErrorKind::Unreachable;
                }
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let channel = Arc::clone(&member.channel);
        state.channels.push(member);
        state.was_connected = true;
        state.channels_max = None;
        shared.grow(&mut state);
        shared.monitor(&mut state);
        Ok(vec![channel])
    }

    /// Whether any channel lives.
    pub(crate) fn is_connected(&self) -> bool {
        lock(&self.shared.state).channels.iter().any(|member| !member.channel.is_lost())
    }

    /// Waits until the channels that are wanted are open, or known not to be had. For measurements.
    pub(crate) fn settle(&self, patience: &Patience) -> Result<usize, ConnectorError> {
        loop {
            let count = self.channels(patience)?.len();
            if !lock(&self.shared.state).growing {
                return Ok(count);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn error(&self, message: &str) -> ConnectorError {
        ConnectorError::new(ErrorKind::Transient, "connect to", self.target().server(), message)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.ended.store(true, Ordering::Relaxed);
        let members = std::mem::take(&mut lock(&shared.state).channels);
        for member in members {
            member.channel.abandon(Lost::new(ErrorKind::Transient, "connection closed"));
        }
        // Whoever is just connecting has a socket's folder and a process to put away: the program
        // must not end before that.
        let until = Instant::now() + ENDING;
        let mut state = lock(&shared.state);
        while state.growing || state.connecting {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state =
                shared.changed.wait_timeout(state, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }
}

impl Shared {
    fn connect(&self, patience: &Patience) -> Result<Member, ConnectorError> {
        let started = Instant::now();
        let told = Cell::new(Duration::ZERO);
        let patient = || {
            let waited = started.elapsed();
            if waited >= told.get() + STALL {
                told.set(waited);
                let server = &self.transport.target.origin;
                self.context.events.stalled(&format!("connecting to {server} for {} s", waited.as_secs()));
            }
            patience.lasts() && !self.ended.load(Ordering::Relaxed)
        };
        let (connection, channel) = self.transport.connect(&patient)?;
        Ok(Member { channel, connection })
    }

    /// How many channels to have: what the server grants, and no more than the user's limit.
    fn wanted(&self, state: &State) -> usize {
        let limit = self.context.concurrency.map_or(CHANNELS, |count| count.clamp(1, CHANNELS));
        state.channels_max.unwrap_or(CHANNELS).min(limit)
    }

    /// Starts opening more channels in the background, if more are wanted.
    fn grow(self: &Arc<Self>, state: &mut State) {
        let wanted = self.wanted(state);
        if state.growing || state.channels.len() >= wanted || self.ended.load(Ordering::Relaxed) {
            return;
        }
        state.growing = true;
        let shared = Arc::clone(self);
        let body = move || {
            shared.open_more();
            lock(&shared.state).growing = false;
            shared.changed.notify_all();
        };
        if std::thread::Builder::new().name("sftp-grow".to_owned()).spawn(body).is_err() {
            state.growing = false;
        }
    }

    fn open_more(&self) {
        let patient =
            || !self.ended.load(Ordering::Relaxed) && !self.context.interrupted.load(Ordering::Relaxed);
        loop {
            let connection = {
                let state = lock(&self.state);
                let wanted = self.wanted(&state);
                if state.channels.len() >= wanted || !patient() {
                    return;
                }
                let Some(member) = state.channels.iter().find(|member| !member.channel.is_lost()) else {
                    return;
                };
                Arc::clone(&member.connection)
            };
            match self.transport.open_channel(&connection, &patient) {
                Ok(channel) => self.add(Member { channel, connection }),
                Err(_) => {
                    let mut state = lock(&self.state);
                    let live = state.channels.iter().filter(|member| !member.channel.is_lost()).count();
                    if live == 0 {
                        return;
                    }
                    state.channels_max = Some(live.max(2));
                    drop(state);
                    if live == 1 {
                        self.add_second_login(&patient);
                    }
                    return;
                }
            }
        }
    }

    /// The server allows one channel a connection: a second connection makes up for it.
    fn add_second_login(&self, patient: &dyn Fn() -> bool) {
        match self.transport.connect(patient) {
            Ok((connection, channel)) => self.add(Member { channel, connection }),
            Err(_) => lock(&self.state).channels_max = Some(1),
        }
    }

    fn add(&self, member: Member) {
        let mut state = lock(&self.state);
        if self.ended.load(Ordering::Relaxed) {
            drop(state);
            member.channel.abandon(Lost::new(ErrorKind::Transient, "connection closed"));
        } else {
            state.channels.push(member);
        }
    }

    fn monitor(self: &Arc<Self>, state: &mut State) {
        if state.monitored {
            return;
        }
        state.monitored = true;
        let shared = Arc::downgrade(self);
        let _ = std::thread::Builder::new()
            .name("sftp-monitor".to_owned())
            .stack_size(128 << 10)
            .spawn(move || watch(&shared));
    }
}

impl Shared {
    /// Gives up connections that are silent for too long, with all their channels; returns the
    /// longest silence.
    fn end_silent_connections(&self) -> Duration {
        let idle = self.context.retry.idle_timeout;
        let members: Vec<(Arc<Channel>, Arc<Connection>)> = lock(&self.state)
            .channels
            .iter()
            .map(|member| (Arc::clone(&member.channel), Arc::clone(&member.connection)))
            .collect();
        let mut longest = Duration::ZERO;
        for (channel, connection) in &members {
            let quiet = channel.quiet_for();
            longest = longest.max(quiet);
            if quiet < idle {
                continue;
            }
            let text = format!("connection lost: nothing came for {} s", quiet.as_secs());
            // Whoever hears of the loss must not be given one of the others.
            let dying = || members.iter().filter(|(_, same)| Arc::ptr_eq(connection, same));
            dying().for_each(|(channel, _)| channel.condemn());
            for (channel, _) in dying() {
                channel.abandon(Lost::new(ErrorKind::Transient, text.clone()));
            }
        }
        longest
    }
}

/// Looks for silence until the pool is gone.
fn watch(shared: &Weak<Shared>) {
    let mut told_at: Option<Instant> = None;
    loop {
        std::thread::sleep(Duration::from_millis(250));
        let Some(shared) = shared.upgrade() else { return };
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let longest = shared.end_silent_connections();
        if longest < STALL {
            told_at = None;
        } else if told_at.is_none_or(|at| at.elapsed() >= STALL) {
            told_at = Some(Instant::now());
            let server = &shared.transport.target.origin;
            shared.context.events.stalled(&format!("nothing from {server} for {} s", longest.as_secs()));
        }
    }
}
