//! The data that is backed up: seeded, generated once below the work folder and reused.
//!
//! Each data set has an original and a changed version at the same path, because programs
//! recognise unchanged files by path, inode and times: the change is applied in place
//! and reverted in place, and a marker beside the tree says which version it holds.

mod disk_image;
mod random_files;
mod text;
mod text_tree;

use std::fs;
use std::path::{Path, PathBuf};

use disk_image::DiskImage;
use random_files::RandomFiles;
use text_tree::{FileSizes, TextTree};

use crate::error::{BenchError, IoContext};
use crate::tree::TreeDigest;

/// Goes up when generated contents change, so that old caches are not mistaken for new.
const GENERATION: u32 = 1;
const MARKER_ORIGINAL: &str = "original";
const MARKER_MIXED: &str = "changed or being changed";

/// A generator of one data set.
trait Dataset {
    /// Writes the original version into a folder that does not exist yet.
    fn create(&self, root: &Path) -> Result<(), BenchError>;
    /// Turns the original into the changed version.
    fn change(&self, root: &Path) -> Result<(), BenchError>;
    /// Turns the changed version, or a half-changed one, into the original.
    fn revert(&self, root: &Path) -> Result<(), BenchError>;
}

/// The data sets that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataName {
    /// 50,000 text files of 1 to 20 KiB in 5,500 folders.
    Small,
    /// 37,000 source-like files, 1 GiB, median 3 KiB.
    Source,
    /// Four random files, 2 GiB.
    Random,
    /// A disk image of 2 GiB, 45 % zeros.
    Image,
    /// Twelve random files, 240 MiB, for transfers over SFTP.
    SftpBulk,
    /// 5,000 text files of 1 to 8 KiB, for restores over SFTP.
    SftpSmall,
    /// 20,000 text files of 1 to 4 KiB, for backups from SFTP.
    SftpMany,
}

impl DataName {
    /// Name in folders and reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Source => "source",
            Self::Random => "random",
            Self::Image => "image",
            Self::SftpBulk => "sftp-bulk",
            Self::SftpSmall => "sftp-small",
            Self::SftpMany => "sftp-many",
        }
    }

    fn generator(self, scale: f64) -> Box<dyn Dataset> {
        let scaled = |count: u64| ((count as f64 * scale).round() as u64).max(4);
        let small_files = |seed, files, min_bytes, max_bytes| {
            let sizes = FileSizes::Uniform { min_bytes, max_bytes };
            Box::new(TextTree { seed, files: scaled(files), folders: scaled(files / 9), sizes })
        };
        match self {
            Self::Small => small_files(11, 50_000, 1 << 10, 20 << 10),
            Self::Source => {
                let sizes = FileSizes::SourceLike { median_bytes: 3 << 10, total_bytes: scaled(1 << 30) };
                Box::new(TextTree { seed: 12, files: scaled(37_000), folders: scaled(4_000), sizes })
            }
            Self::Random => Box::new(RandomFiles { seed: 13, files: 4, blocks: scaled(512) }),
            Self::Image => Box::new(DiskImage { seed: 14, extents: scaled(8192) }),
            Self::SftpBulk => Box::new(RandomFiles { seed: 15, files: 12, blocks: scaled(20) }),
            Self::SftpSmall => small_files(16, 5_000, 1 << 10, 8 << 10),
            Self::SftpMany => small_files(17, 20_000, 1 << 10, 4 << 10),
        }
    }
}

/// A data set on disk, in its original version unless changed through this value.
pub struct Data {
    /// Where the tree lies.
    pub root: PathBuf,
    /// What the original version holds.
    pub digest: TreeDigest,
    marker: PathBuf,
    generator: Box<dyn Dataset>,
}

impl Data {
    /// Generates the data set below `work`, or takes the one already there.
    ///
    /// Reading it for the digest also brings it into the page cache.
    pub fn prepare(work: &Path, name: DataName, scale: f64) -> Result<Self, BenchError> {
        let folder = work.join("data").join(format!("{}-x{scale}-g{GENERATION}", name.label()));
        let root = folder.join("tree");
        let marker = folder.join("version");
        let generator = name.generator(scale);
        match fs::read_to_string(&marker).ok().as_deref() {
            Some(MARKER_ORIGINAL) => {}
            Some(_) => {
                generator.revert(&root)?;
                fs::write(&marker, MARKER_ORIGINAL).on("write", &marker)?;
            }
            None => {
                if folder.exists() {
                    fs::remove_dir_all(&folder).on("remove", &folder)?;
                }
                fs::create_dir_all(&root).on("create folder", &root)?;
                generator.create(&root)?;
                fs::write(&marker, MARKER_ORIGINAL).on("write", &marker)?;
            }
        }
        let digest = TreeDigest::of(&root)?;
        Ok(Self { root, digest, marker, generator })
    }

    /// Applies the change.
    pub fn change(&self) -> Result<(), BenchError> {
        fs::write(&self.marker, MARKER_MIXED).on("write", &self.marker)?;
        self.generator.change(&self.root)
    }

    /// Goes back to the original version.
    pub fn revert(&self) -> Result<(), BenchError> {
        self.generator.revert(&self.root)?;
        fs::write(&self.marker, MARKER_ORIGINAL).on("write", &self.marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [DataName; 7] = [
        DataName::Small,
        DataName::Source,
        DataName::Random,
        DataName::Image,
        DataName::SftpBulk,
        DataName::SftpSmall,
        DataName::SftpMany,
    ];

    #[test]
    fn every_data_set_changes_and_comes_back_exactly() {
        let work = tempfile::tempdir().unwrap();
        for name in ALL {
            let data = Data::prepare(work.path(), name, 0.01).unwrap();
            data.change().unwrap();
            let changed = TreeDigest::of(&data.root).unwrap();
            assert_ne!(changed, data.digest, "{} does not change", name.label());
            data.revert().unwrap();
            assert_eq!(TreeDigest::of(&data.root).unwrap(), data.digest, "{}", name.label());
        }
    }

    #[test]
    fn generation_is_deterministic_and_reused() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let a = Data::prepare(first.path(), DataName::Small, 0.002).unwrap();
        let b = Data::prepare(second.path(), DataName::Small, 0.002).unwrap();
        assert_eq!(a.digest, b.digest);
        let before = fs::metadata(&a.root).unwrap().modified().unwrap();
        let again = Data::prepare(first.path(), DataName::Small, 0.002).unwrap();
        assert_eq!(fs::metadata(&again.root).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn interrupted_change_is_reverted_by_the_next_run() {
        let work = tempfile::tempdir().unwrap();
        let data = Data::prepare(work.path(), DataName::Small, 0.01).unwrap();
        data.change().unwrap();
        let again = Data::prepare(work.path(), DataName::Small, 0.01).unwrap();
        assert_eq!(again.digest, data.digest);
    }

    #[test]
    fn scaled_source_tree_has_its_size_and_median() {
        let work = tempfile::tempdir().unwrap();
        let data = Data::prepare(work.path(), DataName::Source, 0.02).unwrap();
        let megabytes = data.digest.bytes >> 20;
        assert!((19..28).contains(&megabytes), "{megabytes} MiB");
        assert_eq!(data.digest.files, 740);
    }
}
