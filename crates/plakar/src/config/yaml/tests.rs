//! The three files and their older forms.

use super::*;

fn section(pairs: &[(&str, &str)]) -> Section {
    let options = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    Section { default: None, entries: BTreeMap::from([("name".to_owned(), options)]) }
}

#[test]
fn what_is_written_is_read_back_whatever_it_holds() {
    let values = [
        "",
        "y",
        "No",
        "null",
        "~",
        "22",
        "0x1f",
        "1e3",
        "1_000",
        "10:30",
        "2026-01-02",
        "-",
        "- a",
        "a: b",
        "a:",
        "a #b",
        "#a",
        "'a'",
        "\"a\"",
        "a\nb\n",
        " a",
        "a ",
        "\u{85}",
        "\u{7f}",
        "@x",
        "%x",
        "*x",
        "&x",
        "[x",
        "{x",
        "true",
        ".5",
        "+1",
        "sftp://u@h:22/p",
        "C:\\x",
        "é",
        "<<",
        "=",
        "a\tb",
        "---",
        "?",
        ": x",
        "off",
        "12e03",
        "0o7",
        "123abc",
        "sh -c 'echo \"x\"'",
        "\u{feff}x",
        ".inf",
    ];
    for value in values {
        let before = section(&[("key", value), ("location", "/x")]);
        let text = write_section(Kind::Store, &before);
        assert_eq!(read_section(Kind::Store, &text).as_ref(), Ok(&before), "{text}");
    }
}

#[test]
fn layout_is_that_of_upstream() {
    let mut both = section(&[("x", "y"), ("c", ""), ("location", "sftp://h/p")]);
    both.default = Some("name".to_owned());
    let text = write_section(Kind::Store, &both);
    let expected = "version: v1.0.0\ndefault: name\nstores:\n    name:\n        c: \"\"\n        \
                    location: sftp://h/p\n        x: \"y\"\n";
    assert_eq!(text, expected);
    assert_eq!(write_section(Kind::Source, &Section::default()), "version: v1.0.0\nsources: {}\n");
}

#[test]
fn scalars_are_taken_as_the_text_that_stands_there() {
    let text = "version: v1.0.0\nstores:\n  a:\n    port: 0022\n    flag: yes\n    none:\n    e: 1e3\n";
    let found = read_section(Kind::Store, text).unwrap();
    let a = &found.entries["a"];
    assert_eq!(
        (a["port"].as_str(), a["flag"].as_str(), a["none"].as_str(), a["e"].as_str()),
        ("0022", "yes", "", "1e3")
    );
}

#[test]
fn older_forms_are_read() {
    let found =
        read_section(Kind::Store, "a:\n  location: /x\n  .isDefault: yes\nb:\n  location: /y\n").unwrap();
    assert_eq!(found.default.as_deref(), Some("a"));
    assert_eq!(found.entries["a"].len(), 1);
    let two = "a:\n  .isDefault: yes\nb:\n  .isDefault: yes\n";
    assert_eq!(read_section(Kind::Store, two), Err("multiple default store".to_owned()));
    let (stores, remotes) = read_oldest(
        "default-repo: a\nrepositories:\n  a:\n    location: /x\nremotes:\n  r:\n    location: /r\n",
    )
    .unwrap();
    assert_eq!(stores.default.as_deref(), Some("a"));
    assert!(stores.entries.contains_key("a") && remotes.entries.contains_key("r"));
    assert_eq!(read_section(Kind::Store, ""), Ok(Section::default()));
    assert!(read_section(Kind::Store, "version: v9\n").is_err());
    assert!(read_section(Kind::Store, "a: [1,").is_err());
}
