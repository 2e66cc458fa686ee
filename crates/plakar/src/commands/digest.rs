//! `plakar digest`.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Parser;
use kloset::Snapshot;
use kloset::vfs::Found;
use sha2::Digest as _;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome, chain};
use crate::filters::SnapshotArgument;
use crate::open;
use crate::ui::{escape, path_object};

/// Print plain hashes of files in snapshots
#[derive(Parser)]
#[command(name = "digest")]
pub struct Digest {
    /// SHA256 or BLAKE3
    #[arg(long, value_name = "ALGO", default_value = "SHA256")]
    hashing: String,

    /// Files, or directories whose files are wanted
    #[arg(value_name = "ID[:PATH]", num_args = 0..)]
    arguments: Vec<OsString>,
}

/// A running hash.
enum Hasher {
    Sha256(sha2::Sha256),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    fn new(name: &str) -> Option<(Self, &'static str)> {
        match name.to_ascii_uppercase().as_str() {
            "SHA256" => Some((Self::Sha256(sha2::Sha256::new()), "SHA256")),
            "BLAKE3" => Some((Self::Blake3(Box::new(blake3::Hasher::new())), "BLAKE3")),
            _ => None,
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha256(hasher) => hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Blake3(hasher) => hasher.finalize().to_hex().to_string(),
        }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Run for Digest {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        if self.arguments.is_empty() {
            return Err(Failure::usage("at least one parameter is required"));
        }
        if Hasher::new(&self.hashing).is_none() {
            return Err(Failure::refused(format!("unsupported hashing algorithm: {}", self.hashing)));
        }
        let opened = open::open(app)?;
        let mut failed = 0;
        for argument in &self.arguments {
            let argument = SnapshotArgument::parse(argument);
            let snapshot = argument.find(&opened.repository)?;
            let found = snapshot.resolve(&snapshot.absolute(&argument.path))?;
            let mut stopped = Ok(());
            let walked = snapshot.walk(&found.path, &mut |inner| {
                match self.digest(app, &snapshot, &inner) {
                    Ok(true) => {}
                    Ok(false) => failed += 1,
                    Err(failure) => {
                        stopped = Err(failure);
                        return Err(kloset::Error::Interrupted);
                    }
                }
                app.runtime().proceed()
            });
            stopped?;
            walked?;
        }
        if failed > 0 {
            return Err(Failure::refused("errors occurred"));
        }
        Ok(Outcome::Done)
    }
}

impl Digest {
    /// Prints the hash of one file; `Ok(false)` if its content cannot be read.
    fn digest(&self, app: &App, snapshot: &Snapshot, found: &Found) -> Result<bool, Failure> {
        if !found.entry.info.mode.is_regular() {
            return Ok(true);
        }
        let Some((mut hasher, name)) = Hasher::new(&self.hashing) else { return Ok(true) };
        match snapshot.write_content(&found.entry, &mut hasher) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Failure::Output(error)),
            Err(kloset::Error::Interrupted) => return Err(Failure::Interrupted),
            Err(error) => {
                app.ui.error(&format!("digest: {}: {}", escape::name(&found.path), chain(&error)));
                return Ok(false);
            }
        }
        let digest = hasher.finish();
        if app.ui.is_json() {
            let mut value = path_object(&found.path);
            super::ls::merge(&mut value, serde_json::json!({ "algorithm": name, "digest": digest }));
            app.ui.result_json(&value)?;
        } else {
            app.ui.result(&format!("{name} ({}) = {digest}", escape::name(&found.path)))?;
        }
        Ok(true)
    }
}
