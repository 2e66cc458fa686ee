//! The store: settings of CONFIG, number of snapshots, sizes.

use kloset_connector::StoreFile;
use kloset_format::config::{Encryption, RepositoryId};
use serde_json::json;

use super::{Page, print};
use crate::app::App;
use crate::cli::date;
use crate::commands::ls::logical_size;
use crate::error::Failure;
use crate::filters::select;
use crate::open::Opened;
use crate::size;

fn storage_bytes(opened: &Opened) -> Result<u64, Failure> {
    let mut total = 0u64;
    for file in [StoreFile::Packfile, StoreFile::State] {
        let listed = opened.repository.storage().list(file).map_err(kloset::Error::Storage)?;
        total = listed.iter().filter_map(|file| file.size).fold(total, u64::saturating_add);
    }
    Ok(total)
}

/// Prints it.
pub fn describe(app: &App, opened: &Opened) -> Result<(), Failure> {
    let config = opened.repository.config();
    let selection = select(&opened.repository, &app.ui, "", &|_| true);
    let stored = storage_bytes(opened)?;
    let logical = selection.snapshots.iter().map(logical_size).fold(0u64, u64::saturating_add);
    let id = RepositoryId(config.repository_id).to_string();
    let snapshots = opened.repository.snapshots().len();
    if app.ui.is_json() {
        return app.ui.result_json(&json!({
            "version": kloset_format::Version::V1_0_0.to_string(),
            "timestamp": date::show_precise(config.timestamp),
            "repository": id,
            "packfile": { "max_size": config.packfile.max },
            "chunking": { "algorithm": config.chunking.algorithm, "min_size": config.chunking.min,
                "normal_size": config.chunking.normal, "max_size": config.chunking.max },
            "hashing": { "algorithm": config.hashing.algorithm, "bits": config.hashing.bits },
            "compression": config.compression.as_ref().map(|c| json!({ "algorithm": c.algorithm, "level": c.level })),
            "encryption": config.encryption.as_ref().map(|e| json!({ "subkey_algorithm": e.subkey_algorithm,
                "data_algorithm": e.data_algorithm, "kdf": e.kdf.kdf.name() })),
            "snapshots": snapshots,
            "storage_size": stored,
            "logical_size": logical,
        }));
    }
    let mut page = Page { lines: Vec::new() };
    page.field("Version", kloset_format::Version::V1_0_0);
    page.field("Timestamp", date::show_precise(config.timestamp));
    page.field("RepositoryID", id);
    page.head("Packfile");
    page.bytes("MaxSize", config.packfile.max);
    page.head("Chunking");
    page.item("Algorithm", &config.chunking.algorithm);
    page.bytes("MinSize", config.chunking.min.into());
    page.bytes("NormalSize", config.chunking.normal.into());
    page.bytes("MaxSize", config.chunking.max.into());
    page.head("Hashing");
    page.item("Algorithm", &config.hashing.algorithm);
    page.item("Bits", config.hashing.bits);
    if let Some(compression) = &config.compression {
        page.head("Compression");
        page.item("Algorithm", &compression.algorithm);
        page.item("Level", compression.level);
    }
    if let Some(encryption) = &config.encryption {
        page.head("Encryption");
        encryption_items(&mut page, encryption);
    }
    page.field("Snapshots", snapshots);
    page.field("Storage size", format!("{} ({stored} bytes)", size::show(stored)));
    page.field("Logical size", format!("{} ({logical} bytes)", size::show(logical)));
    print(app, &page)
}

fn encryption_items(page: &mut Page, encryption: &Encryption) {
    page.item("SubkeyAlgorithm", &encryption.subkey_algorithm);
    page.item("DataAlgorithm", &encryption.data_algorithm);
    page.item("ChunkSize", encryption.chunk_size);
    page.item("KDF", encryption.kdf.kdf.name());
}
