//! A folder tree of many small text files.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Dataset;
use super::text::TextWriter;
use crate::error::{BenchError, IoContext};
use crate::rng::Rng;

/// Subfolders of a folder; 5,500 folders are then four levels deep.
const SUBFOLDERS: u64 = 8;
/// One file in so many is changed, added or removed by the changed version.
const CHANGED_EVERY: u64 = 100;
/// Modification times lie in the past, so that no program sees a file as just being written.
const ORIGINAL_MTIME_S: u64 = 1_700_000_000;
const CHANGED_MTIME_S: u64 = 1_720_000_000;

/// Random streams below the seed, so that paths, sizes and contents are independent.
const PATH_STREAM: u64 = 1 << 40;
const SIZE_STREAM: u64 = 2 << 40;
const EDIT_STREAM: u64 = 3 << 40;

/// How file sizes are drawn.
#[derive(Clone, Copy, Debug)]
pub enum FileSizes {
    /// Every size between the two equally likely.
    Uniform {
        /// Smallest size.
        min_bytes: u64,
        /// Largest size.
        max_bytes: u64,
    },
    /// Log-normal around a median, then single files made large until the total is reached.
    SourceLike {
        /// Half of the files are smaller.
        median_bytes: u64,
        /// Size of all files together.
        total_bytes: u64,
    },
}

/// A tree of text files below one folder.
#[derive(Clone, Debug)]
pub struct TextTree {
    /// Decides names, sizes and contents.
    pub seed: u64,
    /// Number of files of the original version.
    pub files: u64,
    /// Number of folders, the root included.
    pub folders: u64,
    /// How large they are.
    pub sizes: FileSizes,
}

/// What the changed version does with a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Keep,
    Edit,
    Remove,
    /// Keeps the file and puts a new one beside it.
    AddBeside,
}

impl Dataset for TextTree {
    fn create(&self, root: &Path) -> Result<(), BenchError> {
        let text = TextWriter::new(self.seed);
        for folder in 0..self.folders {
            let path = root.join(self.folder(&text, folder));
            fs::create_dir_all(&path).on("create folder", &path)?;
        }
        let mut buffer = Vec::new();
        for (file, size) in self.all_sizes().into_iter().enumerate() {
            self.write_original(&text, root, file as u64, size, &mut buffer)?;
        }
        for folder in 0..self.folders {
            set_mtime(&root.join(self.folder(&text, folder)), ORIGINAL_MTIME_S)?;
        }
        Ok(())
    }

    fn change(&self, root: &Path) -> Result<(), BenchError> {
        let text = TextWriter::new(self.seed);
        let mut buffer = Vec::new();
        for (file, size) in self.all_sizes().into_iter().enumerate() {
            let file = file as u64;
            let path = root.join(self.path(&text, file));
            match change_of(file) {
                Change::Keep => continue,
                Change::Edit => {
                    text.fill(&mut Rng::new(self.seed, file), size as usize, &mut buffer);
                    let mut inserted = Vec::new();
                    text.fill(&mut Rng::new(self.seed, EDIT_STREAM + file), 120, &mut inserted);
                    let middle = buffer.len() / 2;
                    buffer.splice(middle..middle, inserted);
                    write(&path, &buffer, CHANGED_MTIME_S)?;
                }
                Change::Remove => remove_if_present(&path)?,
                Change::AddBeside => {
                    text.fill(&mut Rng::new(self.seed, EDIT_STREAM + file), size as usize, &mut buffer);
                    write(&added_beside(&path), &buffer, CHANGED_MTIME_S)?;
                }
            }
            set_parent_mtime(&path, CHANGED_MTIME_S)?;
        }
        Ok(())
    }

