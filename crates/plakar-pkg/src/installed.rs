//! The packages of one user: installing, listing, removing.
//!
//! A package is its file in the data directory; the unpacked folder in the cache can be made again
//! at any time. Changes happen under a lock, and every file and folder gets its name by a rename, so
//! that an interrupted installation leaves nothing behind that counts.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kloset::Runtime;
use kloset_connector::ConnectorContext;
use rustix::fs::FlockOperation;

use crate::extract::{extract, fresh_folder, make_private};
use crate::serving::{check, schemes};
use crate::{API_VERSION, Manifest, PackageName, PkgError, version};

/// Hidden leftovers of interrupted installations go away after this long.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// Whether an installed version may be replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upgrade {
    /// An installed version is an error.
    Refuse,
    /// An older one is replaced, the same or a newer one stays.
    Older,
}

/// What an installation did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Added {
    /// It is installed now. Types of connectors that were skipped.
    Installed(Vec<String>),
    /// The same or a newer version was there.
    Kept,
}

/// An installed package.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Installed {
    /// By its file name.
    pub name: PackageName,
    /// The file.
    pub file: PathBuf,
}

/// The packages of one user.
#[derive(Clone)]
pub struct Packages {
    pub(crate) data: PathBuf,
    cache: PathBuf,
    context: ConnectorContext,
    runtime: Runtime,
}

impl Packages {
    /// The packages below a data and a cache directory. Touches nothing.
    pub fn new(data: &Path, cache: &Path, context: ConnectorContext, runtime: Runtime) -> Self {
        let folder = |base: &Path| base.join("plugins").join(API_VERSION);
        Self { data: folder(data), cache: folder(cache), context, runtime }
    }

    /// Installed packages, by name and version. Files with other names are left alone.
    pub fn list(&self) -> Result<Vec<Installed>, PkgError> {
        let entries = match std::fs::read_dir(&self.data) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(PkgError::io("list", &self.data, &error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| PkgError::io("list", &self.data, &error))?;
            let file_name = entry.file_name();
            let Some(text) = file_name.to_str().filter(|text| !text.starts_with('.')) else { continue };
            if let Ok(name) = PackageName::parse(text) {
                found.push(Installed { name, file: entry.path() });
            }
        }
        found.sort_by(|a, b| {
            let versions = || version::compare(&a.name.version, &b.name.version);
            a.name.name.cmp(&b.name.name).then_with(versions).then_with(|| a.name.cmp(&b.name))
        });
        Ok(found)
    }

    /// The newest installed version of a package.
    pub fn find(&self, name: &str) -> Result<Option<Installed>, PkgError> {
        Ok(self.list()?.into_iter().rfind(|one| one.name.name == name))
    }

    /// Whether installing would be refused or needless; asked before anything is fetched.
    pub fn wants(&self, name: &str, version: &str, upgrade: Upgrade) -> Result<bool, PkgError> {
        match (self.find(name)?, upgrade) {
            (None, _) => Ok(true),
            (Some(_), Upgrade::Refuse) => Err(PkgError::AlreadyInstalled),
            (Some(found), Upgrade::Older) => Ok(version::compare(&found.name.version, version).is_lt()),
        }
    }

    /// A private folder for a download, on the same file system; gone when dropped.
    pub fn download_folder(&self) -> Result<tempfile::TempDir, PkgError> {
        make_private(&self.cache)?;
        fresh_folder(&self.cache, ".extract-")
    }

    /// Installs a package file.
    pub fn add(&self, file: &Path, upgrade: Upgrade) -> Result<Added, PkgError> {
        let name = PackageName::parse(&file.file_name().unwrap_or_default().to_string_lossy())?;
        if !name.fits_here() {
            return Err(PkgError::OtherPlatform);
        }
        make_private(&self.data)?;
        make_private(&self.cache)?;
        let _lock = self.lock()?;
        self.sweep();
        if !self.wants(&name.name, &name.version, upgrade)? {
            return Ok(Added::Kept);
        }
        let copy = self.copy(file)?;
        let folder = fresh_folder(&self.cache, ".extract-")?;
        extract(copy.path(), folder.path(), &self.context, &self.runtime)
            .map_err(|error| error.about(copy.path(), file))?;
        let manifest = check(folder.path())?;
        self.refuse_taken(&name, &manifest)?;
        let older: Vec<Installed> =
            self.list()?.into_iter().filter(|one| one.name.name == name.name).collect();
        self.put_folder(folder, &name)?;
        let target = self.data.join(name.to_string());
        copy.persist(&target).map_err(|error| PkgError::io("rename to", &target, &error.error))?;
        sync(&self.data)?;
        for one in older.iter().filter(|one| one.name != name) {
            self.remove_one(one)?;
        }
        Ok(Added::Installed(manifest.unknown_kinds().into_iter().map(str::to_owned).collect()))
    }

