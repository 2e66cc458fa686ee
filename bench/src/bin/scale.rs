//! Fills a store with many snapshots of a tree that changes a little each time, through the program's
//! command line, and says what an unchanged backup costs on the way.

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;

/// Files of one folder.
const FILES_PER_FOLDER: u64 = 100;
/// Size of a file, in bytes.
const FILE_BYTES: usize = 2048;
/// Between two snapshots this many files are changed; one is removed and one is added.
const CHANGES: u64 = 6;

/// Makes a store of many snapshots
#[derive(Parser)]
#[command(name = "scale")]
struct Arguments {
    /// The plakar program; HOME and $PLAKAR_PASSPHRASE are those of this program
    #[arg(long)]
    plakar: PathBuf,
    /// A store that exists
    #[arg(long)]
    store: String,
    /// Folder for the tree
    #[arg(long)]
    work: PathBuf,
    /// Number of snapshots
    #[arg(long, default_value_t = 1000)]
    snapshots: u64,
    /// Number of files in each
    #[arg(long, default_value_t = 10_000)]
    files: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let tree = arguments.work.join("tree");
    (0..arguments.files).try_for_each(|number| write(&tree, number, 0))?;
    for round in 1..=arguments.snapshots {
        if round > 1 {
            change(&tree, arguments.files, round)?;
        }
        let changed = backup(arguments, &tree)?;
        // The unchanged one counts, too.
        if [1, 10, 100, arguments.snapshots].contains(&round) {
            let unchanged = backup(arguments, &tree)?;
            println!(
                "{round} snapshots: a backup of changes {:.2} s, one without changes {:.2} s",
                changed.as_secs_f64(),
                unchanged.as_secs_f64()
            );
        }
    }
    Ok(())
}

/// Changes, removes and adds a few files, spread by the number of the round.
fn change(tree: &Path, files: u64, round: u64) -> io::Result<()> {
    let spread = |at: u64| (round * 7_919 + at * 1_237) % files;
    (0..CHANGES).try_for_each(|at| write(tree, spread(at), round))?;
    match fs::remove_file(path(tree, spread(CHANGES))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write(tree, files + round, round)
}

fn path(tree: &Path, number: u64) -> PathBuf {
    tree.join(format!("folder-{:05}", number / FILES_PER_FOLDER)).join(format!("file-{number:07}.txt"))
}

/// Writes a file whose content follows from its number and the round.
fn write(tree: &Path, number: u64, round: u64) -> io::Result<()> {
    let path = path(tree, number);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&number.to_le_bytes()).update(&round.to_le_bytes());
    let mut random = [0u8; FILE_BYTES / 2];
    hasher.finalize_xof().fill(&mut random);
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(path, text)
}

fn backup(arguments: &Arguments, tree: &Path) -> io::Result<Duration> {
    let started = Instant::now();
    let mut command = Command::new(&arguments.plakar);
    command.args(["at", &arguments.store, "backup"]).arg(tree).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status()?;
    if status.success() {
        Ok(started.elapsed())
    } else {
        Err(io::Error::other(format!("{} ended with {status}", arguments.plakar.display())))
    }
}
