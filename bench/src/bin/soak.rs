//! Runs the program for hours over a line that fails, by a seed. See `bench/README.md`.

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use testkit::soak::{Plan, run};

/// Backs up to, backs up from and restores to a private SFTP server through cuts, freezes and restarts
#[derive(Parser)]
#[command(name = "soak")]
struct Arguments {
    /// The plakar program
    #[arg(long)]
    plakar: PathBuf,
    /// Decides on all faults; the same seed gives the same plan
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of runs
    #[arg(long, default_value_t = 100)]
    runs: u64,
    /// Shortest freeze, in seconds
    #[arg(long, default_value_t = 5)]
    freeze_min: u64,
    /// Longest freeze, in seconds
    #[arg(long, default_value_t = 90)]
    freeze_max: u64,
    /// Round trip to the server, in milliseconds
    #[arg(long, default_value_t = 20)]
    round_trip: u64,
    /// New data of each run, in MiB
    #[arg(long, default_value_t = 24)]
    megabytes: usize,
    /// An independent reader, called with the folder of the store after each backup
    #[arg(long)]
    verifier: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = Plan {
        program: arguments.plakar,
        seed: arguments.seed,
        runs: arguments.runs,
        freeze_seconds: (arguments.freeze_min, arguments.freeze_max.max(arguments.freeze_min)),
        round_trip: Duration::from_millis(arguments.round_trip),
        bytes: arguments.megabytes << 20,
        rate: "8M",
        verifier: arguments.verifier,
    };
    match run(plan, &mut |line| println!("{line}")) {
        Ok(summary) => {
            println!(
                "{} good, {} gave up, {} connections, {} violations",
                summary.good,
                summary.given_up,
                summary.connections,
                summary.violations.len()
            );
            if summary.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("cannot run: {error}");
            ExitCode::FAILURE
        }
    }
}
