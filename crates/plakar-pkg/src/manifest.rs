//! `manifest.yaml`: what a package is and which connectors it brings.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::PkgError;

/// Longest manifest or recipe that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A manifest. Keys that are not named here are ignored.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// Default name of the package.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// One sentence.
    pub description: String,
    /// Version of the interface; not checked, as upstream does not.
    pub api_version: String,
    /// What it brings.
    pub connectors: Vec<Connector>,
}

/// One connector of a package.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Connector {
    /// `importer`, `exporter`, `storage`; others are skipped.
    #[serde(rename = "type")]
    pub kind: String,
    /// Schemes it answers to.
    pub protocols: Vec<String>,
    /// `localfs`, `file`, `stream`, `needack`, `nomerge`.
    pub location_flags: Vec<String>,
    /// Path relative to the manifest.
    pub executable: String,
    /// Arguments of the executable.
    pub args: Vec<String>,
    /// A JSON schema, packaged along.
    pub validator: String,
    /// More files, packaged along.
    pub extra_files: Vec<String>,
}

const KINDS: [&str; 3] = ["importer", "exporter", "storage"];
const FLAGS: [&str; 5] = ["localfs", "file", "stream", "needack", "nomerge"];

impl Manifest {
    /// Reads and checks a manifest file.
    pub fn read(path: &Path) -> Result<Self, PkgError> {
        Self::parse(&read_text(path)?, path)
    }

    /// Reads and checks a manifest from text; `path` is where it came from.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PkgError> {
        let bad = |reason: String| PkgError::BadFile { path: path.to_owned(), reason };
        let manifest: Self = serde_saphyr::from_str(text).map_err(|error| bad(one_line(&error)))?;
        for connector in manifest.connectors.iter().filter(|connector| connector.is_known()) {
            below(&connector.executable).ok_or_else(|| bad(not_below(&connector.executable)))?;
            if let Some(flag) = connector.location_flags.iter().find(|flag| !FLAGS.contains(&flag.as_str())) {
                return Err(bad(format!("unknown flag: {flag:?}")));
            }
        }
        Ok(manifest)
    }

    /// Types of connectors that this program has no use for.
    pub fn unknown_kinds(&self) -> Vec<&str> {
        self.connectors.iter().filter(|one| !one.is_known()).map(|one| one.kind.as_str()).collect()
    }
}

impl Connector {
    fn is_known(&self) -> bool {
        KINDS.contains(&self.kind.as_str())
    }

    /// Whether its locations are paths of this machine.
    pub fn has_local_paths(&self) -> bool {
        self.location_flags.iter().any(|flag| flag == "localfs")
    }

    /// Files it needs, relative to the manifest.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        let validator = (!self.validator.is_empty()).then_some(self.validator.as_str());
        std::iter::once(self.executable.as_str())
            .chain(validator)
            .chain(self.extra_files.iter().map(String::as_str))
    }
}

/// A relative path that stays below where it starts.
pub(crate) fn below(text: &str) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!clean.as_os_str().is_empty()).then_some(clean)
}

pub(crate) fn not_below(path: &str) -> String {
    format!("not below the manifest: {path}")
}

/// A small text file.
pub(crate) fn read_text(path: &Path) -> Result<String, PkgError> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|error| PkgError::io("open", path, &error))?;
    let mut text = String::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| PkgError::io("read", path, &error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(PkgError::BadFile { path: path.to_owned(), reason: "too long".to_owned() });
    }
    Ok(text)
}

pub(crate) fn one_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest, PkgError> {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("manifest.yaml");
        std::fs::write(&path, text).unwrap();
        Manifest::read(&path)
    }

    #[test]
    fn unknown_keys_and_kinds_are_ignored() {
        let manifest = read(
            "name: x\nhomepage: h\ntags: [a]\nconnectors:\n- type: importer\n  executable: bin/x\n  \
             protocols: [x, y]\n  license: ISC\n  location_flags: [localfs]\n- type: inventory\n",
        )
        .unwrap();
        assert_eq!(manifest.connectors.len(), 2);
        assert_eq!(manifest.unknown_kinds(), ["inventory"]);
        assert!(manifest.connectors[0].has_local_paths());
    }

    #[test]
    fn executables_stay_below_the_manifest() {
        for path in ["/bin/sh", "../x", "a/../../x", ""] {
            let text = format!("connectors:\n- type: storage\n  executable: {path:?}\n");
            assert!(read(&text).unwrap_err().to_string().contains("not below the manifest"), "{path}");
        }
        let text = "connectors:\n- {type: storage, executable: x, location_flags: [what]}\n";
        assert!(read(text).unwrap_err().to_string().contains("unknown flag: \"what\""));
        assert!(read("- not a map").is_err());
    }
}
