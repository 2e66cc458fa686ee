//! Entries from foreign files: YAML, JSON or INI.

use std::collections::BTreeMap;

use kloset_connector::Options;

use crate::config::yaml;

/// Reads entries from the text of a file; null and empty values are dropped.
pub fn read(text: &str) -> Result<BTreeMap<String, Options>, String> {
    let yaml_error = match yaml::read_entries(text) {
        Ok(raw) => {
            return Ok(raw
                .into_iter()
                .filter(|(name, options)| options.is_some() && !is_file_key(name))
                .map(|(name, options)| {
                    let options = options.unwrap_or_default().into_iter();
                    (
                        name,
                        options
                            .filter_map(|(key, value)| Some((key, value?)))
                            .filter(|(_, v)| !v.is_empty())
                            .collect(),
                    )
                })
                .collect());
        }
        Err(error) => error,
    };
    if let Ok(entries) = json(text) {
        return Ok(entries);
    }
    ini(text).map_err(|_| format!("failed to parse config data: {yaml_error}"))
}

/// Keys of our own files that are no entries.
fn is_file_key(name: &str) -> bool {
    matches!(name, "version" | "default")
}

fn json(text: &str) -> Result<BTreeMap<String, Options>, String> {
    let raw: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(raw
        .into_iter()
        .map(|(name, options)| {
            let texts = options.into_iter().filter_map(|(key, value)| Some((key, json_text(&value)?)));
            (name, texts.collect())
        })
        .collect())
}

fn json_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) if text.is_empty() => None,
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

fn ini(text: &str) -> Result<BTreeMap<String, Options>, String> {
    let options = ini::ParseOption { enabled_escape: false, ..Default::default() };
    let parsed = ini::Ini::load_from_str_opt(text, options).map_err(|error| error.to_string())?;
    let mut out = BTreeMap::new();
    for (name, properties) in parsed.iter() {
        let Some(name) = name else {
            if properties.is_empty() {
                continue;
            }
            return Err("key outside of a section".to_owned());
        };
        let pairs = properties.iter().filter(|(_, value)| !value.is_empty());
        out.insert(name.to_owned(), pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect());
    }
    Ok(out)
}

/// Entries of an rclone configuration: each option becomes `rclone_OPTION`.
pub fn from_rclone(entries: BTreeMap<String, Options>) -> BTreeMap<String, Options> {
    entries
        .into_iter()
        .map(|(name, options)| {
            let mut out: Options =
                options.into_iter().map(|(key, value)| (format!("rclone_{key}"), value)).collect();
            out.insert("location".to_owned(), "rclone://".to_owned());
            (name, out)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_formats_give_the_same_entries() {
        let expected = Options::from([
            ("location".to_owned(), "sftp://h/p".to_owned()),
            ("port".to_owned(), "22".to_owned()),
        ]);
        for text in [
            "a:\n  location: sftp://h/p\n  port: 22\n  none:\n  empty: \"\"\n",
            "{\"a\": {\"location\": \"sftp://h/p\", \"port\": 22, \"none\": null}}",
            "[a]\nlocation = sftp://h/p\nport=22\nempty=\n",
        ] {
            assert_eq!(read(text).unwrap()["a"], expected, "{text}");
        }
        assert!(read("[[[").unwrap_err().starts_with("failed to parse config data: "));
    }

    #[test]
    fn rclone_options_are_prefixed() {
        let found = from_rclone(read("[r]\ntype = drive\n").unwrap());
        assert_eq!(found["r"]["rclone_type"], "drive");
        assert_eq!(found["r"]["location"], "rclone://");
    }
}
