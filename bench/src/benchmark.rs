//! The whole benchmark: workloads, then runs, then programs, taking turns.
//!
//! Programs alternate within each run (A B C, A B C), so that a slow minute of the machine
//! hits all of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::BenchError;
use crate::measure::Runner;
use crate::plan::{Job, Selection, Workload};
use crate::program::{Program, StorePlace, TreePlace};
use crate::remote::Remote;
use crate::results::Results;
use crate::session::{Outcome, Session, Shared, say};
use crate::workload::{Data, DataName};

const LOCAL_JOBS: [Job; 6] = [Job::First, Job::Unchanged, Job::Ls, Job::Restore, Job::Check, Job::Changed];
const STORE_JOBS: [Job; 4] = [Job::SftpBackup, Job::SftpBackupSmall, Job::SftpLs, Job::SftpRestore];
const TREE_JOBS: [Job; 2] = [Job::SftpSource, Job::SftpTarget];

/// Settings and results of one benchmark.
pub struct Benchmark {
    /// Folder for data, stores and homes.
    pub work: PathBuf,
    /// Runs of each job.
    pub runs: u32,
    /// Size of the data relative to the full workloads.
    pub scale: f64,
    /// Round trip times to the SFTP server.
    pub round_trips: Vec<Duration>,
    /// Keeps stores and homes.
    pub keep: bool,
    /// Removes caches before reading jobs.
    pub cold_cache: bool,
    /// Which jobs to measure.
    pub selection: Selection,
    /// The programs, in their order of running.
    pub programs: Vec<Box<dyn Program>>,
    /// Runs commands.
    pub runner: Runner,
    /// What was measured.
    pub results: Results,
    /// Name and content of each data set used.
    pub data: Vec<(String, String)>,
}

impl Benchmark {
    /// Runs one workload with all programs.
    pub fn workload(&mut self, workload: Workload) -> Result<(), BenchError> {
        match workload.local_data() {
            Some(name) => self.local(name),
            None => self.sftp(),
        }
    }

    fn local(&mut self, name: DataName) -> Result<(), BenchError> {
        if !self.selection.has_any(&LOCAL_JOBS) && !self.selection.has_any(&[Job::Open]) {
            return Ok(());
        }
        let data = self.prepare(name)?;
        for _ in 0..self.runs {
            for program in 0..self.programs.len() {
                self.turn(program, name.label(), None, false, |session| local_jobs(session, &data))?;
            }
        }
        Ok(())
    }

    fn sftp(&mut self) -> Result<(), BenchError> {
        let stores = self.selection.has_any(&STORE_JOBS);
        let trees = self.selection.has_any(&TREE_JOBS);
        if !stores && !trees {
            return Ok(());
        }
        let bulk = self.prepare(DataName::SftpBulk)?;
        let small = self.prepare(DataName::SftpSmall)?;
        let many = self.prepare(DataName::SftpMany)?;
        for round_trip in self.round_trips.clone() {
            let label = format!("sftp-{}ms", round_trip.as_millis());
            let remote = Remote::start(round_trip)?;
            for _ in 0..self.runs {
                for program in 0..self.programs.len() {
                    if stores {
                        let jobs = |session: &mut Session| sftp_store_jobs(session, &bulk, &small);
                        self.turn(program, &label, Some(&remote), true, jobs)?;
                    }
                    if trees && self.has_remote_trees(program) {
                        let alias = remote.alias();
                        let jobs = |session: &mut Session| sftp_tree_jobs(session, alias, &many, &small);
                        self.turn(program, &label, Some(&remote), false, jobs)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn has_remote_trees(&mut self, program: usize) -> bool {
        let Some(program) = self.programs.get(program) else { return false };
        if !program.has_remote_trees() {
            self.results.skip(format!("{}: no sources or destinations behind SFTP", program.label()));
        }
        program.has_remote_trees()
    }

    /// One program's turn: fresh surroundings and store, its jobs, and cleaning up.
    fn turn(
        &mut self,
        program: usize,
        label: &str,
        remote: Option<&Remote>,
        store_is_remote: bool,
        jobs: impl FnOnce(&mut Session) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        let Some(program) = self.programs.get(program) else { return Ok(()) };
        let folder = self.work.join("runs").join(format!("{label}-{}", program.label()));
        let path = folder.join("store");
        let store = match remote.filter(|_| store_is_remote) {
            Some(remote) => StorePlace::Remote { alias: remote.alias().to_owned(), path },
            None => StorePlace::Local(path),
        };
        let mut shared = Shared {
            runner: &self.runner,
            results: &mut self.results,
            selection: &self.selection,
            cold_cache: self.cold_cache,
        };
        let ssh_folder = remote.map(|remote| remote.ssh_folder.clone());
        let started = Session::start(&mut shared, program.as_ref(), label, folder, store, ssh_folder)?;
        let Some(mut session) = started else { return Ok(()) };
        jobs(&mut session)?;
        session.end(self.keep)
    }

    fn prepare(&mut self, name: DataName) -> Result<Data, BenchError> {
        say(&format!("preparing {}", name.label()));
        let data = Data::prepare(&self.work, name, self.scale)?;
        let line = (name.label().to_owned(), data.digest.to_string());
        if !self.data.contains(&line) {
            self.data.push(line);
        }
        Ok(data)
    }
}

fn local_jobs(session: &mut Session, data: &Data) -> Result<(), BenchError> {
    let source = local(&data.root);
    session.open(Job::Open)?;
    if !session.wants_any(&LOCAL_JOBS) || session.backup(Some(Job::First), &source)? == Outcome::Stop {
        return Ok(());
    }
    if session.wants(Job::Unchanged) {
        session.backup(Some(Job::Unchanged), &source)?;
    }
    session.ls(Job::Ls, data)?;
    session.restore(Job::Restore, data, None)?;
    session.check(Job::Check)?;
    if session.wants(Job::Changed) {
        data.change()?;
        let backed_up = session.backup(Some(Job::Changed), &source);
        data.revert()?;
        backed_up?;
    }
    Ok(())
}

fn sftp_store_jobs(session: &mut Session, bulk: &Data, small: &Data) -> Result<(), BenchError> {
    session.open(Job::Open)?;
    if session.wants(Job::SftpBackup) {
        session.backup(Some(Job::SftpBackup), &local(&bulk.root))?;
    }
    if !session.wants_any(&[Job::SftpBackupSmall, Job::SftpLs, Job::SftpRestore])
        || session.backup(Some(Job::SftpBackupSmall), &local(&small.root))? == Outcome::Stop
    {
        return Ok(());
    }
    session.ls(Job::SftpLs, small)?;
    session.restore(Job::SftpRestore, small, None)
}

fn sftp_tree_jobs(session: &mut Session, alias: &str, many: &Data, small: &Data) -> Result<(), BenchError> {
    session.open(Job::SftpOpenLocal)?;
    if session.wants(Job::SftpSource) {
        let source = TreePlace::Remote { alias: alias.to_owned(), path: many.root.clone() };
        if session.backup(Some(Job::SftpSource), &source)? == Outcome::Done {
            session.verify(Job::SftpSource, many)?;
        }
    }
    if session.wants(Job::SftpTarget) && session.backup(None, &local(&small.root))? == Outcome::Done {
        session.restore(Job::SftpTarget, small, Some(alias))?;
    }
    Ok(())
}

fn local(path: &Path) -> TreePlace {
    TreePlace::Local(path.to_owned())
}
