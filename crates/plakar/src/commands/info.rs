//! `plakar info`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use kloset::Snapshot;
use kloset_connector::StoreFile;
use kloset_format::Timestamp;
use kloset_format::config::{Encryption, Kdf, RepositoryId};
use kloset_format::header::Header;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::{date, duration};
use crate::commands::Run;
use crate::commands::ls::{logical_size, merge};
use crate::error::{Failure, Outcome};
use crate::filters::{SnapshotArgument, select};
use crate::open::{self, Opened};
use crate::size;
use crate::ui::{escape, named, path_object};

/// Describe the store, or a snapshot
#[derive(Parser)]
#[command(name = "info")]
pub struct Info {
    /// List the paths that could not be read when the snapshot was made
    #[arg(long)]
    errors: bool,

    /// Snapshot, and where in it to list errors
    #[arg(value_name = "ID[:PATH]")]
    argument: Option<OsString>,
}

impl Info {
    /// Describes the store.
    pub fn of_store() -> Self {
        Self { errors: false, argument: None }
    }
}

impl Run for Info {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let argument = self.argument.as_deref().map(SnapshotArgument::parse);
        if self.errors && argument.is_none() {
            return Err(Failure::usage("-errors needs a snapshot"));
        }
        let opened = open::open(app)?;
        match argument {
            None => store(app, &opened)?,
            Some(argument) if self.errors => errors(app, &opened, &argument)?,
            Some(argument) => snapshot(app, &argument.find(&opened.repository)?)?,
        }
        Ok(Outcome::Done)
    }
}

/// Lines of a description, or the same as JSON.
struct Page {
    lines: Vec<String>,
}

impl Page {
    fn head(&mut self, title: &str) {
        self.lines.push(format!("{title}:"));
    }

    fn field(&mut self, key: &str, value: impl ToString) {
        self.lines.push(format!("{key}: {}", escape::line(&value.to_string())));
    }

    fn item(&mut self, key: &str, value: impl ToString) {
        self.lines.push(format!(" - {key}: {}", escape::line(&value.to_string())));
    }

    fn bytes(&mut self, key: &str, value: u64) {
        self.item(key, format!("{} ({value} bytes)", size::show(value)));
    }
}

fn print(app: &App, page: &Page) -> Result<(), Failure> {
    page.lines.iter().try_for_each(|line| app.ui.result(line))
}

fn storage_bytes(opened: &Opened) -> Result<u64, Failure> {
    let mut total = 0u64;
    for file in [StoreFile::Packfile, StoreFile::State] {
        let listed = opened.repository.storage().list(file).map_err(kloset::Error::Storage)?;
        total = listed.iter().filter_map(|file| file.size).fold(total, u64::saturating_add);
    }
    Ok(total)
}

fn store(app: &App, opened: &Opened) -> Result<(), Failure> {
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
                "data_algorithm": e.data_algorithm, "kdf": kdf_name(&e.kdf.kdf) })),
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

fn kdf_name(kdf: &Kdf) -> &'static str {
    kdf.name()
}

fn encryption_items(page: &mut Page, encryption: &Encryption) {
    page.item("SubkeyAlgorithm", &encryption.subkey_algorithm);
    page.item("DataAlgorithm", &encryption.data_algorithm);
    page.item("ChunkSize", encryption.chunk_size);
    page.item("KDF", kdf_name(&encryption.kdf.kdf));
}

fn errors(app: &App, opened: &Opened, argument: &SnapshotArgument) -> Result<(), Failure> {
    let snapshot = argument.find(&opened.repository)?;
    let below = if argument.path.is_empty() { b"/".to_vec() } else { snapshot.absolute(&argument.path) };
    for error in snapshot.errors()? {
        if !kloset_format::path::is_within(&error.name, &below) {
            continue;
        }
        if app.ui.is_json() {
            let mut value = path_object(&error.name);
            merge(&mut value, json!({ "error": error.error.to_string_lossy() }));
            app.ui.result_json(&value)?;
        } else {
            let reason = error.error.to_string_lossy();
            app.ui.result(&format!("{}: {}", escape::name(&error.name), escape::line(&reason)))?;
        }
    }
    Ok(())
}

fn snapshot(app: &App, snapshot: &Snapshot) -> Result<(), Failure> {
    let header = snapshot.header();
    if app.ui.is_json() {
        return app.ui.result_json(&snapshot_json(header));
    }
    let mut page = Page { lines: Vec::new() };
    page.field("Version", header.version);
    page.field("SnapshotID", header.identifier);
    page.field("Timestamp", date::show_precise(header.timestamp));
    page.field("Duration", duration::show(took(header)));
    for (key, value) in [
        ("Name", &header.name),
        ("Environment", &header.environment),
        ("Perimeter", &header.perimeter),
        ("Category", &header.category),
    ] {
        page.field(key, value.to_string_lossy());
    }
    if !header.job.is_empty() {
        page.field("Job", header.job.to_string_lossy());
    }
    if !header.tags.is_empty() {
        let tags: Vec<_> = header.tags.iter().map(|tag| tag.to_string_lossy()).collect();
        page.field("Tags", tags.join(", "));
    }
    if !header.identity.is_nobody() {
        page.head("Identity");
        let hex: String = header.identity.identifier.iter().map(|byte| format!("{byte:02x}")).collect();
        page.item("Identifier", hex);
    }
    if let Some(source) = header.source() {
        page.head("VFS");
        page.item("Root", source.roots.root);
        page.item("Xattrs", source.roots.xattrs);
        page.item("Errors", source.roots.errors);
        page.head("Importer");
        page.item("Type", source.importer.kind.to_string_lossy());
        page.item("Origin", source.importer.origin.to_string_lossy());
        page.item("Directory", String::from_utf8_lossy(&source.importer.directory));
    }
    page.head("Context");
    for pair in &header.context {
        // The reference implementation prints this one under its old name.
        let key = if pair.key == "MaxProcs" { "GOMAXPROCS".into() } else { pair.key.to_string_lossy() };
        page.item(&escape::line(&key), pair.value.to_string_lossy());
    }
    summary(&mut page, header);
    print(app, &page)
}

