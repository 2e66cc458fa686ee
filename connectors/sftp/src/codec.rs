//! Framing of SFTP messages over any byte stream.
//!
//! A message is a length, a type byte and a body. Lengths beyond [`MESSAGE_BYTES_MAX`] end the
//! connection. Bodies of file data are read straight into buffers of their own size, so that a
//! small piece never keeps a large buffer alive.

use std::io::{self, Read};

use bytes::Bytes;

/// Largest message that is accepted, and the largest that OpenSSH sends.
pub(crate) const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Read ahead of the messages.
const BUFFER_BYTES: usize = 256 << 10;

/// A message without its length.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) body: Bytes,
}

/// Cuts a byte stream into messages.
pub(crate) struct FrameReader<R> {
    stream: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0 }
    }

    /// The next message; `None` at the end of the stream between two messages. `moved` hears of
    /// every byte count that arrives.
    pub(crate) fn next(&mut self, moved: &mut dyn FnMut(usize)) -> io::Result<Option<Frame>> {
        while self.end - self.start < 5 {
            let empty = self.end == self.start;
            if self.fill(moved)? == 0 {
                return if empty { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
        let mut head = [0; 5];
        head.copy_from_slice(self.buffered().get(..5).unwrap_or(&[0; 5]));
        let [a, b, c, d, kind] = head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length == 0 || length > MESSAGE_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("message of {length} bytes announced ({:?})", String::from_utf8_lossy(&head[..4])),
            ));
        }
        self.start += 5;
        let mut body = vec![0; length - 1];
        let ready = body.len().min(self.end - self.start);
        let (front, rest) = body.split_at_mut(ready);
        front.copy_from_slice(self.buffered().get(..ready).unwrap_or_default());
        self.start += ready;
        self.read_rest(rest, moved)?;
        Ok(Some(Frame { kind, body: Bytes::from(body) }))
    }

    /// Everything buffered: the start of what was not a message, for error texts.
    pub(crate) fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn read_rest(&mut self, mut rest: &mut [u8], moved: &mut dyn FnMut(usize)) -> io::Result<()> {
        while !rest.is_empty() {
            if rest.len() < 4096 {
                // Little is missing: fetch what follows along with it.
                if self.end == self.start && self.fill(moved)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let ready = rest.len().min(self.end - self.start);
                let (front, back) = rest.split_at_mut(ready);
                front.copy_from_slice(self.buffered().get(..ready).unwrap_or_default());
                self.start += ready;
                rest = back;
                continue;
            }
            match self.stream.read(rest) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    moved(count);
                    rest = rest.split_at_mut(count).1;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn fill(&mut self, moved: &mut dyn FnMut(usize)) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            match self.stream.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(count) => {
                    self.end += count;
                    moved(count);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn messages_come_out_whole_however_they_arrive() {
        let mut stream = Vec::new();
        let bodies: Vec<Vec<u8>> =
            [0usize, 1, 100, 5000, 200_000, 3, 262_143].iter().map(|&n| vec![n as u8; n]).collect();
        for body in &bodies {
            stream.extend_from_slice(&(body.len() as u32 + 1).to_be_bytes());
            stream.push(103);
            stream.extend_from_slice(body);
        }
        for step in [1, 7, 4096, 1 << 20] {
            let mut reader = FrameReader::new(Drip(&stream, step));
            let mut total = 0;
            for body in &bodies {
                let frame = reader.next(&mut |n| total += n).unwrap().unwrap();
                assert_eq!(&frame.body[..], &body[..]);
            }
            assert!(reader.next(&mut |_| ()).unwrap().is_none());
            assert_eq!(total, stream.len());
        }
    }

    #[test]
    fn absurd_lengths_and_cut_messages_are_errors() {
        for bytes in [&b"\0\0\0\0\x01"[..], b"Welcome to host\n", b"\0\x04\0\x01\x01"] {
            assert_eq!(
                FrameReader::new(bytes).next(&mut |_| ()).unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
        }
        for bytes in [&b"\0\0"[..], b"\0\0\0\x05\x65\0\0"] {
            assert_eq!(
                FrameReader::new(bytes).next(&mut |_| ()).unwrap_err().kind(),
                io::ErrorKind::UnexpectedEof
            );
        }
    }
}
