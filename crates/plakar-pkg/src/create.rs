//! Makes a package: an ordinary backup of a manifest and the files it names into one file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connector_fs::{ExistingFile, PtarWriter};
use crossbeam_channel::Receiver;
use kloset::archive::Archive;
use kloset::backup::{BackupOptions, backup};
use kloset::repository::{CreateOptions, OpenOptions};
use kloset::{OpenError, Runtime, SilentMonitor};
use kloset_codec::compress::Compression;
use kloset_codec::hash::HashAlgorithm;
use kloset_connector::{
    ConnectorContext, ConnectorError, ContentSink, Location, ReadRequest, Record, ScanOptions, ScanSink,
    Source, SourceInfo,
};
use kloset_format::path::{base_name, parent};
use kloset_format::{FileInfo, FileMode, Timestamp};

use crate::manifest::{below, not_below};
use crate::{Manifest, PackageName, PkgError};

/// Makes a package of a manifest and its files.
///
/// `out` is the file to make; it must not exist.
pub fn create(
    manifest_path: &Path,
    version: &str,
    out: &Path,
    context: &ConnectorContext,
    runtime: &Runtime,
) -> Result<(), PkgError> {
    if !crate::version::is_valid(version) {
        return Err(PkgError::BadVersion(version.to_owned()));
    }
    if manifest_path.file_name().is_none_or(|name| name != "manifest.yaml") {
        return Err(PkgError::Refused("manifest's file name must be manifest.yaml".to_owned()));
    }
    let manifest = Manifest::read(manifest_path)?;
    let source = PackageSource::new(manifest_path, &manifest)?;
    let location = Location { scheme: "ptar".to_owned(), rest: out.to_string_lossy().into_owned() };
    let file = PtarWriter::new(&location, ExistingFile::Refuse, context)?;
    write(file, &source, runtime)
}

/// Where a package goes by default.
pub(crate) fn default_file(name: &str, version: &str, os: &str, arch: &str) -> Result<PathBuf, PkgError> {
    PackageName::new(name, version, os, arch).map(|name| PathBuf::from(name.to_string()))
}

/// What is not finished disappears with the archive.
fn write(file: PtarWriter, source: &PackageSource, runtime: &Runtime) -> Result<(), PkgError> {
    let options = CreateOptions {
        hashing: HashAlgorithm::Blake3,
        compression: Some(Compression::Lz4),
        passphrase: None,
    };
    let open = OpenOptions::new(runtime.clone(), Arc::new(SilentMonitor));
    let made = Archive::create(file, &options, open).map_err(|error| match error {
        OpenError::Storage(error) => error.into(),
        error => PkgError::Open(Box::new(error)),
    });
    let (archive, repository) = made?;
    let repository = Arc::new(repository);
    let engine = |error| PkgError::Engine(Box::new(error));
    let report = backup(&repository, source, &BackupOptions::default(), &SilentMonitor).map_err(engine)?;
    if report.errors > 0 {
        return Err(PkgError::Refused("failed to package all the files".to_owned()));
    }
    archive.finish(&repository).map_err(engine)
}

/// The manifest and what it names, as a source.
struct PackageSource {
    /// By path inside the package.
    files: BTreeMap<Vec<u8>, PathBuf>,
    /// Records by folder.
    listings: BTreeMap<Vec<u8>, Vec<Record>>,
}

impl PackageSource {
    fn new(manifest_path: &Path, manifest: &Manifest) -> Result<Self, PkgError> {
        let folder = match manifest_path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let folder = folder.canonicalize().map_err(|error| PkgError::io("open", folder, &error))?;
        let mut names: BTreeSet<PathBuf> = BTreeSet::from([PathBuf::from("manifest.yaml")]);
        let mut executables = BTreeSet::new();
        for connector in &manifest.connectors {
            for name in connector.files().filter(|name| !name.is_empty()) {
                names.insert(below(name).ok_or_else(|| PkgError::Refused(not_below(name)))?);
            }
            if let Some(executable) = below(&connector.executable) {
                executables.insert(executable);
            }
            if !connector.validator.is_empty() {
                check_validator(&folder.join(&connector.validator))?;
            }
        }
        let mut source = Self { files: BTreeMap::new(), listings: BTreeMap::from([(b"/".to_vec(), vec![])]) };
        for name in names {
            source.add(&folder, &name, executables.contains(&name))?;
        }
        Ok(source)
    }