    fn revert(&self, root: &Path) -> Result<(), BenchError> {
        let text = TextWriter::new(self.seed);
        let mut buffer = Vec::new();
        for (file, size) in self.all_sizes().into_iter().enumerate() {
            let file = file as u64;
            let path = root.join(self.path(&text, file));
            match change_of(file) {
                Change::Keep => continue,
                Change::Edit | Change::Remove => {
                    self.write_original(&text, root, file, size, &mut buffer)?;
                }
                Change::AddBeside => remove_if_present(&added_beside(&path))?,
            }
            set_parent_mtime(&path, ORIGINAL_MTIME_S)?;
        }
        Ok(())
    }
}

impl TextTree {
    fn write_original(
        &self,
        text: &TextWriter,
        root: &Path,
        file: u64,
        size: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), BenchError> {
        text.fill(&mut Rng::new(self.seed, file), size as usize, buffer);
        write(&root.join(self.path(text, file)), buffer, ORIGINAL_MTIME_S)
    }

    fn all_sizes(&self) -> Vec<u64> {
        let mut rng = Rng::new(self.seed, SIZE_STREAM);
        match self.sizes {
            FileSizes::Uniform { min_bytes, max_bytes } => {
                (0..self.files).map(|_| rng.between(min_bytes, max_bytes)).collect()
            }
            FileSizes::SourceLike { median_bytes, total_bytes } => {
                let draw = |rng: &mut Rng| {
                    let size = median_bytes as f64 * (1.6 * rng.normal()).exp();
                    size.clamp(16.0, (512 << 10) as f64) as u64
                };
                let mut sizes: Vec<u64> = (0..self.files).map(|_| draw(&mut rng)).collect();
                let mut total: u64 = sizes.iter().sum();
                while total < total_bytes {
                    let Some(size) = sizes.get_mut(rng.below(self.files) as usize) else { break };
                    let large = rng.between(512 << 10, 4 << 20);
                    total += large.saturating_sub(*size);
                    *size = large.max(*size);
                }
                sizes
            }
        }
    }

    /// Path of a file below the root.
    fn path(&self, text: &TextWriter, file: u64) -> PathBuf {
        const ENDINGS: [&str; 6] = ["rs", "c", "h", "py", "md", "txt"];
        let mut rng = Rng::new(self.seed, PATH_STREAM + file);
        let folder = self.folder(text, rng.below(self.folders));
        let ending = ENDINGS.get(rng.below(6) as usize).copied().unwrap_or("txt");
        folder.join(format!("{}_{file}.{ending}", text.name(&mut rng)))
    }

    /// Path of a folder below the root; folder 0 is the root itself.
    fn folder(&self, text: &TextWriter, folder: u64) -> PathBuf {
        let mut names = Vec::new();
        let mut current = folder;
        while current > 0 {
            let mut rng = Rng::new(self.seed, (4 << 40) + current);
            names.push(format!("{}{current}", text.name(&mut rng)));
            current = (current - 1) / SUBFOLDERS;
        }
        names.iter().rev().collect()
    }
}

fn change_of(file: u64) -> Change {
    if file % CHANGED_EVERY != 37 {
        return Change::Keep;
    }
    match (file / CHANGED_EVERY) % 4 {
        0 | 1 => Change::Edit,
        2 => Change::Remove,
        _ => Change::AddBeside,
    }
}

fn added_beside(path: &Path) -> PathBuf {
    path.with_extension("added")
}

fn write(path: &Path, content: &[u8], mtime_s: u64) -> Result<(), BenchError> {
    let mut file = File::create(path).on("create", path)?;
    file.write_all(content).on("write", path)?;
    file.set_modified(time(mtime_s)).on("set time of", path)
}

fn remove_if_present(path: &Path) -> Result<(), BenchError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).on("remove", path),
        _ => Ok(()),
    }
}

fn set_parent_mtime(path: &Path, mtime_s: u64) -> Result<(), BenchError> {
    path.parent().map_or(Ok(()), |parent| set_mtime(parent, mtime_s))
}

fn set_mtime(path: &Path, mtime_s: u64) -> Result<(), BenchError> {
    let file = File::open(path).on("open", path)?;
    file.set_modified(time(mtime_s)).on("set time of", path)
}

fn time(mtime_s: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(mtime_s)
}
