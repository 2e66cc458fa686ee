//! Prints tables for people and JSON for comparisons.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::thread;

use serde::Serialize;

use crate::results::{JobTable, Line, Ratio};

/// Where and with what the measurements were made.
#[derive(Clone, Debug, Serialize)]
pub struct Circumstances {
    /// Processor model.
    pub processor: String,
    /// Number of cores.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// File system of the work folder.
    pub file_system: String,
    /// Runs of each job.
    pub runs: u32,
    /// Size of the data relative to the full workloads.
    pub scale: f64,
    /// Whether caches were removed before reading jobs.
    pub cold_cache: bool,
    /// Label and version of each program.
    pub programs: Vec<(String, String)>,
    /// What each data set holds.
    pub data: Vec<(String, String)>,
}

/// Everything that goes into the JSON file.
#[derive(Serialize)]
pub struct Report<'a> {
    /// Where and with what.
    pub circumstances: &'a Circumstances,
    /// Medians and ratios.
    pub jobs: &'a [JobTable],
    /// What went wrong.
    pub failures: &'a [String],
    /// What programs cannot do.
    pub skipped: &'a [String],
}

impl Circumstances {
    /// Looks at the machine; the rest is left to fill in.
    pub fn of_machine(work: &Path, runs: u32, scale: f64, cold_cache: bool) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let model = read("/proc/cpuinfo")
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split_once(':').map(|(_, model)| model.trim().to_owned()));
        Self {
            processor: model.unwrap_or_else(|| "unknown".to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(work),
            runs,
            scale,
            cold_cache,
            programs: Vec::new(),
            data: Vec::new(),
        }
    }
}

impl Report<'_> {
    /// Prints the tables.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let facts = self.circumstances;
        writeln!(out, "{}, {} cores, Linux {}", facts.processor, facts.cores, facts.kernel)?;
        writeln!(
            out,
            "{} runs, scale {}, on {}, medians; net = wall without opening the store",
            facts.runs, facts.scale, facts.file_system
        )?;
        for (label, version) in &facts.programs {
            writeln!(out, "  {label}: {version}")?;
        }
        let mut workload = "";
        for table in self.jobs {
            if table.workload != workload {
                workload = &table.workload;
                heading(out, workload)?;
            }
            print_job(out, table)?;
        }
        writeln!(out)?;
        for (name, content) in &facts.data {
            writeln!(out, "data {name}: {content}")?;
        }
        for line in self.skipped {
            writeln!(out, "left out: {line}")?;
        }
        for line in self.failures {
            writeln!(out, "FAILED: {line}")?;
        }
        Ok(())
    }
}

/// Name of the file system that holds `path`, or its magic number.
fn file_system(path: &Path) -> String {
    match rustix::fs::statfs(path).map(|about| about.f_type as u64 & 0xffff_ffff) {
        Ok(0x0102_1994) => "tmpfs".to_owned(),
        Ok(0xef53) => "ext4".to_owned(),
        Ok(0x5846_5342) => "xfs".to_owned(),
        Ok(0x9123_683e) => "btrfs".to_owned(),
        Ok(0x794c_7630) => "overlayfs".to_owned(),
        Ok(magic) => format!("file system {magic:#x}"),
        Err(_) => "unknown file system".to_owned(),
    }
}

fn heading(out: &mut impl Write, workload: &str) -> io::Result<()> {
    writeln!(out, "\n== {workload} ==")?;
    writeln!(
        out,
        "{:18} {:16} {:>8} {:>17} {:>8} {:>8} {:>8} {:>9}",
        "job", "program", "wall s", "(min - max)", "net s", "CPU s", "RSS MiB", "store MiB"
    )
}

fn print_job(out: &mut impl Write, table: &JobTable) -> io::Result<()> {
    let mut job = table.job;
    for line in &table.lines {
        print_line(out, job, line)?;
        job = "";
    }
    let Some(fastest) = table.ratios.iter().find(|ratio| ratio.fastest) else { return Ok(()) };
    let text = |ratio: &Ratio| format!("{:.2} (net {:.2}) x {}", ratio.wall, ratio.net, ratio.other);
    let rest: Vec<String> = table.ratios.iter().filter(|ratio| !ratio.fastest).map(text).collect();
    writeln!(out, "{:18}   ours = {}, the fastest{}", "", text(fastest), joined(&rest))
}

fn joined(rest: &[String]) -> String {
    if rest.is_empty() { String::new() } else { format!("; {}", rest.join("; ")) }
}

fn print_line(out: &mut impl Write, job: &str, line: &Line) -> io::Result<()> {
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let min = line.wall_runs_s.iter().copied().fold(f64::INFINITY, f64::min);
    let max = line.wall_runs_s.iter().copied().fold(0.0, f64::max);
    writeln!(
        out,
        "{:18} {:16} {:8.2} {:>17} {:8.2} {:8.2} {:8.0} {:9.1}",
        job,
        line.program,
        line.wall_s,
        format!("({min:.2} - {max:.2})"),
        line.net_s,
        line.cpu_s,
        mebibytes(line.peak_rss_bytes),
        mebibytes(line.store_bytes)
    )
}
