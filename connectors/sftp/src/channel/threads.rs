//! The two threads of a channel: one writes requests, the other reads answers.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use kloset_connector::ErrorKind;
use kloset_connector::layer::Throttle;

use super::{ENDED_EARLY, Lost, Outgoing, Shared};
use crate::codec::{Frame, FrameReader};
use crate::packet::{Features, VERSION, printable};

/// Requests are gathered up to this size before they are written.
const GATHER_BYTES: usize = 512 << 10;
/// Payloads from this size on are written from where they lie.
const DIRECT_BYTES: usize = 32 << 10;
/// A single write; small enough that a slow line shows signs of life between two of them.
const WRITE_BYTES: usize = 64 << 10;

/// Waits for the server's first message.
pub(super) fn wait_for_greeting(
    greeting: &Receiver<Result<Features, Lost>>,
    deadline: Instant,
    patient: &dyn Fn() -> bool,
) -> Result<Features, Lost> {
    loop {
        let wait = deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(100));
        match greeting.recv_timeout(wait) {
            Ok(result) => return result,
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => {
                return Err(Lost::new(ErrorKind::Transient, "connection closed"));
            }
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => {
                if !patient() {
                    return Err(Lost::new(ErrorKind::Interrupted, "interrupted while connecting"));
                }
                if Instant::now() >= deadline {
                    return Err(Lost::new(ErrorKind::NoAnswer, "no answer within the connect deadline"));
                }
            }
        }
    }
}

/// Completes requests until the conversation ends.
pub(super) fn read_answers(
    shared: &Shared,
    input: Box<dyn Read + Send>,
    greet: &Sender<Result<Features, Lost>>,
    throttle: &Throttle,
) {
    let mut frames = FrameReader::new(input);
    let mut moved = |bytes: usize| {
        shared.touch();
        throttle.pass(bytes, &mut || shared.is_awake());
    };
    let greeting = read_greeting(shared, &mut frames, &mut moved);
    let greeted = greeting.is_ok();
    let _ = greet.send(greeting);
    if !greeted {
        shared.lose(Lost::new(ErrorKind::Transient, "connection closed"));
        return;
    }
    let lost = loop {
        match frames.next(&mut moved) {
            Ok(Some(frame)) => {
                if let Err(lost) = shared.answer(frame) {
                    break lost;
                }
            }
            Ok(None) => break shared.ended("the server closed the connection"),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                break Lost::new(ErrorKind::Corrupt, format!("the server broke the SFTP protocol: {error}"));
            }
            Err(error) => break shared.ended(&format!("the connection broke: {error}")),
        }
    };
    shared.lose(lost);
    shared.close();
}

impl Shared {
    /// A wait of our own making is no silence of the server. Says whether it is still of use.
    fn is_awake(&self) -> bool {
        self.touch();
        !self.dead.load(Ordering::Relaxed)
    }

    fn ended(&self, otherwise: &str) -> Lost {
        match self.peer.last_words() {
            Some(words) => Lost::new(ErrorKind::Transient, format!("connection lost: {}", words.message)),
            None => Lost::new(ErrorKind::Transient, format!("connection lost: {otherwise}")),
        }
    }
}

fn read_greeting(
    shared: &Shared,
    frames: &mut FrameReader<Box<dyn Read + Send>>,
    moved: &mut dyn FnMut(usize),
) -> Result<Features, Lost> {
    let said = |text: &str| Lost {
        kind: ErrorKind::Unsupported,
        message: format!("the server answers with something that is not SFTP: {text}"),
        hint: Some("a shell start-up file that prints text, or a forced command, is in the way".to_owned()),
    };
    match frames.next(moved) {
        Ok(Some(Frame { kind: VERSION, body })) => match Features::decode(body) {
            Ok((3.., features)) => Ok(features),
            Ok((version, _)) => Err(said(&format!("protocol version {version}"))),
            Err(bad) => Err(said(bad.0)),
        },
        Ok(Some(frame)) => Err(said(&printable(&frame.body))),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            let head = error.to_string();
            Err(said(&format!("{head} {}", printable(frames.buffered()))))
        }
        Ok(None) | Err(_) => Err(shared.peer.last_words().unwrap_or_else(|| Lost {
            kind: ErrorKind::Transient,
            message: "the session was ended before SFTP began".to_owned(),
            hint: Some(ENDED_EARLY.to_owned()),
        })),
    }
}

/// Writes requests until it is told to quit.
pub(super) fn write_requests(
    shared: &Shared,
    mut output: Box<dyn Write + Send>,
    queue: &Receiver<Outgoing>,
    throttle: &Throttle,
) {
    let mut gathered = Vec::with_capacity(GATHER_BYTES + 4096);
    let mut put = |bytes: &[u8]| -> std::io::Result<()> {
        for piece in bytes.chunks(WRITE_BYTES) {
            throttle.pass(piece.len(), &mut || shared.is_awake());
            output.write_all(piece)?;
            shared.touch();
        }
        Ok(())
    };
    while let Ok(first) = queue.recv() {
        let mut next = Some(first);
        let mut result = Ok(());
        while let Some(message) = next.take() {
            let Outgoing::Message(head, tail) = message else { return };
            gathered.extend_from_slice(&head);
            match tail {
                Some(tail) if tail.len() >= DIRECT_BYTES => {
                    result = put(&gathered).and_then(|()| put(&tail));
                    gathered.clear();
                }
                Some(tail) => gathered.extend_from_slice(&tail),
                None => {}
            }
            if result.is_err() || gathered.len() >= GATHER_BYTES {
                break;
            }
            next = queue.try_recv().ok();
        }
        if result.and_then(|()| put(&gathered)).is_err() {
            // The reader learns of the end too, and knows more about its cause; it gets a moment.
            std::thread::sleep(Duration::from_millis(200));
            shared.lose(shared.ended("the connection broke while sending"));
            shared.close();
            return;
        }
        gathered.clear();
    }
}

/// Starts a thread.
pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    // Without threads nothing can work; the closed queues then make every request fail.
    let _ = std::thread::Builder::new().name(name.to_owned()).stack_size(256 << 10).spawn(body);
}
