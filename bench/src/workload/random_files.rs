//! A few large files of random bytes.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Dataset;
use crate::error::{BenchError, IoContext};
use crate::rng::Rng;

const BLOCK_BYTES: u64 = 1 << 20;
/// One block in so many is rewritten by the changed version.
const CHANGED_EVERY: u64 = 50;
/// Random stream of the blocks that the changed version writes.
const CHANGED_STREAM: u64 = 1 << 40;

/// Files that can be neither compressed nor deduplicated.
#[derive(Clone, Debug)]
pub struct RandomFiles {
    /// Decides the contents.
    pub seed: u64,
    /// Number of files.
    pub files: u64,
    /// Size of each in blocks of 1 MiB.
    pub blocks: u64,
}

impl Dataset for RandomFiles {
    fn create(&self, root: &Path) -> Result<(), BenchError> {
        fs::create_dir_all(root).on("create folder", root)?;
        let mut block_bytes = vec![0; BLOCK_BYTES as usize];
        for file in 0..self.files {
            let path = path(root, file);
            let mut out = fs::File::create(&path).on("create", &path)?;
            for block in 0..self.blocks {
                self.stream(file, block).fill(&mut block_bytes);
                out.write_all(&block_bytes).on("write", &path)?;
            }
        }
        Ok(())
    }

    fn change(&self, root: &Path) -> Result<(), BenchError> {
        self.rewrite(root, CHANGED_STREAM, self.blocks + 1)
    }

    fn revert(&self, root: &Path) -> Result<(), BenchError> {
        self.rewrite(root, 0, self.blocks)
    }
}

impl RandomFiles {
    /// Rewrites the blocks that change from the stream given and sets the files' length.
    fn rewrite(&self, root: &Path, stream: u64, blocks: u64) -> Result<(), BenchError> {
        let mut block_bytes = vec![0; BLOCK_BYTES as usize];
        for file in 0..self.files {
            let path = path(root, file);
            let out = OpenOptions::new().write(true).open(&path).on("open", &path)?;
            let within = (0..self.blocks).filter(|block| block % CHANGED_EVERY == CHANGED_EVERY / 2);
            for block in within.chain(self.blocks..blocks) {
                self.stream(file, stream + block).fill(&mut block_bytes);
                out.write_all_at(&block_bytes, block * BLOCK_BYTES).on("write", &path)?;
            }
            out.set_len(blocks * BLOCK_BYTES).on("set length of", &path)?;
        }
        Ok(())
    }

    fn stream(&self, file: u64, block: u64) -> Rng {
        Rng::new(self.seed ^ (file << 48), block)
    }
}

fn path(root: &Path, file: u64) -> PathBuf {
    root.join(format!("random-{file}.bin"))
}
