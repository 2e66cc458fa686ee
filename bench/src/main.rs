//! Side-by-side benchmarks of backup programs, driven by their command lines.
//!
//! See `README.md` beside this crate for what is measured and how to read it.

mod benchmark;
mod error;
mod measure;
mod plan;
mod program;
mod remote;
mod report;
mod results;
mod rng;
mod session;
mod tree;
mod workload;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use benchmark::Benchmark;
use error::{BenchError, IoContext};
use measure::{HELPER_WORD, Runner};
use plan::{Job, Selection, Workload};
use program::{Borg, Plakar, Program, Restic, Rustic, find};
use report::{Circumstances, Report};
use results::Results;
use session::say;

/// Label of our own program.
const OURS: &str = "plakar";

/// Measures backup programs side by side.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Folder for generated data (kept), stores and homes (removed). A short path, on the disk to measure.
    #[arg(long)]
    work: PathBuf,
    /// Our plakar.
    #[arg(long)]
    plakar: Option<PathBuf>,
    /// Another build of plakar, may be given several times.
    #[arg(long, value_name = "PATH[=LABEL]")]
    other_plakar: Vec<String>,
    /// Data directory with installed packages for the other builds.
    #[arg(long, value_name = "DIR")]
    other_plakar_data: Option<PathBuf>,
    /// Workloads to run; all by default.
    #[arg(long, value_delimiter = ',')]
    workload: Vec<Workload>,
    /// Jobs to measure; all by default.
    #[arg(long, value_delimiter = ',')]
    job: Vec<Job>,
    /// Labels of the programs to run; by default all that are given or on the PATH.
    #[arg(long, value_delimiter = ',')]
    program: Vec<String>,
    /// Runs of each job.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Size of the data relative to the full workloads.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Round trip times to the SFTP server, in milliseconds.
    #[arg(long, value_delimiter = ',', default_value = "0,40")]
    rtt: Vec<u64>,
    /// Seconds after which a command is killed and counts as failed.
    #[arg(long, default_value_t = 900)]
    timeout: u64,
    /// Removes the programs' caches before ls, restore and check.
    #[arg(long)]
    cold_cache: bool,
    /// Keeps stores and homes of the last run.
    #[arg(long)]
    keep: bool,
    /// Writes all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let done = match words.split_first() {
        Some((first, rest)) if first == HELPER_WORD => measure::help(rest).map(|()| true),
        _ => run(&Arguments::parse()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs everything; false if a program failed at anything.
fn run(arguments: &Arguments) -> Result<bool, BenchError> {
    if !(arguments.scale > 0.0 && arguments.scale <= 100.0) || arguments.runs == 0 {
        return Err(BenchError::Usage("--scale and --runs must be positive".to_owned()));
    }
    let work = absolute(&arguments.work).on("resolve", &arguments.work)?;
    let logs = work.join("logs");
    fs::create_dir_all(&logs).on("create folder", &logs)?;
    let mut benchmark = Benchmark {
        work,
        runs: arguments.runs,
        scale: arguments.scale,
        round_trips: arguments.rtt.iter().copied().map(Duration::from_millis).collect(),
        keep: arguments.keep,
        cold_cache: arguments.cold_cache,
        selection: Selection::new(arguments.job.clone()),
        programs: programs(arguments)?,
        runner: Runner { logs, timeout: Duration::from_secs(arguments.timeout) },
        results: Results::default(),
        data: Vec::new(),
    };
    let mut circumstances =
        Circumstances::of_machine(&benchmark.work, arguments.runs, arguments.scale, arguments.cold_cache);
    circumstances.programs =
        benchmark.programs.iter().map(|program| (program.label().to_owned(), program.version())).collect();

    let chosen: &[Workload] =
        if arguments.workload.is_empty() { Workload::value_variants() } else { &arguments.workload };
    let mut broken = None;
    for workload in chosen {
        if let Err(error) = benchmark.workload(*workload) {
            broken = Some(error);
            break;
        }
    }
    circumstances.data = benchmark.data.clone();
    finish(arguments, &circumstances, &benchmark.results)?;
    broken.map_or(Ok(benchmark.results.failures.is_empty()), Err)
}

/// Prints and saves what there is, even if the benchmark broke off.
fn finish(arguments: &Arguments, circumstances: &Circumstances, results: &Results) -> Result<(), BenchError> {
    let tables = results.tables(OURS);
    let report =
        Report { circumstances, jobs: &tables, failures: &results.failures, skipped: &results.skipped };
    report.print(&mut io::stdout().lock()).on("print", Path::new("the report"))?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report).on("write", path)?;
        fs::write(path, text).on("write", path)?;
    }
    Ok(())
}

fn programs(arguments: &Arguments) -> Result<Vec<Box<dyn Program>>, BenchError> {
    let mut all: Vec<Box<dyn Program>> = Vec::new();
    if let Some(path) = &arguments.plakar {
        all.push(plakar(OURS, path, None)?);
    }
    for (number, text) in arguments.other_plakar.iter().enumerate() {
        let default = format!("other-plakar{}", if number == 0 { String::new() } else { number.to_string() });
        let (path, label) = text.rsplit_once('=').unwrap_or((text, &default));
        all.push(plakar(label, Path::new(path), arguments.other_plakar_data.as_deref())?);
    }
    let found = |name| find(name).map(|path| absolute(&path).unwrap_or(path));
    all.extend(found("restic").map(|binary| Box::new(Restic { binary }) as Box<dyn Program>));
    all.extend(found("rustic").map(|binary| Box::new(Rustic { binary }) as Box<dyn Program>));
    all.extend(found("borg").map(|binary| Box::new(Borg { binary }) as Box<dyn Program>));
    for wanted in &arguments.program {
        if !all.iter().any(|program| program.label() == wanted) {
            let labels: Vec<&str> = all.iter().map(|program| program.label()).collect();
            return Err(BenchError::Usage(format!("no program {wanted}; there are: {}", labels.join(", "))));
        }
    }
    if !arguments.program.is_empty() {
        all.retain(|program| arguments.program.iter().any(|wanted| wanted == program.label()));
    }
    Ok(all)
}

fn plakar(label: &str, path: &Path, packages: Option<&Path>) -> Result<Box<dyn Program>, BenchError> {
    let binary = fs::canonicalize(path).on("find", path)?;
    let packages = packages.map(|path| fs::canonicalize(path).on("find", path)).transpose()?;
    Ok(Box::new(Plakar { label: label.to_owned(), binary, packages }))
}
