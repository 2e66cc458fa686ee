//! A channel against servers that answer wrongly.

use std::os::unix::net::UnixStream;
use std::sync::mpsc;

use super::*;

struct Silent(UnixStream);

impl Peer for Silent {
    fn end(&self) {
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }

    fn last_words(&self) -> Option<Lost> {
        None
    }

    fn backlog_bytes(&self) -> u64 {
        0
    }
}

/// A channel whose server is `script`, run on a thread of its own.
fn open(script: impl FnOnce(UnixStream) + Send + 'static) -> Result<Arc<Channel>, Lost> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    std::thread::spawn(move || script(theirs));
    let unlimited = Arc::<Throttle>::default();
    let streams = Streams {
        input: Box::new(ours.try_clone().unwrap()),
        output: Box::new(ours.try_clone().unwrap()),
        upload: Arc::clone(&unlimited),
        download: unlimited,
        files_max: None,
    };
    Channel::open(streams, Box::new(Silent(ours)), Instant::now() + Duration::from_secs(5), &|| true)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_u32(&mut out, body.len() as u32 + 1);
    out.push(kind);
    out.extend_from_slice(body);
    out
}

fn greet(stream: &mut UnixStream) {
    stream.read_exact(&mut [0; 9]).unwrap();
    stream.write_all(&message(2, &[0, 0, 0, 3])).unwrap();
}

/// Reads one request; returns its id.
fn request(stream: &mut UnixStream) -> [u8; 4] {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).unwrap();
    body[1..5].try_into().unwrap()
}

fn lstat(channel: &Channel) -> mpsc::Receiver<Reply> {
    let (sender, receiver) = mpsc::channel();
    let request = Request::Lstat { path: b"/x".to_vec() };
    channel.send(&request, Box::new(move |reply| drop(sender.send(reply))));
    receiver
}

fn outcome(script: impl FnOnce(UnixStream) + Send + 'static) -> Lost {
    let channel = open(script).unwrap_or_else(|lost| panic!("{lost:?}"));
    let (first, second) = (lstat(&channel), lstat(&channel));
    let wait = Duration::from_secs(5);
    let _ = first.recv_timeout(wait).unwrap();
    let lost = second.recv_timeout(wait).unwrap().unwrap_err();
    assert!(channel.is_lost());
    assert!(lstat(&channel).recv_timeout(wait).unwrap().is_err(), "later requests fail at once");
    Lost::clone(&lost)
}

#[test]
fn answers_reach_their_requests_in_any_order() {
    let channel = open(|mut stream| {
        greet(&mut stream);
        let ids = [request(&mut stream), request(&mut stream)];
        for (id, code) in [(ids[1], 2u8), (ids[0], 3)] {
            stream.write_all(&message(101, &[&id[..], &[0, 0, 0, code]].concat())).unwrap();
        }
        let _ = stream.read(&mut [0; 9]);
    });
    let channel = channel.unwrap_or_else(|lost| panic!("{lost:?}"));
    let (first, second) = (lstat(&channel), lstat(&channel));
    assert!(matches!(first.recv().unwrap(), Ok(Response::Status { code: 3, .. })));
    assert!(matches!(second.recv().unwrap(), Ok(Response::Status { code: 2, .. })));
    assert_eq!(channel.quiet_for(), Duration::ZERO);
}

#[test]
fn wrong_ids_and_malformed_answers_end_the_conversation() {
    let lost = outcome(|mut stream| {
        greet(&mut stream);
        request(&mut stream);
        stream.write_all(&message(101, &[9, 9, 9, 9, 0, 0, 0, 0])).unwrap();
        let _ = stream.read(&mut [0; 64]);
    });
    assert_eq!(lost.kind, ErrorKind::Corrupt);
    assert!(lost.message.contains("not made"), "{}", lost.message);
    let lost = outcome(|mut stream| {
        greet(&mut stream);
        let id = request(&mut stream);
        stream.write_all(&message(104, &[&id[..], &[255; 4]].concat())).unwrap();
        let _ = stream.read(&mut [0; 64]);
    });
    assert_eq!(lost.kind, ErrorKind::Corrupt);
    let lost = outcome(|mut stream| {
        greet(&mut stream);
        request(&mut stream);
        stream.write_all(&[255; 64]).unwrap();
        let _ = stream.read(&mut [0; 64]);
    });
    assert_eq!(lost.kind, ErrorKind::Corrupt);
}

#[test]
fn end_of_the_stream_fails_everything_pending_as_transient() {
    let lost = outcome(|mut stream| {
        greet(&mut stream);
        let id = request(&mut stream);
        stream.write_all(&message(101, &[&id[..], &[0, 0, 0, 2]].concat())).unwrap();
        request(&mut stream);
        stream.write_all(&[0, 0, 0]).unwrap();
    });
    assert_eq!(lost.kind, ErrorKind::Transient);
}

#[test]
fn text_in_place_of_a_greeting_is_told() {
    let lost = open(|mut stream| stream.write_all(b"Welcome to the machine\n").unwrap()).err().unwrap();
    assert_eq!(lost.kind, ErrorKind::Unsupported);
    assert!(lost.message.contains("Welc"), "{}", lost.message);
    let lost = open(|mut stream| stream.write_all(&message(2, &[0, 0, 0, 2])).unwrap()).err().unwrap();
    assert!(lost.message.contains("version 2"), "{}", lost.message);
    let lost = open(drop).err().unwrap();
    assert_eq!(lost.kind, ErrorKind::Transient);
}
