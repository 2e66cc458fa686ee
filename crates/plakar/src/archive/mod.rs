//! Archives of other kinds, written as a stream: tar (pax), tar.gz and zip.

mod tar;
mod zip;

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use kloset_format::FileInfo;

/// Kind of an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Tar, compressed.
    Tarball,
    /// Tar.
    Tar,
    /// Zip.
    Zip,
}

impl Format {
    /// Reads the word of a format.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "tarball" => Self::Tarball,
            "tar" => Self::Tar,
            "zip" => Self::Zip,
            _ => return Err("must be tarball, tar or zip".to_owned()),
        })
    }

    /// How the names of such files end.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Tarball => "tar.gz",
            Self::Tar => "tar",
            Self::Zip => "zip",
        }
    }
}

/// What is the same for everything in an archive.
pub struct Item<'a> {
    /// Path without a slash at its start.
    pub name: &'a [u8],
    /// Attributes.
    pub info: &'a FileInfo,
    /// Names and values of extended attributes.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

/// What is no regular file.
pub enum Special<'a> {
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(&'a [u8]),
    /// A named pipe.
    Pipe,
}

/// An archive being written.
pub struct Archive<W: Write>(Kind<W>);

// One archive is written at a time: its size on the stack does not matter.
#[allow(clippy::large_enum_variant)]
enum Kind<W: Write> {
    Tar(tar::Tar<W>),
    Tarball(tar::Tar<GzEncoder<W>>),
    Zip(zip::Zip<W>),
}

/// The content of one file; it must be ended.
// One content is written at a time: its size on the stack does not matter.
#[allow(clippy::large_enum_variant)]
pub enum Content<'a, W: Write> {
    /// In a tar.
    Tar(tar::Content<'a, W>),
    /// In a compressed tar.
    Tarball(tar::Content<'a, GzEncoder<W>>),
    /// In a zip.
    Zip(zip::Content<'a, W>),
}

impl<W: Write> Archive<W> {
    /// Starts an archive.
    pub fn new(format: Format, out: W) -> Self {
        Self(match format {
            Format::Tar => Kind::Tar(tar::Tar::new(out)),
            Format::Tarball => Kind::Tarball(tar::Tar::new(GzEncoder::new(out, Compression::default()))),
            Format::Zip => Kind::Zip(zip::Zip::new(out)),
        })
    }

    /// Adds what is no regular file.
    pub fn special(&mut self, item: &Item<'_>, special: &Special<'_>) -> io::Result<()> {
        match &mut self.0 {
            Kind::Tar(tar) => tar.special(item, special),
            Kind::Tarball(tar) => tar.special(item, special),
            Kind::Zip(zip) => zip.special(item, special),
        }
    }

    /// Starts a regular file of the size that its attributes say; `None` if it is a hard link to one
    /// that was written.
    pub fn file(&mut self, item: &Item<'_>) -> io::Result<Option<Content<'_, W>>> {
        Ok(match &mut self.0 {
            Kind::Tar(tar) => tar.file(item)?.map(Content::Tar),
            Kind::Tarball(tar) => tar.file(item)?.map(Content::Tarball),
            Kind::Zip(zip) => Some(Content::Zip(zip.file(item)?)),
        })
    }

    /// Ends the archive.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Kind::Tar(tar) => tar.finish(),
            Kind::Tarball(tar) => tar.finish()?.finish(),
            Kind::Zip(zip) => zip.finish(),
        }
    }
}

impl<W: Write> Content<'_, W> {
    /// Ends the file.
    pub fn end(self) -> io::Result<()> {
        match self {
            Self::Tar(content) => content.end(),
            Self::Tarball(content) => content.end(),
            Self::Zip(content) => content.end(),
        }
    }
}

impl<W: Write> Write for Content<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tar(content) => content.write(bytes),
            Self::Tarball(content) => content.write(bytes),
            Self::Zip(content) => content.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wrong_size() -> io::Error {
    io::Error::other("a file's content has another size than its entry says")
}
