//! Names of package files: `NAME_VERSION_OS_ARCH.ptar`.

use std::fmt;

use plugin_sdk::convert::{go_arch, go_os};

use crate::{PkgError, version};

/// What a package's file name says; nothing else identifies it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PackageName {
    /// Letters, digits and dashes.
    pub name: String,
    /// With its leading `v`.
    pub version: String,
    /// As Go calls it: `linux`, `darwin`.
    pub os: String,
    /// As Go calls it: `amd64`, `arm64`.
    pub arch: String,
}

impl PackageName {
    /// A package for this machine; `GOOS` and `GOARCH` are the caller's affair.
    pub fn new(name: &str, version: &str, os: &str, arch: &str) -> Result<Self, PkgError> {
        let found = Self {
            name: name.to_owned(),
            version: version.to_owned(),
            os: os.to_owned(),
            arch: arch.to_owned(),
        };
        Self::parse(&found.to_string())
    }

    /// Reads a file name.
    pub fn parse(file_name: &str) -> Result<Self, PkgError> {
        let malformed = || PkgError::MalformedName(file_name.to_owned());
        let stem = file_name.strip_suffix(".ptar").ok_or_else(malformed)?;
        let fields: Vec<&str> = stem.split('_').collect();
        let [name, version, os, arch] = fields.as_slice() else { return Err(malformed()) };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let good = is_name(name) && version::is_valid(version) && plain(os) && plain(arch);
        if !good {
            return Err(malformed());
        }
        Ok(Self {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            os: (*os).to_owned(),
            arch: (*arch).to_owned(),
        })
    }

    /// Whether it is for this machine.
    pub fn fits_here(&self) -> bool {
        self.os == go_os() && self.arch == go_arch()
    }

    /// The file name without `.ptar`: the name of the unpacked folder.
    pub fn stem(&self) -> String {
        format!("{}_{}_{}_{}", self.name, self.version, self.os, self.arch)
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.ptar", self.stem())
    }
}

/// Whether a package may be called so.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_have_four_fields() {
        let found = PackageName::parse("sftp_v1.1.0-beta.5_linux_amd64.ptar").unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str()), ("sftp", "v1.1.0-beta.5"));
        assert_eq!(found.to_string(), "sftp_v1.1.0-beta.5_linux_amd64.ptar");
        for bad in [
            "bad.ptar",
            "sftp_v1_linux.ptar",
            "a_b_v1.0.0_linux_amd64.ptar",
            "sftp_1.0.0_linux_amd64.ptar",
            "_v1.0.0_linux_amd64.ptar",
            "../x_v1.0.0_linux_amd64.ptar",
            "sftp_v1.0.0_linux_amd64",
        ] {
            let error = PackageName::parse(bad).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid package name {bad:?}: is malformed"));
        }
    }
}
