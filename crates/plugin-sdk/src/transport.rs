//! Standard input and output as one HTTP/2 connection.
//!
//! Nothing else may be written to standard output, so the descriptor is moved away first and
//! standard output then means standard error. The end of standard input ends the program.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::{Connected, Router};

/// Bytes that may be on their way per stream, and on the whole connection. The protocol's 64 KiB
/// would make every message wait for the other side.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Longest frame that is taken; the protocol's 16 KiB would be many small reads and writes.
const FRAME_BYTES: u32 = 256 << 10;
/// Kernel buffer of each pipe.
const PIPE_BYTES: usize = 1 << 20;
/// Operations that are still running when the host has gone get this long to end.
const LINGER: Duration = Duration::from_secs(2);

/// The connection, in the shape that the server takes; when it is dropped, `_open` tells the server to end.
struct Stdio {
    pipes: Join<pipe::Receiver, pipe::Sender>,
    _open: oneshot::Sender<()>,
}

impl Connected for Stdio {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Stdio {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_read(cx, buffer)
    }
}
impl AsyncWrite for Stdio {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipes).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipes).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.pipes.is_write_vectored()
    }
}

/// Serves what `add` adds until the host closes standard input.
pub(crate) fn serve(add: impl FnOnce(&mut Server) -> Router) -> ExitCode {
    match run(add) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = format!("{error}\nThis program is part of a plakar package; plakar starts it.\n");
            let _ = io::Write::write_all(&mut io::stderr().lock(), text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(add: impl FnOnce(&mut Server) -> Router) -> io::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().enable_time().build()?;
    let outcome = runtime.block_on(async {
        let (stdio, closed) = take_stdio()?;
        // The stream gives the one connection and ends only with it: a server whose stream of
        // connections has ended returns at once.
        let (sender, incoming) = tokio::sync::mpsc::channel::<io::Result<Stdio>>(1);
        sender.send(Ok(stdio)).await.map_err(io::Error::other)?;
        tokio::spawn(async move {
            let _ = closed.await;
            drop(sender);
        });
        let mut server = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES);
        add(&mut server)
            .serve_with_incoming(tokio_stream::wrappers::ReceiverStream::new(incoming))
            .await
            .map_err(io::Error::other)
    });
    runtime.shutdown_timeout(LINGER);
    outcome
}

fn take_stdio() -> io::Result<(Stdio, oneshot::Receiver<()>)> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    for end in [&input, &output] {
        // Only speed depends on it; the system may refuse.
        let _ = rustix::pipe::fcntl_setpipe_size(end, PIPE_BYTES);
    }
    let pipes = tokio::io::join(pipe::Receiver::from_owned_fd(input)?, pipe::Sender::from_owned_fd(output)?);
    rustix::stdio::dup2_stdout(io::stderr().as_fd())?;
    let (open, closed) = oneshot::channel();
    Ok((Stdio { pipes, _open: open }, closed))
}
