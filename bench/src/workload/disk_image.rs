//! A disk image: runs of zeros between text-like and random extents.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Dataset;
use super::text::TextWriter;
use crate::error::{BenchError, IoContext};
use crate::rng::Rng;

/// Unit of kind: an extent is all zeros, all text or all random.
const EXTENT_BYTES: u64 = 256 << 10;
/// Shares of extents in percent; the rest is random.
const ZERO_PERCENT: u64 = 45;
const TEXT_PERCENT: u64 = 30;
/// The changed version writes into every tenth region of this size …
const REGION_EXTENTS: u64 = 16;
const HOT_EVERY: u64 = 10;
/// … this share of its blocks: 3 % of the image, clustered as file systems do.
const BLOCK_BYTES: u64 = 4 << 10;
const CHANGED_PERCENT: u64 = 30;
/// Random stream of changed blocks.
const CHANGED_STREAM: u64 = 1 << 40;

/// One image file. Zeros are written, not left as holes.
#[derive(Clone, Debug)]
pub struct DiskImage {
    /// Decides the contents.
    pub seed: u64,
    /// Size in extents of 256 KiB.
    pub extents: u64,
}

impl Dataset for DiskImage {
    fn create(&self, root: &Path) -> Result<(), BenchError> {
        fs::create_dir_all(root).on("create folder", root)?;
        let path = root.join("disk.img");
        let mut file = File::create(&path).on("create", &path)?;
        let text = TextWriter::new(self.seed);
        let mut buffer = Vec::new();
        for extent in 0..self.extents {
            self.fill(&text, extent, &mut buffer);
            file.write_all(&buffer).on("write", &path)?;
        }
        Ok(())
    }

    fn change(&self, root: &Path) -> Result<(), BenchError> {
        let path = root.join("disk.img");
        let file = OpenOptions::new().write(true).open(&path).on("open", &path)?;
        let mut buffer = vec![0; BLOCK_BYTES as usize];
        for extent in self.hot_extents() {
            let first = extent * (EXTENT_BYTES / BLOCK_BYTES);
            for block in first..first + EXTENT_BYTES / BLOCK_BYTES {
                let mut rng = Rng::new(self.seed, CHANGED_STREAM + block);
                if rng.below(100) < CHANGED_PERCENT {
                    rng.fill(&mut buffer);
                    file.write_all_at(&buffer, block * BLOCK_BYTES).on("write", &path)?;
                }
            }
        }
        Ok(())
    }

    fn revert(&self, root: &Path) -> Result<(), BenchError> {
        let path = root.join("disk.img");
        let file = OpenOptions::new().write(true).open(&path).on("open", &path)?;
        let text = TextWriter::new(self.seed);
        let mut buffer = Vec::new();
        for extent in self.hot_extents() {
            self.fill(&text, extent, &mut buffer);
            file.write_all_at(&buffer, extent * EXTENT_BYTES).on("write", &path)?;
        }
        Ok(())
    }
}

impl DiskImage {
    fn fill(&self, text: &TextWriter, extent: u64, buffer: &mut Vec<u8>) {
        let mut rng = Rng::new(self.seed, extent);
        let kind = rng.below(100);
        buffer.clear();
        if kind < ZERO_PERCENT {
            buffer.resize(EXTENT_BYTES as usize, 0);
        } else if kind < ZERO_PERCENT + TEXT_PERCENT {
            text.fill(&mut rng, EXTENT_BYTES as usize, buffer);
        } else {
            buffer.resize(EXTENT_BYTES as usize, 0);
            rng.fill(buffer);
        }
    }

    fn hot_extents(&self) -> impl Iterator<Item = u64> {
        (0..self.extents).filter(|extent| (extent / REGION_EXTENTS) % HOT_EVERY == HOT_EVERY / 2)
    }
}
