//! From what the user wrote to a location and its options.

use kloset_connector::{Location, Options};

use crate::app::App;
use crate::config::{Kind, mask};
use crate::error::Failure;
use crate::machine;

/// A place with the options it is reached with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub location: Location,
    /// Options of the configuration entry, `location` included.
    pub options: Options,
}

impl Place {
    /// The location for messages, without secrets.
    pub fn shown(&self) -> String {
        mask::location(&self.location.to_string()).into_owned()
    }

    fn plain(text: &str) -> Self {
        let location = Location::parse(text);
        let options = Options::from([("location".to_owned(), location.to_string())]);
        Self { location, options }
    }
}

/// Resolves a location, `@name`, `@name:sub` or `@name:/abs`.
pub fn place(app: &App, kind: Kind, text: &str) -> Result<Place, Failure> {
    let Some(reference) = text.strip_prefix('@') else {
        // No path is the current directory.
        return Ok(Place::plain(if text.is_empty() { "." } else { text }));
    };
    let (name, sub) = reference.split_once(':').unwrap_or((reference, ""));
    let configuration = app.configuration()?;
    let role = match kind {
        Kind::Store => "repository",
        Kind::Source => "importer",
        Kind::Destination => "exporter",
    };
    let Some(entry) = configuration.section(kind).entries.get(name) else {
        return Err(Failure::refused(format!("could not resolve {role}: @{name}"))
            .with_hint(format!("`plakar {} show` lists the known names", kind.word())));
    };
    from_entry(name, entry, sub)
}

/// The name of an entry whose `@` was forgotten in a location that leads nowhere.
pub fn meant_entry(app: &App) -> Option<String> {
    let name = app.location.as_deref()?;
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    app.configuration().ok()?.stores.entries.contains_key(name).then(|| name.to_owned())
}

/// The place of a configuration entry; `sub` joins or replaces its path.
pub fn from_entry(name: &str, entry: &Options, sub: &str) -> Result<Place, Failure> {
    let Some(text) = entry.get("location") else {
        return Err(Failure::refused(format!("entry \"{name}\" has no location")));
    };
    let mut location = Location::parse(text);
    location.rest = with_sub(&location, sub);
    let mut options = entry.clone();
    options.insert("location".to_owned(), location.to_string());
    Ok(Place { location, options })
}

/// The location's rest with its path replaced (absolute `sub`) or extended (relative one).
fn with_sub(location: &Location, sub: &str) -> String {
    if sub.is_empty() {
        return location.rest.clone();
    }
    let local = matches!(location.scheme.as_str(), "fs" | "ptar" | "tar" | "tar+gz" | "tar+gzip" | "tgz");
    let (authority, path) = if local {
        ("", location.rest.as_str())
    } else {
        location.rest.split_at(location.rest.find('/').unwrap_or(location.rest.len()))
    };
    if sub.starts_with('/') {
        return format!("{authority}{sub}");
    }
    let absolute = path.starts_with('/') || !local;
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').chain(sub.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    format!("{authority}{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}

/// The store of a command: `at`, `$PLAKAR_REPOSITORY`, the default entry, `~/.plakar`.
pub fn store(app: &App) -> Result<Place, Failure> {
    if let Some(location) = &app.location {
        return place(app, Kind::Store, location);
    }
    if let Some(location) = machine::variable("PLAKAR_REPOSITORY")? {
        return place(app, Kind::Store, &location);
    }
    if let Some(default) = app.configuration()?.stores.default {
        return place(app, Kind::Store, &format!("@{default}"));
    }
    let home = app.directories.home.join(".plakar");
    match home.to_str() {
        Some(home) => Ok(Place::plain(&format!("fs:{home}"))),
        None => Err(Failure::refused("the home directory's name is not valid UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(location: &str, sub: &str) -> String {
        let entry = Options::from([("location".to_owned(), location.to_owned())]);
        from_entry("x", &entry, sub).unwrap().location.to_string()
    }

    #[test]
    fn sub_paths_join_or_replace() {
        for (location, sub, found) in [
            ("/a/b", "", "fs:///a/b"),
            ("/a/b", "c", "fs:///a/b/c"),
            ("/a/b", "../c", "fs:///a/c"),
            ("/a/b", "../../../c", "fs:///c"),
            ("/a/b", "/c", "fs:///c"),
            ("rel", "c", "fs://rel/c"),
            ("sftp://u@h:22/p", "c", "sftp://u@h:22/p/c"),
            ("sftp://u@h:22/p", "/c", "sftp://u@h:22/c"),
            ("sftp://h", "c", "sftp://h/c"),
        ] {
            assert_eq!(joined(location, sub), found, "{location} {sub}");
        }
    }

    #[test]
    fn an_entry_without_location_is_refused() {
        assert!(from_entry("x", &Options::new(), "").is_err());
    }
}
