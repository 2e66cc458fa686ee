//! Workloads and jobs by name, and which of them were asked for.

use clap::ValueEnum;

use crate::workload::DataName;

/// A group of jobs on the same data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// 50,000 text files of 1 to 20 KiB.
    Small,
    /// 37,000 source-like files, 1 GiB.
    Source,
    /// 2 GiB of random bytes in 4 files.
    Random,
    /// A disk image of 2 GiB.
    Image,
    /// Stores, sources and destinations behind SFTP, at each round trip time.
    Sftp,
}

impl Workload {
    /// The data of a workload on the local disk; none for SFTP, which has several.
    pub fn local_data(self) -> Option<DataName> {
        match self {
            Self::Small => Some(DataName::Small),
            Self::Source => Some(DataName::Source),
            Self::Random => Some(DataName::Random),
            Self::Image => Some(DataName::Image),
            Self::Sftp => None,
        }
    }
}

/// One thing that is measured; listed in the order of running and reporting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Job {
    /// Cheapest command on an empty store: key derivation, and login over SFTP.
    Open,
    /// First backup.
    First,
    /// Backup of the same tree again.
    Unchanged,
    /// Listing of everything in a snapshot.
    Ls,
    /// Restore of a snapshot.
    Restore,
    /// Check of all stored data.
    Check,
    /// Backup after the change.
    Changed,
    /// SFTP store: first backup of 240 MiB of random bytes.
    SftpBackup,
    /// SFTP store: backup of 5,000 small files after that.
    SftpBackupSmall,
    /// SFTP store: listing of the 5,000 files.
    SftpLs,
    /// SFTP store: restore of the 5,000 files.
    SftpRestore,
    /// Cheapest command on the empty local store that SFTP sources are saved to.
    SftpOpenLocal,
    /// SFTP source: backup of 20,000 small files from there into a local store.
    SftpSource,
    /// SFTP destination: restore of 5,000 small files from a local store.
    SftpTarget,
}

impl Job {
    /// Name in reports and on the command line.
    pub fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::First => "first",
            Self::Unchanged => "unchanged",
            Self::Ls => "ls",
            Self::Restore => "restore",
            Self::Check => "check",
            Self::Changed => "changed",
            Self::SftpBackup => "sftp-backup",
            Self::SftpBackupSmall => "sftp-backup-small",
            Self::SftpLs => "sftp-ls",
            Self::SftpRestore => "sftp-restore",
            Self::SftpOpenLocal => "sftp-open-local",
            Self::SftpSource => "sftp-source",
            Self::SftpTarget => "sftp-target",
        }
    }

    /// The job whose time is the opening part of this one.
    pub fn opening(self) -> Option<Self> {
        match self {
            Self::Open | Self::SftpOpenLocal => None,
            Self::SftpSource | Self::SftpTarget => Some(Self::SftpOpenLocal),
            _ => Some(Self::Open),
        }
    }
}

/// Which jobs were asked for.
pub struct Selection {
    jobs: Vec<Job>,
}

impl Selection {
    /// No job given means all of them.
    pub fn new(jobs: Vec<Job>) -> Self {
        Self { jobs }
    }

    /// True if the job is to be measured. Opening always is, because net times need it.
    pub fn has(&self, job: Job) -> bool {
        self.jobs.is_empty() || job.opening().is_none() || self.jobs.contains(&job)
    }

    /// True if any of the jobs was asked for.
    pub fn has_any(&self, jobs: &[Job]) -> bool {
        self.jobs.is_empty() || jobs.iter().any(|job| self.jobs.contains(job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_is_measured_along_with_any_job_but_is_no_reason_to_run_others() {
        let selection = Selection::new(vec![Job::SftpLs]);
        assert!(selection.has(Job::Open) && selection.has(Job::SftpLs) && !selection.has(Job::Ls));
        assert!(!selection.has_any(&[Job::Open, Job::First]));
    }

    #[test]
    fn labels_are_the_names_of_the_command_line() {
        for job in Job::value_variants() {
            assert_eq!(job.to_possible_value().unwrap().get_name(), job.label());
        }
    }
}
