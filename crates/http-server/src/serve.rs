//! Takes connections until told to stop.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::{Content, ListenError, Listener, Request, Response, Service};

/// Connections at the same time; more wait.
const CONNECTIONS_MAX: usize = 256;
/// Bodies in memory at the same time.
const BODIES_MAX: usize = 4;
/// Something of a request must arrive within this time.
const IDLE: Duration = Duration::from_secs(60);
/// A TLS greeting takes no longer.
const GREETING: Duration = Duration::from_secs(15);
/// Answers under way are given this long at the end.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often the wish to stop is looked at.
const TICK: Duration = Duration::from_millis(100);
/// Pieces of an answer that is made while it is sent, and how many may wait.
const PIECE_BYTES: usize = 64 << 10;
const PIECES_WAITING: usize = 4;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What all connections share.
struct Shared<S> {
    service: Arc<S>,
    bodies: Semaphore,
    stopping: watch::Receiver<bool>,
}

/// Serves until `stop` is set; then lets answers under way end, for a while.
pub fn serve<S: Service>(listener: Listener, service: Arc<S>, stop: &AtomicBool) -> Result<(), ListenError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(CONNECTIONS_MAX)
        .thread_name("http")
        .enable_all()
        .build()?;
    let result = runtime.block_on(accept(listener, service, stop));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn accept<S: Service>(
    listener: Listener,
    service: Arc<S>,
    stop: &AtomicBool,
) -> Result<(), ListenError> {
    let Listener { socket, tls } = listener;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::TcpListener::from_std(socket)?;
    let acceptor = tls.map(TlsAcceptor::from);
    let (tell, stopping) = watch::channel(false);
    let shared = Arc::new(Shared { service, bodies: Semaphore::new(BODIES_MAX), stopping });
    let mut connections = JoinSet::new();
    while !stop.load(Ordering::Relaxed) {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            tokio::time::sleep(TICK).await;
            continue;
        }
        // A client that is gone already, or no descriptor left: neither ends the server.
        let stream = match tokio::time::timeout(TICK, socket.accept()).await {
            Ok(Ok((stream, _))) => stream,
            Ok(Err(_)) => {
                tokio::time::sleep(TICK).await;
                continue;
            }
            Err(_) => continue,
        };
        let _ = stream.set_nodelay(true);
        connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&shared)));
    }
    drop(socket);
    let _ = tell.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, all).await;
    Ok(())
}

async fn connection<S: Service>(
    stream: tokio::net::TcpStream,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared<S>>,
) {
    match acceptor {
        None => talk(stream, shared).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(GREETING, acceptor.accept(stream)).await {
                talk(stream, shared).await;
            }
        }
    }
}

async fn talk<S: Service>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared<S>>,
) {
    let mut stopping = shared.stopping.clone();
    let answer = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(handle(request, &shared).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    // Errors of a connection are its client's to notice.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = told(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn handle<S: Service>(request: hyper::Request<Incoming>, shared: &Shared<S>) -> hyper::Response<Body> {
    let (head, body) = request.into_parts();
    let bytes_max = match shared.service.admit(&head) {
        Ok(bytes_max) => bytes_max,
        Err(response) => return convert(response),
    };
    let is_empty = hyper::body::Body::is_end_stream(&body);
    let Ok(_permit) = shared.bodies.acquire_many(u32::from(!is_empty)).await else {
        return convert(Response::text(StatusCode::SERVICE_UNAVAILABLE, "stopping"));
    };
    let body = match collect(body, bytes_max).await {
        Ok(body) => body,
        Err(response) => return convert(response),
    };
    let service = Arc::clone(&shared.service);
    let answered = tokio::task::spawn_blocking(move || service.answer(Request { head, body })).await;
    convert(answered.unwrap_or_else(|_| Response::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error")))
}

/// Reads a body to its end. A body that is cut off never reaches the service.
async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, Response> {
    let mut all = BytesMut::new();
    loop {
        let frame = match tokio::time::timeout(IDLE, body.frame()).await {
            Err(_) => return Err(Response::text(StatusCode::REQUEST_TIMEOUT, "the body does not arrive")),
            Ok(None) => return Ok(all.freeze()),
            Ok(Some(Err(_))) => return Err(Response::text(StatusCode::BAD_REQUEST, "the body was cut off")),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > bytes_max {
            let text = format!("a body of more than {bytes_max} bytes");
            return Err(Response::text(StatusCode::PAYLOAD_TOO_LARGE, &text));
        }
        all.extend_from_slice(&data);
    }
}

fn convert(response: Response) -> hyper::Response<Body> {
    let body = match response.content {
        Content::Bytes(bytes) => {
            Full::new(bytes).map_err(|never: Infallible| -> io::Error { match never {} }).boxed_unsync()
        }
        Content::Stream(writer) => {
            let (sender, receiver) = mpsc::channel(PIECES_WAITING);
            tokio::task::spawn_blocking(move || {
                let mut pieces = Pieces { sender, buffer: Vec::with_capacity(PIECE_BYTES) };
                let written = writer(&mut pieces).and_then(|()| pieces.flush());
                if let Err(error) = written {
                    let _ = pieces.sender.blocking_send(Err(error));
                }
            });
            StreamBody::new(ReceiverStream::new(receiver).map(|piece| piece.map(Frame::data))).boxed_unsync()
        }
    };
    let mut converted = hyper::Response::new(body);
    *converted.status_mut() = response.status;
    converted.headers_mut().extend(response.headers);
    converted
}

/// What is written becomes pieces of the body.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES));
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
