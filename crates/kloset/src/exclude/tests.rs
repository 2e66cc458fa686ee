use super::*;

fn rules(patterns: &[&str], root: &str) -> Exclude {
    let patterns: Vec<String> = patterns.iter().map(|&p| p.to_owned()).collect();
    Exclude::new(&patterns, &[root.as_bytes().to_vec()]).unwrap()
}

#[test]
fn table_of_patterns_and_paths() {
    // pattern, path, is a directory, left out; the root is /srv/data
    let table: &[(&str, &str, bool, bool)] = &[
        ("*.log", "/srv/data/a/b.log", false, true),
        ("*.log", "/srv/data/b.logs", false, false),
        ("*", "/srv/data", true, true),
        ("*", "/", true, false),
        ("build", "/srv/data/x/build", true, true),
        ("build/", "/srv/data/x/build", true, true),
        ("build/", "/srv/data/x/build", false, false),
        // Anchored at the snapshot's root, or below the backup's root when that cannot be.
        ("/srv/data/build", "/srv/data/build", true, true),
        ("/srv/data/build", "/srv/data/x/build", true, false),
        ("/srv/build", "/srv/data/srv/build", true, false),
        ("/build", "/srv/data/build", true, true),
        ("/build", "/srv/data/x/build", true, false),
        ("src/build", "/srv/data/src/build", true, true),
        ("src/build", "/srv/data/x/src/build", true, false),
        ("/tmp/*", "/srv/data/tmp/x", false, false),
        ("**/src/build", "/srv/data/x/src/build", true, true),
        ("**/src/build", "/srv/data/src/build", true, true),
        ("/srv/**/build", "/srv/build", true, true),
        ("/srv/**/build", "/srv/a/b/build", true, true),
        ("/srv/data/a/**", "/srv/data/a", true, false),
        ("/srv/data/a/**", "/srv/data/a/b/c", false, true),
        ("/srv/*/c", "/srv/a/b/c", false, false),
        ("**/a/**/b/**/c", "/a/x/b/b/y/c", false, true),
        ("**/a/**/b/**/c", "/a/x/y/c", false, false),
        ("**", "/srv/data/x", false, true),
        // Characters.
        ("a?c", "/srv/data/abc", false, true),
        ("a?c", "/srv/data/a\u{e9}c", false, true),
        ("a?c", "/srv/data/ac", false, false),
        ("[ab]x", "/srv/data/bx", false, true),
        ("[!ab]x", "/srv/data/bx", false, false),
        ("[^ab]x", "/srv/data/cx", false, true),
        ("[a-c]x", "/srv/data/cx", false, true),
        ("[]]x", "/srv/data/]x", false, true),
        ("[a-]x", "/srv/data/-x", false, true),
        ("[[:digit:]]x", "/srv/data/7x", false, true),
        ("*a*b*c", "/srv/data/xxaybzbc", false, true),
        ("*a*b*c", "/srv/data/xxaybzb", false, false),
        // No brace expansion in this dialect.
        ("{a,b}", "/srv/data/a", false, false),
        ("{a,b}", "/srv/data/{a,b}", false, true),
        // Escapes and blanks.
        (r"\#x", "/srv/data/#x", false, true),
        (r"\!x", "/srv/data/!x", false, true),
        (r"\*", "/srv/data/a", false, false),
        ("x  ", "/srv/data/x", false, true),
        ("x\\  ", "/srv/data/x ", false, true),
        ("x\\  ", "/srv/data/x", false, false),
        (" x", "/srv/data/ x", false, true),
    ];
    for &(pattern, path, is_dir, wanted) in table {
        assert_eq!(
            rules(&[pattern], "/srv/data").excluded(path.as_bytes(), is_dir),
            wanted,
            "{pattern} {path}"
        );
    }
}

#[test]
fn last_match_wins_and_exclamation_takes_back() {
    let exclude = rules(&["*.log", "!keep.log", "", "# comment", "/srv/data/x/keep.log"], "/srv/data");
    assert!(exclude.excluded(b"/srv/data/a.log", false));
    assert!(!exclude.excluded(b"/srv/data/keep.log", false));
    assert!(exclude.excluded(b"/srv/data/x/keep.log", false));
}

#[test]
fn names_that_are_not_utf8_are_matched() {
    let exclude = rules(&["*.tmp", "a?b"], "/");
    assert!(exclude.excluded(b"/x/\xff\xfe.tmp", false));
    assert!(exclude.excluded(b"/a\xffb", false));
    assert!(!exclude.excluded(b"/a\xff\xffb", false));
}

#[test]
fn root_of_the_system_needs_no_fallback() {
    let exclude = rules(&["/build"], "/");
    assert!(exclude.excluded(b"/build", true));
    assert!(!exclude.excluded(b"/x/build", true));
}

#[test]
fn unused_patterns_are_told_and_shadowed_ones_are_not() {
    let exclude = rules(&["a*", "ab", "nothing"], "/");
    assert!(exclude.excluded(b"/ab", false));
    assert_eq!(exclude.unmatched_patterns(), ["nothing"]);
}

#[test]
fn bad_patterns_are_refused_with_their_reason() {
    for pattern in ["[a", "x\\", "[[:nope:]]"] {
        let error = Exclude::new(&[pattern.to_owned()], &[]).unwrap_err();
        assert!(matches!(error, Error::BadPattern { .. }), "{pattern}");
    }
}
