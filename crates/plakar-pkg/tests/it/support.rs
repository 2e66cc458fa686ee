//! A private place for packages, and small packages to put there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use kloset::Runtime;
use kloset_connector::ConnectorContext;
use plakar_pkg::{Packages, PkgError, go_arch, go_os};
use tempfile::TempDir;

/// Data, cache and work folders that vanish with it.
pub struct Place {
    pub temp: TempDir,
    pub packages: Packages,
}

pub fn context() -> ConnectorContext {
    ConnectorContext::silent("/".into())
}

pub fn runtime() -> Runtime {
    Runtime::system(2, "test".to_owned())
}

impl Place {
    pub fn new() -> Self {
        let temp = TempDir::new().expect("temporary folder");
        let (data, cache) = (temp.path().join("data"), temp.path().join("cache"));
        let packages = Packages::new(&data, &cache, context(), runtime());
        Self { temp, packages }
    }

    pub fn data(&self) -> PathBuf {
        self.temp.path().join("data/plugins/v1.1.0")
    }

    pub fn cache(&self) -> PathBuf {
        self.temp.path().join("cache/plugins/v1.1.0")
    }

    /// Makes a package file for this machine whose program serves `scheme`.
    pub fn make(&self, name: &str, version: &str, scheme: &str) -> PathBuf {
        let sources = TempDir::new().expect("temporary folder");
        std::fs::create_dir(sources.path().join("bin")).expect("folder");
        let program = sources.path().join("bin/serve");
        std::fs::write(&program, format!("#!/bin/sh\n# {version}\nexit 0\n")).expect("write");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("mode");
        // Larger than a chunk, and not compressible to nothing.
        let data: Vec<u8> =
            (0u32..600_000).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        std::fs::write(sources.path().join("bin/data"), data).expect("write");
        let manifest = format!(
            "name: {name}\napi_version: v1.1.0\nconnectors:\n- type: importer\n  protocols: [{scheme}]\n  \
             executable: bin/serve\n  extra_files: [bin/data]\n  location_flags: [localfs]\n- type: inventory\n"
        );
        self.make_from(sources.path(), &manifest, &file_name(name, version)).expect("package")
    }

    /// Makes a package of a folder and a manifest text.
    pub fn make_from(&self, folder: &Path, manifest: &str, file: &str) -> Result<PathBuf, PkgError> {
        let path = folder.join("manifest.yaml");
        std::fs::write(&path, manifest).expect("write");
        let out = self.temp.path().join(file);
        plakar_pkg::create(&path, "v1.0.0", &out, &context(), &runtime()).map(|()| out)
    }
}

pub fn file_name(name: &str, version: &str) -> String {
    format!("{name}_{version}_{}_{}.ptar", go_os(), go_arch())
}

/// Names in a folder, sorted; hidden ones too.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("folder")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
