//! `plakar cat`.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Parser;
use kloset::Error;
use kloset_format::mode::FileKind;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome, chain};
use crate::filters::SnapshotArgument;
use crate::open::{self, Opened};
use crate::ui::{Ui, escape};

/// Print files of a snapshot
#[derive(Parser)]
#[command(name = "cat")]
pub struct Cat {
    /// Unpack files whose content type is gzip
    #[arg(long)]
    decompress: bool,

    /// Accepted for compatibility
    #[arg(long)]
    highlight: bool,

    /// Files to print, one after the other
    #[arg(value_name = "ID:PATH", num_args = 0..)]
    arguments: Vec<OsString>,
}

impl Run for Cat {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        if self.arguments.is_empty() {
            return Err(Failure::usage("at least one parameter is required"));
        }
        let opened = open::open(app)?;
        let mut failed = false;
        for argument in &self.arguments {
            match self.print(app, &opened, &SnapshotArgument::parse(argument)) {
                Ok(()) => {}
                Err(Problem::Entry(why)) => {
                    failed = true;
                    app.ui.error(&format!("cat: {why}"));
                }
                Err(Problem::Fatal(failure)) => return Err(failure),
            }
        }
        if failed { Err(Failure::refused("errors occurred")) } else { Ok(Outcome::Done) }
    }
}

enum Problem {
    /// This argument only.
    Entry(String),
    /// Nothing more can be printed.
    Fatal(Failure),
}

impl Cat {
    fn print(&self, app: &App, opened: &Opened, argument: &SnapshotArgument) -> Result<(), Problem> {
        let snapshot = argument.find(&opened.repository).map_err(|failure| match failure {
            Failure::Engine(error) => Problem::Entry(chain(error.as_ref())),
            other => Problem::Fatal(other),
        })?;
        let path = snapshot.absolute(&argument.path);
        let shown = escape::name(&path).into_owned();
        let found = snapshot.resolve(&path).map_err(|error| match error {
            Error::PathUnknown { .. } => Problem::Entry(format!("{shown}: no such file")),
            Error::Interrupted => Problem::Fatal(Failure::Interrupted),
            error => Problem::Entry(chain(&error)),
        })?;
        if found.entry.info.mode.kind() != FileKind::Regular {
            return Err(Problem::Entry(format!("{shown}: not a regular file")));
        }
        let out = Output(&app.ui);
        let gzip = matches!(found.entry.content_type.as_str(), "application/gzip" | "application/x-gzip");
        let written = if self.decompress && gzip {
            let mut unpacked = flate2::write::MultiGzDecoder::new(out);
            let written = snapshot.write_content(&found.entry, &mut unpacked);
            match (written, unpacked.finish()) {
                (Ok(Ok(())), Err(error)) => Ok(Err(error)),
                (written, _) => written,
            }
        } else {
            let mut out = out;
            snapshot.write_content(&found.entry, &mut out)
        };
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if is_bad_gzip(&error) => {
                Err(Problem::Entry(format!("{shown}: cannot be unpacked: {error}")))
            }
            Ok(Err(error)) => Err(Problem::Fatal(Failure::Output(error))),
            Err(Error::Interrupted) => Err(Problem::Fatal(Failure::Interrupted)),
            Err(error) => Err(Problem::Entry(format!("{shown}: {}", chain(&error)))),
        }
    }
}

fn is_bad_gzip(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

/// Standard output as a writer.
struct Output<'a>(&'a Ui);

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.result_bytes(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(Failure::Output(error)) => Err(error),
            Err(_) => Err(io::Error::other("standard output failed")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