    /// Removes every version of a package; says whether there was any.
    pub fn remove(&self, name: &str) -> Result<bool, PkgError> {
        if self.find(name)?.is_none() {
            return Ok(false);
        }
        let _lock = self.lock()?;
        let mut removed = false;
        for one in self.list()?.iter().filter(|one| one.name.name == name) {
            self.remove_one(one)?;
            removed = true;
        }
        self.write_preferred(|names| {
            names.remove(name);
        })?;
        Ok(removed)
    }

    /// The unpacked folder, made again if it is missing.
    pub(crate) fn unpacked(&self, one: &Installed) -> Result<PathBuf, PkgError> {
        let folder = self.cache.join(one.name.stem());
        if folder.join("manifest.yaml").is_file() {
            return Ok(folder);
        }
        make_private(&self.cache)?;
        let _lock = self.lock()?;
        if !folder.join("manifest.yaml").is_file() {
            let fresh = fresh_folder(&self.cache, ".extract-")?;
            extract(&one.file, fresh.path(), &self.context, &self.runtime)?;
            self.put_folder(fresh, &one.name)?;
        }
        Ok(folder)
    }

    /// Gives an unpacked folder its name.
    fn put_folder(&self, folder: tempfile::TempDir, name: &PackageName) -> Result<(), PkgError> {
        let target = self.cache.join(name.stem());
        remove_folder(&target)?;
        std::fs::rename(folder.path(), &target)
            .map_err(|error| PkgError::io("rename to", &target, &error))?;
        // It has another name now: nothing is left to remove.
        let _ = folder.keep();
        Ok(())
    }

    fn remove_one(&self, one: &Installed) -> Result<(), PkgError> {
        match std::fs::remove_file(&one.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(PkgError::io("remove", &one.file, &error));
            }
            _ => {}
        }
        remove_folder(&self.cache.join(one.name.stem()))
    }

    fn refuse_taken(&self, name: &PackageName, manifest: &Manifest) -> Result<(), PkgError> {
        let wanted = schemes(manifest);
        for one in self.list()?.iter().filter(|one| one.name.name != name.name) {
            // One that cannot be read provides nothing.
            let taken = self.cache.join(one.name.stem()).join("manifest.yaml");
            let Ok(other) = Manifest::read(&taken) else { continue };
            if let Some(scheme) = schemes(&other).intersection(&wanted).next() {
                return Err(PkgError::ProtocolTaken(scheme.clone()));
            }
        }
        Ok(())
    }

    /// A private copy in the data directory, flushed.
    fn copy(&self, file: &Path) -> Result<tempfile::NamedTempFile, PkgError> {
        let mut from = File::open(file).map_err(|error| PkgError::io("open", file, &error))?;
        let mut copy = || -> std::io::Result<tempfile::NamedTempFile> {
            let mut copy = tempfile::Builder::new().prefix(".pkg-").tempfile_in(&self.data)?;
            std::io::copy(&mut from, copy.as_file_mut())?;
            copy.as_file().sync_all()?;
            Ok(copy)
        };
        copy().map_err(|error| PkgError::io("copy", file, &error))
    }

    pub(crate) fn lock(&self) -> Result<File, PkgError> {
        make_private(&self.data)?;
        let path = self.data.join(".lock");
        let lock = || -> std::io::Result<File> {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        };
        lock().map_err(|error| PkgError::io("lock", &path, &error))
    }

    /// Removes what interrupted installations left.
    fn sweep(&self) {
        let old = |path: &Path| {
            let modified = path.symlink_metadata().and_then(|stat| stat.modified());
            modified
                .is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > LEFTOVER_AGE))
        };
        for (folder, prefix) in [(&self.data, ".pkg-"), (&self.cache, ".extract-")] {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_name().to_string_lossy().starts_with(prefix) && old(&path) {
                    let _ = std::fs::remove_file(&path);
                    let _ = std::fs::remove_dir_all(&path);
                }
            }
        }
    }
}

fn remove_folder(path: &Path) -> Result<(), PkgError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(PkgError::io("remove", path, &error))
        }
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<(), PkgError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| PkgError::io("flush", folder, &error))
}