fn took(header: &Header) -> Duration {
    Duration::from_nanos(header.duration_ns.max(0).unsigned_abs())
}

fn summary(page: &mut Page, header: &Header) {
    let Some(source) = header.source() else { return };
    let (here, below) = (&source.summary.directory, &source.summary.below);
    page.head("Summary");
    for (key, a, b) in [
        ("Directories", here.directories, below.directories),
        ("Files", here.files, below.files),
        ("Symlinks", here.symlinks, below.symlinks),
        ("Devices", here.devices, below.devices),
        ("Pipes", here.pipes, below.pipes),
        ("Sockets", here.sockets, below.sockets),
        ("Setuid", here.setuid, below.setuid),
        ("Setgid", here.setgid, below.setgid),
        ("Sticky", here.sticky, below.sticky),
        ("Objects", here.objects, below.objects),
        ("Chunks", here.chunks, below.chunks),
    ] {
        page.item(key, a.saturating_add(b));
    }
    let least = |a: u64, b: u64| if a == 0 || (b != 0 && b < a) { b } else { a };
    page.bytes("MinSize", least(here.min_size, below.min_size));
    page.bytes("MaxSize", here.max_size.max(below.max_size));
    page.bytes("Size", here.size.saturating_add(below.size));
    let time = |seconds| date::show(Timestamp { seconds, nanoseconds: 0 });
    let earliest = [here.min_mod_time, below.min_mod_time].into_iter().filter(|&t| t != 0).min().unwrap_or(0);
    page.item("MinModTime", time(earliest));
    page.item("MaxModTime", time(here.max_mod_time.max(below.max_mod_time)));
    let lowest =
        [here.min_entropy, below.min_entropy].into_iter().filter(|&e| e != 0.0).fold(f64::NAN, f64::min);
    page.item("MinEntropy", format!("{:.6}", if lowest.is_nan() { 0.0 } else { lowest }));
    page.item("MaxEntropy", format!("{:.6}", here.max_entropy.max(below.max_entropy)));
    for (key, a, b) in [
        ("HiEntropy", here.hi_entropy, below.hi_entropy),
        ("LoEntropy", here.lo_entropy, below.lo_entropy),
        ("MIMEAudio", here.mime_audio, below.mime_audio),
        ("MIMEVideo", here.mime_video, below.mime_video),
        ("MIMEImage", here.mime_image, below.mime_image),
        ("MIMEText", here.mime_text, below.mime_text),
        ("MIMEApplication", here.mime_application, below.mime_application),
        ("MIMEOther", here.mime_other, below.mime_other),
    ] {
        page.item(key, a.saturating_add(b));
    }
    // The lower half counts the direct ones too.
    page.item("Errors", below.errors);
}

fn snapshot_json(header: &Header) -> Value {
    let mut value = json!({
        "version": header.version.to_string(),
        "snapshot": header.identifier.to_string(),
        "timestamp": date::show_precise(header.timestamp),
        "duration": header.duration_ns / 1_000_000,
        "name": header.name.to_string_lossy(),
        "category": header.category.to_string_lossy(),
        "environment": header.environment.to_string_lossy(),
        "perimeter": header.perimeter.to_string_lossy(),
        "job": header.job.to_string_lossy(),
        "tags": header.tags.iter().map(|tag| tag.to_string_lossy()).collect::<Vec<_>>(),
        "context": header.context.iter()
            .map(|pair| (pair.key.to_string_lossy().into_owned(), json!(pair.value.to_string_lossy())))
            .collect::<serde_json::Map<_, _>>(),
    });
    if let Some(source) = header.source() {
        let mut importer = named("directory", &source.importer.directory);
        merge(
            &mut importer,
            json!({
                "type": source.importer.kind.to_string_lossy(),
                "origin": source.importer.origin.to_string_lossy(),
            }),
        );
        let (here, below) = (&source.summary.directory, &source.summary.below);
        merge(
            &mut value,
            json!({
                "importer": importer,
                "vfs": {
                    "root": source.roots.root.to_string(),
                    "xattrs": source.roots.xattrs.to_string(),
                    "errors": source.roots.errors.to_string(),
                },
                "summary": {
                    "directories": here.directories.saturating_add(below.directories),
                    "files": here.files.saturating_add(below.files),
                    "symlinks": here.symlinks.saturating_add(below.symlinks),
                    "size": here.size.saturating_add(below.size),
                    "errors": below.errors,
                },
            }),
        );
    }
    value
}
