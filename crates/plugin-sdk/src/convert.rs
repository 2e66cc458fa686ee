//! Between the messages of the protocol and the types of connectors.

use std::path::PathBuf;

use kloset_connector::{Applied, ConnectorContext, Limitation, Location, Outcome, Record, Target, Xattr};
use kloset_format::path::{base_name, clean};
use kloset_format::{FileInfo, FileMode, Timestamp};

use crate::failure::{from_message, to_message};
use crate::wire::{connectors, importer, kloset};

/// Attributes as a message.
pub fn file_info_to_wire(info: &FileInfo) -> connectors::FileInfo {
    connectors::FileInfo {
        name: info.name.clone(),
        size: info.size,
        mode: info.mode.0,
        mod_time: Some(prost_types::Timestamp {
            seconds: info.mod_time.seconds,
            nanos: i32::try_from(info.mod_time.nanoseconds).unwrap_or(0),
        }),
        dev: info.dev,
        ino: info.ino,
        uid: info.uid,
        gid: info.gid,
        nlink: u32::from(info.nlink),
        username: info.username.clone(),
        groupname: info.groupname.clone(),
        flags: info.flags,
    }
}

/// Attributes of the path `path` from a message; the path's own name counts.
pub fn file_info_from_wire(info: connectors::FileInfo, path: &[u8]) -> FileInfo {
    let time = info.mod_time.unwrap_or_default();
    FileInfo {
        name: base_name(path).to_vec(),
        size: info.size,
        mode: FileMode(info.mode),
        mod_time: Timestamp {
            seconds: time.seconds,
            nanoseconds: u32::try_from(time.nanos).unwrap_or(0).min(999_999_999),
        },
        dev: info.dev,
        ino: info.ino,
        uid: info.uid,
        gid: info.gid,
        nlink: info.nlink as u16,
        username: info.username,
        groupname: info.groupname,
        flags: info.flags,
    }
}

/// A path of a source as a message; values of attributes are left to the caller.
pub fn record_to_wire(path: &[u8], record: &Record) -> connectors::Record {
    connectors::Record {
        has_reader: record.info.mode.is_regular(),
        pathname: path.to_vec(),
        error: record.problem.clone().unwrap_or_default(),
        target: record.target.clone().unwrap_or_default(),
        file_info: Some(file_info_to_wire(&record.info)),
        extended_attributes: record.xattrs.iter().map(|xattr| xattr.name.clone()).collect(),
        ..Default::default()
    }
}

/// A path of a source from a message: its clean path, and the record unless attributes are missing.
pub fn record_from_wire(record: connectors::Record) -> (Vec<u8>, Option<Record>) {
    let path = clean(&record.pathname);
    let Some(info) = record.file_info else { return (path, None) };
    let info = file_info_from_wire(info, &path);
    let target = info.mode.is_symlink().then_some(record.target);
    let problem = (!record.error.is_empty()).then(|| crate::failure::printable(&record.error));
    let found = Record { info, target, xattrs: Vec::new(), problem };
    (path, Some(found))
}

/// Attributes that travel with their record.
pub fn xattrs_to_wire(xattrs: &[Xattr]) -> Vec<importer::Xattr> {
    xattrs.iter().map(|one| importer::Xattr { name: one.name.clone(), value: one.value.clone() }).collect()
}

/// Attributes that travelled with their record.
pub fn xattrs_from_wire(xattrs: Vec<importer::Xattr>) -> Vec<Xattr> {
    xattrs.into_iter().map(|one| Xattr { name: one.name, value: one.value }).collect()
}

/// Limitations by their numbers, from 1.
const LIMITATIONS: [Limitation; 7] = [
    Limitation::Owner,
    Limitation::Xattrs,
    Limitation::SubSecondTime,
    Limitation::TimeRange,
    Limitation::SpecialFile,
    Limitation::HardLink,
    Limitation::SymlinkMetadata,
];

/// A path to restore as a message.
pub fn target_to_wire(target: &Target) -> kloset::Target {
    kloset::Target {
        path: target.path.clone(),
        info: Some(file_info_to_wire(&target.info)),
        xattrs: xattrs_to_wire(&target.xattrs),
        link: target.link.clone(),
        original: Vec::new(),
    }
}

/// A path to restore from a message; `None` if it leads out of the root or lacks attributes.
pub fn target_from_wire(target: kloset::Target) -> Option<Target> {
    let info = file_info_from_wire(target.info?, &target.path);
    let xattrs = xattrs_from_wire(target.xattrs);
    is_below(&target.path).then_some(Target { path: target.path, info, xattrs, link: target.link })
}

/// Whether a path stays below the root: the engine sends no other, but a peer could.
pub(crate) fn is_below(path: &[u8]) -> bool {
    let good = |name: &[u8]| !name.is_empty() && name != b"." && name != b".." && !name.contains(&0);
    path.is_empty() || path.split(|&byte| byte == b'/').all(good)
}

/// The outcome of one item of a batch as a message.
pub fn outcome_to_wire(index: usize, outcome: &Outcome) -> kloset::Outcome {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    match outcome {
        Ok(applied) => {
            let number = |limitation| LIMITATIONS.iter().position(|one| one == limitation);
            let limitations = applied.limitations.iter().filter_map(number).map(|at| at as u32 + 1);
            kloset::Outcome {
                index,
                limitations: limitations.collect(),
                kept: applied.kept,
                ..Default::default()
            }
        }
        Err(error) => kloset::Outcome { index, failure: Some(to_message(error)), ..Default::default() },
    }
}

/// The outcome of one item of a batch from a message.
pub fn outcome_from_wire(outcome: &kloset::Outcome, operation: &'static str) -> Outcome {
    if let Some(failure) = &outcome.failure {
        return Err(from_message(failure, operation));
    }
    let by_number = |number: &u32| LIMITATIONS.get((*number as usize).checked_sub(1)?).copied();
    let limitations = outcome.limitations.iter().filter_map(by_number).collect();
    Ok(Applied { limitations, kept: outcome.kept })
}

/// What a source or destination is told of the machine.
pub fn options_to_wire(context: &ConnectorContext) -> connectors::Options {
    connectors::Options {
        hostname: context.hostname.clone(),
        os: go_os().to_owned(),
        arch: go_arch().to_owned(),
        cwd: context.working_directory.to_string_lossy().into_owned(),
        maxconcurrency: context.parallelism.max(1) as i64,
        excludes: Vec::new(),
        noxattr: false,
    }
}

/// The working directory that options name.
pub(crate) fn working_directory(options: &connectors::Options) -> PathBuf {
    PathBuf::from(if options.cwd.is_empty() { "/" } else { &options.cwd })
}

/// Location and options from the map of an `Init` request.
pub(crate) fn place(
    proto: &str,
    config: std::collections::HashMap<String, String>,
) -> (Location, kloset_connector::Options) {
    let mut options: kloset_connector::Options = config.into_iter().collect();
    let text = options.remove("location").unwrap_or_default();
    let mut location = Location::parse(&text);
    if !proto.is_empty() && location.scheme != proto && !text.contains("://") {
        location = Location { scheme: proto.to_owned(), rest: text };
    }
    (location, options)
}

/// This system by the name that package files use.
pub fn go_os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// This architecture by the name that package files use.
pub fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
