//! `plakar cat`.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Parser;
use kloset::Error;
use kloset::vfs::Found;
use kloset_format::mode::FileKind;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome, chain};
use crate::filters::SnapshotArgument;
use crate::highlight::{self, Highlighter};
use crate::open::{self, Opened};
use crate::ui::escape;

/// Print files of a snapshot
#[derive(Parser)]
#[command(name = "cat")]
pub struct Cat {
    /// Unpack files whose content type is gzip
    #[arg(long)]
    decompress: bool,

    /// Colour the words of texts up to 1 MiB in known languages
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
        let highlighter = self.highlight.then(Highlighter::new);
        let mut failed = false;
        for argument in &self.arguments {
            match self.print(app, &opened, highlighter.as_ref(), &SnapshotArgument::parse(argument)) {
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
    fn print(
        &self,
        app: &App,
        opened: &Opened,
        highlighter: Option<&Highlighter>,
        argument: &SnapshotArgument,
    ) -> Result<(), Problem> {
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
        let out = app.ui.result_writer();
        let gzip = matches!(found.entry.content_type.as_str(), "application/gzip" | "application/x-gzip");
        let written = if self.decompress && gzip {
            let mut unpacked = flate2::write::MultiGzDecoder::new(out);
            let written = snapshot.write_content(&found.entry, &mut unpacked);
            match (written, unpacked.finish()) {
                (Ok(Ok(())), Err(error)) => Ok(Err(error)),
                (written, _) => written,
            }
        } else if let Some(highlighter) = highlighter.filter(|_| is_short(&found)) {
            let mut content = Vec::new();
            snapshot.write_content(&found.entry, &mut content).map(|written| {
                written?;
                match highlighter.file(&path, &content) {
                    Some(coloured) => { out }.write_all(coloured.as_bytes()),
                    None => { out }.write_all(&content),
                }
            })
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

fn is_short(found: &Found) -> bool {
    u64::try_from(found.entry.info.size).is_ok_and(|size| size <= highlight::TEXT_BYTES_MAX)
}

fn is_bad_gzip(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}
