//! `add`, `set`, `unset` and `rm`.

use kloset_connector::Options;

use super::{bare, change, missing, one_name};
use crate::app::App;
use crate::config::Kind;
use crate::error::{Failure, Outcome};

/// Key and value of a word, if it is a pair with a name.
fn pair(word: &str) -> Option<(String, String)> {
    let (key, value) = word.split_once('=')?;
    (!key.is_empty()).then(|| (key.to_owned(), value.to_owned()))
}

/// Adds an entry.
pub fn add(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let usage =
        || Failure::usage(format!("Usage: plakar {} add <name> <location> [<key>=<value>...]", kind.word()));
    let [name, location, pairs @ ..] = words else { return Err(usage()) };
    let location = location.strip_prefix("location=").unwrap_or(location);
    let mut options = Options::from([("location".to_owned(), location.to_owned())]);
    for word in pairs {
        let (key, value) = pair(word).ok_or_else(usage)?;
        options.insert(key, value);
    }
    let name = bare(name);
    change(app, |configuration| {
        let entries = &mut configuration.section_mut(kind).entries;
        if entries.contains_key(name) {
            return Err(Failure::refused(format!("{} \"{name}\" already exists", kind.word())));
        }
        entries.insert(name.to_owned(), options);
        Ok(())
    })
}

/// Sets options of an entry.
pub fn set(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let [name, pairs @ ..] = words else {
        return Err(Failure::usage(format!("Usage: plakar {} set <name> <key>=<value>...", kind.word())));
    };
    if pairs.is_empty() {
        return Err(Failure::usage(format!("Usage: plakar {} set <name> <key>=<value>...", kind.word())));
    }
    let pairs: Option<Vec<_>> = pairs.iter().map(|word| pair(word)).collect();
    let Some(pairs) = pairs else {
        return Err(Failure::usage(format!("usage: plakar {} set <name> [<key>=<value>, ...]", kind.word())));
    };
    let name = bare(name);
    change(app, |configuration| {
        let entries = &mut configuration.section_mut(kind).entries;
        entries.get_mut(name).ok_or_else(|| missing(kind, name))?.extend(pairs);
        Ok(())
    })
}

/// Removes options of an entry.
pub fn unset(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let [name, keys @ ..] = words else {
        return Err(Failure::usage(format!("usage: plakar {} unset <name> [<key>, ...]", kind.word())));
    };
    if keys.iter().any(|key| key == "location") {
        return Err(Failure::refused("cannot unset location"));
    }
    let name = bare(name);
    change(app, |configuration| {
        let entries = &mut configuration.section_mut(kind).entries;
        let entry = entries.get_mut(name).ok_or_else(|| missing(kind, name))?;
        entry.retain(|key, _| !keys.contains(key));
        Ok(())
    })
}

/// Removes an entry.
pub fn remove(app: &App, kind: Kind, words: &[String]) -> Result<Outcome, Failure> {
    let name = one_name(kind, "rm", words)?;
    change(app, |configuration| {
        let section = configuration.section_mut(kind);
        section.entries.remove(name).ok_or_else(|| missing(kind, name))?;
        section.default.take_if(|default| default == name);
        Ok(())
    })
}
