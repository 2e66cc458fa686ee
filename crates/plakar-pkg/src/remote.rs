//! Where packages are fetched from: recipes, packages, the index.
//!
//! The base is an `http(s)://` address or a `file://` folder of the same layout.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugin_sdk::convert::{go_arch, go_os};
use serde::Deserialize;
use ureq::Agent;

use crate::{API_VERSION, PackageName, PkgError, Recipe, version};

/// Where packages come from unless the user names another place.
pub const PACKAGES_BASE: &str = "https://plakar.io/dist/plugins/kloset/community";
/// Where the index and the login are.
pub const API_BASE: &str = "https://api.plakar.io";

const TEXT_BYTES_MAX: u64 = 16 << 20;
const PACKAGE_BYTES_MAX: u64 = 2 << 30;
/// Time for a connection, and for the first byte of an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// A server that sends nothing for this long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Servers, and how to speak to them.
#[derive(Clone)]
pub struct Remote {
    packages: String,
    pub(crate) api: String,
    pub(crate) agent: Agent,
    pub(crate) client: String,
}

/// A package of the index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Available {
    /// Name.
    pub name: String,
    /// Newest version.
    pub version: String,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    integrations: Vec<Integration>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Integration {
    edition: String,
    api: String,
    name: String,
    version: String,
}

impl Remote {
    /// Servers by their addresses; empty ones mean the defaults. `client` is sent as user agent.
    pub fn new(packages: Option<String>, api: Option<String>, client: &str) -> Self {
        let base = |given: Option<String>, default: &str| {
            let given = given.filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned());
            given.trim_end_matches('/').to_owned()
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(SILENCE_MAX))
            .build()
            .new_agent();
        Self {
            packages: base(packages, PACKAGES_BASE),
            api: base(api, API_BASE),
            agent,
            client: format!("{client} ({}/{})", go_os(), go_arch()),
        }
    }

    /// The recipe of a package.
    pub fn recipe(&self, name: &str) -> Result<Recipe, PkgError> {
        if !crate::name::is_name(name) {
            return Err(PkgError::MalformedName(name.to_owned()));
        }
        self.recipe_at(&format!("{}/{API_VERSION}/{name}/recipe.yaml", self.packages))
    }

    /// A recipe by its address.
    pub fn recipe_at(&self, url: &str) -> Result<Recipe, PkgError> {
        Recipe::parse(&self.text(url)?, Path::new(url))
    }

    /// Fetches a package into `folder`; it is not verified yet.
    pub fn package(
        &self,
        name: &PackageName,
        token: Option<&str>,
        folder: &Path,
    ) -> Result<PathBuf, PkgError> {
        let url = format!("{}/{API_VERSION}/{}/{name}", self.packages, name.name);
        // A folder of this machine asks for no login.
        if token.is_none() && !url.starts_with("file://") {
            return Err(PkgError::AuthenticationRequired);
        }
        let target = folder.join(name.to_string());
        let mut body = self.get(&url, token)?.take(PACKAGE_BYTES_MAX + 1);
        let mut file =
            std::fs::File::create_new(&target).map_err(|error| PkgError::io("create", &target, &error))?;
        let length = std::io::copy(&mut body, &mut file).map_err(|error| unreachable(&url, &error))?;
        if length > PACKAGE_BYTES_MAX {
            return Err(PkgError::BadAnswer { url, reason: "the package is too long".to_owned() });
        }
        Ok(target)
    }

    /// Packages of the index, by name.
    pub fn index(&self) -> Result<Vec<Available>, PkgError> {
        let url = format!("{}/v1/integrations/integrations-v1.0.0.json", self.api);
        let text = self.text(&url)?;
        let index: Index = serde_json::from_str(&text)
            .map_err(|error| PkgError::BadAnswer { url, reason: error.to_string() })?;
        let wanted = index.integrations.into_iter().filter(|one| {
            one.api == API_VERSION
                && one.edition == "community"
                && crate::name::is_name(&one.name)
                && version::is_valid(&one.version)
        });
        let mut found: Vec<Available> =
            wanted.map(|one| Available { name: one.name, version: one.version }).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| version::compare(&b.version, &a.version)));
        found.dedup_by(|later, first| later.name == first.name);
        Ok(found)
    }

    fn text(&self, url: &str) -> Result<String, PkgError> {
        let mut text = String::new();
        let read = self.get(url, None)?.take(TEXT_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| unreachable(url, &error))?;
        Ok(text)
    }

    fn get(&self, url: &str, token: Option<&str>) -> Result<Box<dyn Read>, PkgError> {
        if let Some(path) = url.strip_prefix("file://") {
            return match std::fs::File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Err(PkgError::Fetch { status: "404 Not Found".to_owned() })
                }
                Err(error) => Err(PkgError::io("open", path, &error)),
            };
        }
        let mut request = self.agent.get(url).header("User-Agent", &self.client);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|error| unreachable(url, &error))?;
        if response.status() != 200 {
            return Err(PkgError::Fetch { status: status_text(response.status()) });
        }
        Ok(Box::new(response.into_body().into_reader()))
    }
}

/// Code and words of a status.
pub(crate) fn status_text(status: ureq::http::StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

pub(crate) fn unreachable(url: &str, error: &dyn std::fmt::Display) -> PkgError {
    PkgError::Unreachable { url: url.to_owned(), reason: error.to_string() }
}
