//! A TCP proxy on the loopback interface that delays, freezes and cuts.
//!
//! The delay is a line, not a brake: bytes travel later, not slower. Cuts can be ordered by the
//! test or follow a plan drawn from a seed, so that a failure can be repeated.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Bytes that may be under way in one direction of one connection.
const LINE_BYTES_MAX: usize = 64 << 20;

/// When connections are cut without being told to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CutPlan {
    /// Where the numbers come from.
    pub seed: u64,
    /// Fewest bytes, both directions together, that a connection carries.
    pub bytes_min: u64,
    /// Most bytes that a connection carries.
    pub bytes_max: u64,
    /// Number of connections that are cut; later ones live.
    pub cuts: u64,
}

struct Shared {
    target: SocketAddr,
    delay_us: AtomicU64,
    frozen: AtomicBool,
    refusing: AtomicBool,
    closing: AtomicBool,
    accepted: AtomicU64,
    carried_bytes: AtomicU64,
    plan: Mutex<Option<CutPlan>>,
    open: Mutex<Vec<(TcpStream, TcpStream)>>,
}

/// A proxy in front of one port; it ends, with all its connections, when dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
}

impl Proxy {
    /// Starts a proxy for a loopback port, adding `delay` to each direction.
    pub fn start(target_port: u16, delay: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            target: SocketAddr::from(([127, 0, 0, 1], target_port)),
            delay_us: AtomicU64::new(0),
            frozen: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            carried_bytes: AtomicU64::new(0),
            plan: Mutex::new(None),
            open: Mutex::new(Vec::new()),
        });
        let proxy = Self { shared: Arc::clone(&shared), port };
        proxy.set_delay(delay);
        std::thread::spawn(move || accept(&listener, &shared));
        Ok(proxy)
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the delay of each direction.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.delay_us.store(delay.as_micros() as u64, Ordering::Relaxed);
    }

    /// Closes all connections at once; bytes under way are lost.
    pub fn cut(&self) {
        for (client, server) in lock(&self.shared.open).drain(..) {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// Nothing moves any more, yet connections stay open.
    pub fn freeze(&self) {
        self.shared.frozen.store(true, Ordering::Relaxed);
    }

    /// Ends a freeze.
    pub fn thaw(&self) {
        self.shared.frozen.store(false, Ordering::Relaxed);
    }

    /// New connections are closed as soon as they come.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::Relaxed);
    }

    /// Cuts coming connections by plan; `None` ends it.
    pub fn set_plan(&self, plan: Option<CutPlan>) {
        *lock(&self.shared.plan) = plan;
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Bytes carried so far, both directions.
    pub fn carried_bytes(&self) -> u64 {
        self.shared.carried_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.cut();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.closing.load(Ordering::Relaxed) {
            return;
        }
        let Ok(client) = client else { continue };
        if shared.refusing.load(Ordering::Relaxed) {
            let _ = client.shutdown(Shutdown::Both);
            continue;
        }
        if let Err(error) = connect(client, shared) {
            // The client sees a closed connection, which is what a broken way looks like.
            drop(error);
        }
    }
}

fn connect(client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect(shared.target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
    let limit = lock(&shared.plan).filter(|plan| number < plan.cuts).map(|plan| drawn(plan, number));
    let carried = Arc::new(AtomicU64::new(0));
    lock(&shared.open).push((client.try_clone()?, server.try_clone()?));
    for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        let line = Arc::new(Line::default());
        let (shared, carried) = (Arc::clone(shared), Arc::clone(&carried));
        let (inlet, outlet) = (Arc::clone(&line), line);
        let ends = (from.try_clone()?, to.try_clone()?);
        let state = Arc::clone(&shared);
        std::thread::spawn(move || {
            take(from, &inlet, &state, &|bytes| {
                let total = carried.fetch_add(bytes, Ordering::Relaxed) + bytes;
                if limit.is_some_and(|limit| total > limit) {
                    let _ = ends.0.shutdown(Shutdown::Both);
                    let _ = ends.1.shutdown(Shutdown::Both);
                    return false;
                }
                true
            });
        });
        std::thread::spawn(move || give(to, &outlet, &shared));
    }
    Ok(())
}

/// Bytes under way in one direction.
#[derive(Default)]
struct Line {
    state: Mutex<LineState>,
    changed: Condvar,
}

#[derive(Default)]
struct LineState {
    parcels: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    closed: bool,
}

fn take(mut from: TcpStream, line: &Line, shared: &Shared, alive: &dyn Fn(u64) -> bool) {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        shared.carried_bytes.fetch_add(count as u64, Ordering::Relaxed);
        if !alive(count as u64) {
            break;
        }
        let due = Instant::now() + Duration::from_micros(shared.delay_us.load(Ordering::Relaxed));
        let mut state = lock(&line.state);
        while state.bytes > LINE_BYTES_MAX && !state.closed {
            state = line.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        state.bytes += count;
        state.parcels.push_back((due, buffer.get(..count).unwrap_or_default().to_vec()));
        line.changed.notify_all();
    }
    lock(&line.state).closed = true;
    line.changed.notify_all();
}

fn give(mut to: TcpStream, line: &Line, shared: &Shared) {
    loop {
        let mut state = lock(&line.state);
        let (due, parcel) = loop {
            if let Some(parcel) = state.parcels.pop_front() {
                state.bytes -= parcel.1.len();
                break parcel;
            }
            if state.closed {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            state = line.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        };
        line.changed.notify_all();
        drop(state);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        while shared.frozen.load(Ordering::Relaxed) && !shared.closing.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if to.write_all(&parcel).is_err() {
            lock(&line.state).closed = true;
            line.changed.notify_all();
            return;
        }
    }
}

/// The number of bytes that connection `number` lives for.
fn drawn(plan: CutPlan, number: u64) -> u64 {
    let mut x = plan.seed.wrapping_add((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    plan.bytes_min + x % (plan.bytes_max.saturating_sub(plan.bytes_min) + 1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
