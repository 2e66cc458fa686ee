//! A snapshot: what its header says.

use std::time::Duration;

use kloset::Snapshot;
use kloset_format::Timestamp;
use kloset_format::header::Header;
use serde_json::{Value, json};

use super::{Page, print};
use crate::app::App;
use crate::cli::{date, duration};
use crate::commands::ls::merge;
use crate::error::Failure;
use crate::ui::{escape, named};

/// Prints it.
pub fn describe(app: &App, snapshot: &Snapshot) -> Result<(), Failure> {
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
    context(&mut page, header);
    summary(&mut page, header);
    print(app, &page)
}

/// Facts about the machine: first those that upstream prints, in its order, then all others.
fn context(page: &mut Page, header: &Header) {
    let known = [
        ("MachineID", "MachineID"),
        ("Hostname", "Hostname"),
        ("Username", "Username"),
        ("OperatingSystem", "OperatingSystem"),
        ("Architecture", "Architecture"),
        ("NumCPU", "NumCPU"),
        // Upstream prints this one under its old name.
        ("MaxProcs", "GOMAXPROCS"),
        ("ProcessID", "ProcessID"),
        ("Client", "Client"),
        ("CommandLine", "CommandLine"),
    ];
    for (key, shown) in known {
        page.item(shown, header.context_value(key).map(|value| value.to_string_lossy()).unwrap_or_default());
    }
    for pair in header.context.iter().filter(|pair| known.iter().all(|(key, _)| pair.key != **key)) {
        page.item(&escape::line(&pair.key.to_string_lossy()), pair.value.to_string_lossy());
    }
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
