//! `plakar archive`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use kloset::Snapshot;
use kloset::vfs::{Found, XattrTable};
use kloset_connector::error::io_message;
use kloset_format::mode::FileKind;

use crate::app::App;
use crate::archive::{Archive, Format, Item, Special};
use crate::cli::date;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::filters::SnapshotArgument;
use crate::open;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// Write a snapshot as a tar or zip file
#[derive(Parser)]
#[command(
    name = "archive",
    long_about = "Tar files hold everything but sockets and devices (whose numbers snapshots do not have); zip \
                  files hold directories, files and symbolic links."
)]
pub struct ArchiveCommand {
    /// Where to write; `-` is standard output (default plakar-TIME.tar.gz)
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// tarball (tar.gz), tar or zip
    #[arg(long, value_name = "FORMAT", default_value = "tarball", value_parser = Format::parse)]
    format: Format,

    /// Leave the chosen path out of the names
    #[arg(long)]
    rebase: bool,

    /// What to write
    #[arg(value_name = "ID[:PATH]")]
    argument: Option<OsString>,
}

/// What a format has no words for.
#[derive(Default)]
struct LeftOut {
    special: u64,
    links: u64,
    attributes: u64,
}

impl Run for ArchiveCommand {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let Some(argument) = &self.argument else {
            return Err(Failure::usage("usage: archive [-output FILE] [-format FORMAT] ID[:PATH]"));
        };
        let argument = SnapshotArgument::parse(argument);
        let opened = open::open(app)?;
        let snapshot = argument.find(&opened.repository)?;
        let found = snapshot.resolve(&snapshot.absolute(&argument.path))?;
        let base = self.rebase.then(|| match found.entry.info.mode.is_directory() {
            true => found.path.clone(),
            false => kloset_format::path::parent(&found.path).to_vec(),
        });
        let work = Work { app, snapshot: &snapshot, start: found.path, base };
        match &self.output {
            Some(output) if output.as_os_str() == "-" => {
                let out = BufWriter::with_capacity(BUFFER_BYTES, app.ui.result_writer());
                work.write(self.format, out)?;
            }
            output => {
                let target = app.working_directory().join(match output {
                    Some(output) => output.clone(),
                    None => {
                        PathBuf::from(format!("plakar-{}.{}", date::show(app.now()), self.format.suffix()))
                    }
                });
                work.write_file(self.format, &target)?;
            }
        }
        Ok(Outcome::Done)
    }
}

struct Work<'a> {
    app: &'a App,
    snapshot: &'a Snapshot,
    start: Vec<u8>,
    /// Directory that names are relative to, if not `/`.
    base: Option<Vec<u8>>,
}

impl Work<'_> {
    /// Writes beside the target and renames: a file of that name is whole. A device or a pipe is written
    /// into, never replaced.
    fn write_file(&self, format: Format, target: &Path) -> Result<(), Failure> {
        let failed = |path: &Path, error: &io::Error| {
            Failure::refused(format!("{}: {}", path.display(), io_message(error)))
        };
        if std::fs::metadata(target).is_ok_and(|stat| !stat.is_file() && !stat.is_dir()) {
            let device = File::options().write(true).open(target).map_err(|error| failed(target, &error))?;
            return self.write(format, BufWriter::with_capacity(BUFFER_BYTES, device)).map(drop);
        }
        let mut name = target.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{:08x}.tmp", rand::random::<u32>()));
        let temporary = target.with_file_name(name);
        let file = File::create_new(&temporary).map_err(|error| failed(target, &error))?;
        let written = self.write(format, BufWriter::with_capacity(BUFFER_BYTES, file)).and_then(|out| {
            let file = out.into_inner().map_err(|error| failed(target, error.error()))?;
            file.sync_all().map_err(|error| failed(target, &error))?;
            std::fs::rename(&temporary, target).map_err(|error| failed(target, &error))
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }

    fn write<W: Write>(&self, format: Format, out: W) -> Result<W, Failure> {
        let mut archive = Archive::new(format, out);
        let mut left_out = LeftOut::default();
        let attributes = self.snapshot.xattr_table(&self.start)?;
        let mut stopped = Ok(());
        let walked = self.snapshot.walk(&self.start, &mut |found| {
            self.snapshot.repository().runtime().proceed()?;
            stopped = self.add(&mut archive, format, &found, &attributes, &mut left_out);
            if stopped.is_ok() { Ok(()) } else { Err(kloset::Error::Interrupted) }
        });
        stopped?;
        walked?;
        let mut out = archive.finish().map_err(Failure::Output)?;
        out.flush().map_err(Failure::Output)?;
        self.tell(format, &left_out);
        Ok(out)
    }

    fn add<W: Write>(
        &self,
        archive: &mut Archive<W>,
        format: Format,
        found: &Found,
        attributes: &XattrTable,
        left_out: &mut LeftOut,
    ) -> Result<(), Failure> {
        let entry = &found.entry;
        let Some(name) = self.name(&found.path) else { return Ok(()) };
        let special = match entry.info.mode.kind() {
            FileKind::Regular => None,
            FileKind::Directory => Some(Special::Directory),
            FileKind::Symlink => Some(Special::Symlink(&entry.symlink_target)),
            FileKind::Pipe if format != Format::Zip => Some(Special::Pipe),
            _ => {
                left_out.special += 1;
                return Ok(());
            }
        };
        let mut xattrs = Vec::new();
        if !entry.extended_attributes.is_empty() {
            match format {
                Format::Zip => left_out.attributes += 1,
                _ => xattrs = attributes.values(self.snapshot, &found.path)?,
            }
        }
        if format == Format::Zip && special.is_none() && entry.info.nlink > 1 {
            left_out.links += 1;
        }
        let item = Item { name: &name, info: &entry.info, xattrs: &xattrs };
        match special {
            Some(special) => archive.special(&item, &special).map_err(Failure::Output),
            None => {
                let Some(mut out) = archive.file(&item).map_err(Failure::Output)? else { return Ok(()) };
                self.snapshot.write_content(entry, &mut out)?.map_err(Failure::Output)?;
                out.end().map_err(Failure::Output)
            }
        }
    }

    /// Name inside the archive; `None` for the base itself and the ancestors of it.
    fn name(&self, path: &[u8]) -> Option<Vec<u8>> {
        let rest = match &self.base {
            Some(base) if base != b"/" => path.strip_prefix(base.as_slice())?,
            _ => path,
        };
        let name = rest.strip_prefix(b"/").unwrap_or(rest);
        (!name.is_empty()).then(|| name.to_vec())
    }

    fn tell(&self, format: Format, left_out: &LeftOut) {
        let LeftOut { special, links, attributes } = left_out;
        let mut parts = Vec::new();
        if *special > 0 {
            parts.push(format!("{special} special files"));
        }
        if *links > 0 {
            parts.push(format!("{links} hard links (as files of their own)"));
        }
        if *attributes > 0 {
            parts.push(format!("extended attributes of {attributes} paths"));
        }
        if !parts.is_empty() {
            let text = format!("archive: {} cannot carry {}", format.suffix(), parts.join(", "));
            self.app.ui.warn(&text);
        }
    }
}
