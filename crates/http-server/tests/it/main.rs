//! What strangers may do to a server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http_server::{Content, Listener, Parts, Request, Response, Service, StatusCode, serve};

struct Echo;

impl Service for Echo {
    fn admit(&self, head: &Parts) -> Result<usize, Response> {
        if head.uri.path() == "/no" { Err(Response::text(StatusCode::FORBIDDEN, "no")) } else { Ok(10) }
    }

    fn answer(&self, request: Request) -> Response {
        match request.head.uri.path() {
            "/panic" => panic!("on purpose"),
            "/long" => Response::new(
                StatusCode::OK,
                "text/plain",
                Content::Stream(Box::new(|out| (0..1000).try_for_each(|_| out.write_all(&[b'x'; 1000])))),
            ),
            "/broken" => Response::new(
                StatusCode::OK,
                "text/plain",
                Content::Stream(Box::new(|out| {
                    out.write_all(b"begun")?;
                    out.flush()?;
                    Err(std::io::Error::other("on purpose"))
                })),
            ),
            _ => Response::bytes(request.body),
        }
    }
}

struct Running {
    address: std::net::SocketAddr,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

fn start() -> Running {
    let listener = Listener::bind("127.0.0.1:0", None).expect("listen");
    let (address, stop) = (listener.address().expect("bound"), Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&stop);
    let thread = std::thread::spawn(move || serve(listener, Arc::new(Echo), &flag).expect("serve"));
    Running { address, stop, thread }
}

impl Running {
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("connect");
        stream.write_all(request.as_bytes()).expect("send");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("ended");
    }
}

#[test]
fn answers_come_whole_or_are_seen_to_be_cut_off() {
    let server = start();
    let put = "PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody";
    assert!(server.ask(put).ends_with("\r\n\r\nbody"));
    let long = server.get("/long");
    assert!(long.ends_with("\r\n0\r\n\r\n") && long.matches('x').count() >= 1_000_000);
    let broken = server.get("/broken");
    assert!(!broken.ends_with("0\r\n\r\n"), "{broken}");
    server.end();
}

#[test]
fn refusals_come_before_the_body_and_a_panic_is_an_answer() {
    let server = start();
    assert!(server.get("/no").starts_with("HTTP/1.1 403 "));
    let long = "PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 11\r\n\r\nhello world";
    assert!(server.ask(long).starts_with("HTTP/1.1 413 "));
    assert!(server.get("/panic").starts_with("HTTP/1.1 500 "));
    assert!(server.ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(server.get("/").starts_with("HTTP/1.1 200 "));
    server.end();
}

#[test]
fn it_ends_although_a_client_says_nothing() {
    let server = start();
    let _silent = TcpStream::connect(server.address).expect("connect");
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    server.end();
    assert!(begun.elapsed() < Duration::from_secs(15));
}
