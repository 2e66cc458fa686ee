//! Collects measurements and reduces them to medians and ratios.

use std::time::Duration;

use serde::Serialize;

use crate::measure::Measured;
use crate::plan::Job;

/// Net times below this are noise of the subtraction, not speed.
const NET_FLOOR_S: f64 = 0.01;

/// All that was measured so far.
#[derive(Default)]
pub struct Results {
    samples: Vec<Sample>,
    /// What went wrong, one line each.
    pub failures: Vec<String>,
    /// What programs cannot do, one line each.
    pub skipped: Vec<String>,
}

struct Sample {
    workload: String,
    job: Job,
    program: String,
    measured: Measured,
    store_bytes: u64,
}

/// Medians of one program at one job.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The program's label.
    pub program: String,
    /// Wall seconds of every run, in order.
    pub wall_runs_s: Vec<f64>,
    /// Median wall seconds.
    pub wall_s: f64,
    /// Median wall seconds without opening the store.
    pub net_s: f64,
    /// Median processor seconds.
    pub cpu_s: f64,
    /// Median peak memory.
    pub peak_rss_bytes: u64,
    /// Median size of the store afterwards.
    pub store_bytes: u64,
}

/// How our program compares with another one at a job.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// The other program's label.
    pub other: String,
    /// Whether it was the fastest of the others.
    pub fastest: bool,
    /// Our wall time divided by its.
    pub wall: f64,
    /// The same without opening the store.
    pub net: f64,
}

/// All programs at one job.
#[derive(Clone, Debug, Serialize)]
pub struct JobTable {
    /// The workload's label.
    pub workload: String,
    /// The job's label.
    pub job: &'static str,
    /// One line for each program, in the order of the command line.
    pub lines: Vec<Line>,
    /// Ours against each other one; empty if ours or all others are missing.
    pub ratios: Vec<Ratio>,
}

impl Results {
    /// Adds one measurement.
    pub fn add(&mut self, workload: &str, job: Job, program: &str, measured: Measured, store_bytes: u64) {
        let (workload, program) = (workload.to_owned(), program.to_owned());
        self.samples.push(Sample { workload, job, program, measured, store_bytes });
    }

    /// Notes once what a program cannot do.
    pub fn skip(&mut self, line: String) {
        if !self.skipped.contains(&line) {
            self.skipped.push(line);
        }
    }

    /// Reduces everything to tables; `ours` is the label that ratios are for.
    pub fn tables(&self, ours: &str) -> Vec<JobTable> {
        let mut keys: Vec<(&str, Job)> = Vec::new();
        for sample in &self.samples {
            let key = (sample.workload.as_str(), sample.job);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys.sort_by_key(|(workload, job)| {
            let first = self.samples.iter().position(|sample| sample.workload == *workload);
            (first, *job)
        });
        keys.into_iter().map(|(workload, job)| self.table(workload, job, ours)).collect()
    }

    fn table(&self, workload: &str, job: Job, ours: &str) -> JobTable {
        let mut programs: Vec<&str> = Vec::new();
        for sample in &self.samples {
            if sample.workload == workload
                && sample.job == job
                && !programs.contains(&sample.program.as_str())
            {
                programs.push(&sample.program);
            }
        }
        let lines: Vec<Line> = programs.iter().map(|program| self.line(workload, job, program)).collect();
        let ratios = ratios(&lines, ours);
        JobTable { workload: workload.to_owned(), job: job.label(), lines, ratios }
    }

    fn line(&self, workload: &str, job: Job, program: &str) -> Line {
        let of = |job: Job| {
            self.samples.iter().filter(move |sample| {
                sample.workload == workload && sample.job == job && sample.program == program
            })
        };
        let wall_runs_s: Vec<f64> = of(job).map(|sample| sample.measured.wall.as_secs_f64()).collect();
        let wall_s = median(wall_runs_s.clone());
        let open_s = match job.opening() {
            Some(open) => median(of(open).map(|sample| sample.measured.wall.as_secs_f64()).collect()),
            None => 0.0,
        };
        let cpu = |sample: &Sample| Duration::as_secs_f64(&sample.measured.cpu);
        Line {
            program: program.to_owned(),
            wall_runs_s,
            wall_s,
            net_s: (wall_s - open_s).max(NET_FLOOR_S),
            cpu_s: median(of(job).map(cpu).collect()),
            peak_rss_bytes: median(of(job).map(|s| s.measured.peak_rss_bytes as f64).collect()) as u64,
            store_bytes: median(of(job).map(|s| s.store_bytes as f64).collect()) as u64,
        }
    }
}

fn ratios(lines: &[Line], ours: &str) -> Vec<Ratio> {
    let Some(own) = lines.iter().find(|line| line.program == ours) else { return Vec::new() };
    let others = || lines.iter().filter(|line| line.program != ours);
    let fastest = others().min_by(|a, b| a.wall_s.total_cmp(&b.wall_s)).map(|line| &line.program);
    let ratio = |other: &Line| Ratio {
        other: other.program.clone(),
        fastest: Some(&other.program) == fastest,
        wall: own.wall_s / other.wall_s.max(NET_FLOOR_S),
        net: own.net_s / other.net_s,
    };
    others().map(ratio).collect()
}

/// The middle value; the mean of the two in the middle if there are two; 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
    if values.len() % 2 == 1 { at(upper) } else { (at(upper.saturating_sub(1)) + at(upper)) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(wall_ms: u64) -> Measured {
        let wall = Duration::from_millis(wall_ms);
        Measured { wall, cpu: wall, peak_rss_bytes: 1 << 20 }
    }

    #[test]
    fn median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn opening_is_subtracted_before_net_ratios_are_taken() {
        let mut results = Results::default();
        for (program, open, first) in [("plakar", 1_000, 2_000), ("restic", 500, 3_500), ("borg", 100, 8_100)]
        {
            results.add("small", Job::Open, program, measured(open), 0);
            results.add("small", Job::First, program, measured(first), 10);
        }
        let tables = results.tables("plakar");
        let first = tables.iter().find(|table| table.job == "first").unwrap();
        let restic = first.ratios.iter().find(|ratio| ratio.other == "restic").unwrap();
        assert!(restic.fastest);
        assert!((restic.wall - 2.0 / 3.5).abs() < 1e-9);
        assert!((restic.net - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(first.ratios.iter().filter(|ratio| ratio.fastest).count(), 1);
    }
}
