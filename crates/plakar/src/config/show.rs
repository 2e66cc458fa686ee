//! Entries as text: YAML, JSON or INI, secrets masked unless asked for.

use std::fmt::Write;

use kloset_connector::Options;

use crate::config::{mask, yaml};

/// How entries are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `name:` and indented pairs.
    Yaml,
    /// One object a line.
    Json,
    /// A section with aligned `=`.
    Ini,
}

/// Whether secrets are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrets {
    /// As eight asterisks.
    Masked,
    /// As they are.
    Shown,
}

/// One entry as text, with its final newline.
pub fn entry(name: &str, options: &Options, format: Format, secrets: Secrets) -> String {
    let mut options = options.clone();
    if secrets == Secrets::Masked {
        for (key, value) in &mut options {
            if mask::is_secret(key) {
                *value = mask::MASK.to_owned();
            } else if key == "location" {
                *value = mask::location(value).into_owned();
            }
        }
    }
    match format {
        Format::Yaml => yaml::write_entry(name, &options),
        Format::Json => {
            let mut text = serde_json::json!({ name: options }).to_string();
            text.push('\n');
            text
        }
        Format::Ini => ini(name, &options),
    }
}

fn ini(name: &str, options: &Options) -> String {
    let width = options.keys().map(|key| key.chars().count()).max().unwrap_or(0);
    let mut out = format!("[{name}]\n");
    for (key, value) in options {
        let value = if value.contains(['\n', ';', '#', '"', '`', '\\']) || value.trim() != value {
            serde_json::Value::from(value.as_str()).to_string()
        } else {
            value.clone()
        };
        let _ = writeln!(out, "{key:<width$} = {value}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_masks_secrets() {
        let options = Options::from([
            ("location".to_owned(), "/x".to_owned()),
            ("passphrase".to_owned(), "p".to_owned()),
        ]);
        let show = |format, secrets| entry("a", &options, format, secrets);
        assert_eq!(show(Format::Yaml, Secrets::Masked), "a:\n    location: /x\n    passphrase: '********'\n");
        assert_eq!(show(Format::Yaml, Secrets::Shown), "a:\n    location: /x\n    passphrase: p\n");
        assert_eq!(
            show(Format::Json, Secrets::Shown),
            "{\"a\":{\"location\":\"/x\",\"passphrase\":\"p\"}}\n"
        );
        assert_eq!(show(Format::Ini, Secrets::Masked), "[a]\nlocation   = /x\npassphrase = ********\n");
    }
}
