//! One program going through its steps once, in surroundings of its own.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{BenchError, IoContext};
use crate::measure::{Refusal, Runner};
use crate::plan::{Job, Selection};
use crate::program::{PASSPHRASE, Program, Step, StorePlace, Surroundings, TreePlace};
use crate::results::Results;
use crate::tree::{TreeDigest, stored_bytes};
use crate::workload::Data;

/// What all sessions share.
pub struct Shared<'a> {
    /// Runs and measures commands.
    pub runner: &'a Runner,
    /// Takes the measurements.
    pub results: &'a mut Results,
    /// Says which jobs to measure.
    pub selection: &'a Selection,
    /// Removes caches before reading jobs.
    pub cold_cache: bool,
}

/// One program in one run of one workload.
pub struct Session<'a, 'b> {
    shared: &'a mut Shared<'b>,
    program: &'a dyn Program,
    workload: &'a str,
    folder: PathBuf,
    around: Surroundings,
    snapshots: u32,
}

/// Whether later steps make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The step did its work.
    Done,
    /// It failed or is impossible; whatever builds on it is left out.
    Stop,
}

impl<'a, 'b> Session<'a, 'b> {
    /// Sets up an empty home below `folder` and makes a store.
    pub fn start(
        shared: &'a mut Shared<'b>,
        program: &'a dyn Program,
        workload: &'a str,
        folder: PathBuf,
        store: StorePlace,
        ssh_folder: Option<PathBuf>,
    ) -> Result<Option<Self>, BenchError> {
        remove_folder(&folder)?;
        let home = folder.join("home");
        for name in ["tmp", "cache", "config", "data", "state", "run"] {
            let path = home.join(name);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).on("create folder", &path)?;
        }
        let key_file = folder.join("key");
        fs::write(&key_file, PASSPHRASE).on("write", &key_file)?;
        let around = Surroundings { home, key_file, ssh_folder, store };
        program.prepare(&around)?;
        let mut session = Self { shared, program, workload, folder, around, snapshots: 0 };
        let created = session.run(None, &Step::Create)?;
        Ok((created == Outcome::Done).then_some(session))
    }

    /// Measures the cheapest command that opens the store.
    pub fn open(&mut self, job: Job) -> Result<Outcome, BenchError> {
        self.run(Some(job), &Step::Open)
    }

    /// Backs up; later steps are about this snapshot. Without a job it is not measured.
    pub fn backup(&mut self, job: Option<Job>, source: &TreePlace) -> Result<Outcome, BenchError> {
        let snapshot = self.snapshots;
        self.snapshots += 1;
        self.run(job, &Step::Backup { source, snapshot })
    }

    /// Lists the newest snapshot and sees to it that everything was listed.
    pub fn ls(&mut self, job: Job, data: &Data) -> Result<(), BenchError> {
        if !self.shared.selection.has(job) {
            return Ok(());
        }
        self.cool()?;
        let step = Step::Ls { snapshot: self.newest() };
        if self.run(Some(job), &step)? == Outcome::Done {
            let path = self.shared.runner.stdout();
            let file = fs::File::open(&path).on("open", &path)?;
            let lines = BufReader::new(file).split(b'\n').count() as u64;
            let expected = data.digest.entries();
            if lines < expected {
                self.fail(job.label(), &format!("listed {lines} lines for {expected} entries"));
            }
        }
        Ok(())
    }

    /// Checks the whole store.
    pub fn check(&mut self, job: Job) -> Result<(), BenchError> {
        if self.shared.selection.has(job) {
            self.cool()?;
            self.run(Some(job), &Step::Check)?;
        }
        Ok(())
    }

    /// Restores the newest snapshot, compares it with `data`, and removes it again.
    ///
    /// `remote` is the alias to restore through; the folder is the same either way.
    pub fn restore(&mut self, job: Job, data: &Data, remote: Option<&str>) -> Result<(), BenchError> {
        if !self.shared.selection.has(job) {
            return Ok(());
        }
        self.cool()?;
        self.restore_and_compare(Some(job), job, data, remote)
    }

    /// Sees to it that the newest snapshot restores to `data`, without measuring.
    pub fn verify(&mut self, job: Job, data: &Data) -> Result<(), BenchError> {
        self.restore_and_compare(None, job, data, None)
    }

    fn restore_and_compare(
        &mut self,
        measured: Option<Job>,
        blamed: Job,
        data: &Data,
        remote: Option<&str>,
    ) -> Result<(), BenchError> {
        let path = self.folder.join("out");
        let target = match remote {
            None => TreePlace::Local(path.clone()),
            Some(alias) => TreePlace::Remote { alias: alias.to_owned(), path: path.clone() },
        };
        let step = Step::Restore { snapshot: self.newest(), source: &data.root, target: &target };
        if self.run(measured, &step)? == Outcome::Done {
            self.compare(blamed, data, &self.program.restored_root(&path, &data.root))?;
        }
        remove_folder(&path)
    }

    /// Ends the session and removes everything it left, unless it is to be kept.
    pub fn end(self, keep: bool) -> Result<(), BenchError> {
        if keep { Ok(()) } else { remove_folder(&self.folder) }
    }

    /// Whether a job is to be measured.
    pub fn wants(&self, job: Job) -> bool {
        self.shared.selection.has(job)
    }

    /// Whether any of the jobs was asked for.
    pub fn wants_any(&self, jobs: &[Job]) -> bool {
        self.shared.selection.has_any(jobs)
    }

    fn newest(&self) -> u32 {
        self.snapshots.saturating_sub(1)
    }

    fn compare(&mut self, job: Job, data: &Data, restored: &Path) -> Result<(), BenchError> {
        let found = match TreeDigest::of(restored) {
            Ok(found) if found == data.digest => return Ok(()),
            Ok(found) => found.to_string(),
            Err(error) => error.to_string(),
        };
        let program = self.program.label().to_owned();
        let error = BenchError::Mismatch { program, expected: data.digest.to_string(), found };
        self.fail(job.label(), &error.to_string());
        Ok(())
    }

    /// Runs a step; jobs that were not asked for run as well, because others build on them.
    fn run(&mut self, job: Option<Job>, step: &Step<'_>) -> Result<Outcome, BenchError> {
        let name = job.map_or_else(|| step.label(), Job::label);
        let Some(command) = self.program.command(step, &self.around)? else {
            let line = format!("{} {}: not possible with this program", self.program.label(), name);
            self.shared.results.skip(line);
            return Ok(Outcome::Stop);
        };
        let measured = match self.shared.runner.run(&command) {
            Ok(measured) => measured,
            Err(Refusal::Failed(reason)) => {
                self.fail(name, &reason);
                return Ok(Outcome::Stop);
            }
            Err(Refusal::Broken(error)) => return Err(error),
        };
        if let Some(job) = job.filter(|job| self.wants(*job)) {
            let store_bytes = stored_bytes(self.around.store.folder())?;
            self.shared.results.add(self.workload, job, self.program.label(), measured, store_bytes);
            say(&format!(
                "{:12} {:18} {:16} {:8.2} s",
                self.workload,
                name,
                self.program.label(),
                measured.wall.as_secs_f64()
            ));
        }
        Ok(Outcome::Done)
    }

    fn fail(&mut self, job: &str, reason: &str) {
        let line = format!("{} {} {}: {reason}", self.workload, self.program.label(), job);
        say(&format!("FAILED: {line}"));
        self.shared.results.failures.push(line);
    }

    /// Empties the program's caches if asked to.
    fn cool(&self) -> Result<(), BenchError> {
        if !self.shared.cold_cache {
            return Ok(());
        }
        remove_folder(&self.around.home.join(".cache"))?;
        let cache = self.around.home.join("cache");
        remove_folder(&cache)?;
        fs::create_dir_all(&cache).on("create folder", &cache)?;
        self.program.prepare(&self.around)
    }
}

/// Writes a line of progress.
pub fn say(line: &str) {
    // Progress that cannot be written is no reason to stop measuring.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Removes a folder with everything below it; a missing one is fine.
pub fn remove_folder(path: &Path) -> Result<(), BenchError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).on("remove", path),
        _ => Ok(()),
    }
}