    fn add(&mut self, folder: &Path, name: &Path, executable: bool) -> Result<(), PkgError> {
        let file = folder.join(name);
        let inside = [b"/", name.as_os_str().as_bytes()].concat();
        let real = file.canonicalize().map_err(|error| PkgError::io("open", &file, &error))?;
        if !real.starts_with(folder) {
            return Err(PkgError::Refused(not_below(&file.display().to_string())));
        }
        let stat = std::fs::metadata(&real).map_err(|error| PkgError::io("open", &file, &error))?;
        if !stat.is_file() {
            return Err(PkgError::Refused(format!("not a regular file: {}", file.display())));
        }
        if executable && stat.mode() & 0o111 == 0 {
            return Err(PkgError::Refused(format!("Not executable: {}", file.display())));
        }
        let info = FileInfo {
            name: base_name(&inside).to_vec(),
            size: i64::try_from(stat.len()).unwrap_or(i64::MAX),
            mode: FileMode::from_st_mode(stat.mode()),
            mod_time: Timestamp {
                seconds: stat.mtime(),
                nanoseconds: u32::try_from(stat.mtime_nsec()).unwrap_or(0),
            },
            nlink: 1,
            ..FileInfo::made_up_directory(b"")
        };
        self.add_folder(parent(&inside));
        self.listings.entry(parent(&inside).to_vec()).or_default().push(record(info));
        self.files.insert(inside, real);
        Ok(())
    }

    fn add_folder(&mut self, path: &[u8]) {
        if self.listings.contains_key(path) {
            return;
        }
        self.add_folder(parent(path));
        self.listings.insert(path.to_vec(), Vec::new());
        self.listings.entry(parent(path).to_vec()).or_default().push(record(folder_info(base_name(path))));
    }
}

fn check_validator(path: &Path) -> Result<(), PkgError> {
    let text = crate::manifest::read_text(path)?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(PkgError::BadFile { path: path.to_owned(), reason: "not a JSON object".to_owned() }),
        Err(error) => Err(PkgError::BadFile { path: path.to_owned(), reason: error.to_string() }),
    }
}

fn folder_info(name: &[u8]) -> FileInfo {
    FileInfo { mode: FileMode(FileMode::DIRECTORY | 0o700), nlink: 1, ..FileInfo::made_up_directory(name) }
}

fn record(info: FileInfo) -> Record {
    Record { info, target: None, xattrs: Vec::new(), problem: None }
}

impl Source for PackageSource {
    fn info(&self) -> Result<SourceInfo, ConnectorError> {
        Ok(SourceInfo { kind: "pkger".to_owned(), origin: String::new(), directory: b"/".to_vec() })
    }

    fn scan(&self, _: &ScanOptions, sink: &dyn ScanSink) -> Result<(), ConnectorError> {
        sink.ancestors(vec![record(folder_info(b"/"))]);
        // Byte order names every folder before it is listed.
        for (folder, children) in &self.listings {
            sink.listing(folder, children.clone());
        }
        Ok(())
    }

    fn read(&self, requests: Receiver<ReadRequest>, sink: &dyn ContentSink) -> Result<(), ConnectorError> {
        for request in requests {
            let shown = String::from_utf8_lossy(&request.path).into_owned();
            let opened = match self.files.get(&request.path) {
                Some(path) => File::open(path),
                None => Err(std::io::ErrorKind::NotFound.into()),
            };
            match opened {
                Ok(mut file) => sink.content(request, &mut file),
                Err(error) => sink.failed(request, ConnectorError::from_io("open", shown, error)),
            }
        }
        Ok(())
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        report("path", Ok(()));
    }
}
