//! Flags, help and the words of the line.

use crate::support::Home;

#[test]
fn help_goes_to_standard_error_and_touches_no_store() {
    let home = Home::new();
    for words in [
        &["-h"][..],
        &["--help"],
        &["at", "/nonexistent", "ls", "-h"],
        &["backup", "-help"],
        &["store", "add", "-h"],
    ] {
        let ran = home.run(words);
        assert!(ran.err.contains("Usage: plakar"), "{ran:?}");
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{words:?}");
    }
}

#[test]
fn mistakes_on_the_line_have_their_words() {
    let home = Home::new();
    let program = env!("CARGO_BIN_EXE_plakar");
    for (words, code, text) in [
        (&["-nosuch"][..], 2, "flag provided but not defined: -nosuch\nUsage: "),
        (&["ls", "--nosuch=1"], 2, "flag provided but not defined: -nosuch\nUsage: "),
        (&["ls", "-latest=x"], 2, "invalid boolean value \"x\" for -latest: parse error\n"),
        (
            &["ls", "-before", "never"],
            2,
            "invalid value \"never\" for flag -before: invalid date \"never\"\n",
        ),
        (&["-cpu"], 2, "flag needs an argument: -cpu\n"),
        (&["-retry-timeout", "5", "ls"], 2, "invalid value \"5\" for flag -retry-timeout: "),
        (&["nosuch"], 64, "command not found: nosuch\n"),
        (&[], 64, "a subcommand must be provided\nCommands:\n"),
        (&["at"], 64, "missing plakar repository\n"),
        (&["at", "/x"], 64, "missing command\n"),
        (&["at", "/x", "-quiet", "ls"], 64, "command not found: -quiet\n"),
        (&["version", "x"], 64, "too many arguments\n"),
        (&["ls", "a", "-nosuch"], 64, "unexpected flag after the arguments: -nosuch\n"),
        (&["-cpu", "0", "version"], 64, "invalid -cpu value 0\n"),
        (&["-concurrency", "0", "version"], 64, "invalid -concurrency value 0\n"),
        (&["store"], 64, "no action specified\n"),
        (&["store", "nosuch"], 64, "usage: plakar store [add|check|import|ping|rm|set|show|unset]\n"),
    ] {
        let ran = home.run(words);
        let expected = format!("{program}: {text}");
        assert!(ran.err.starts_with(&expected), "{words:?}: {ran:?}");
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{words:?}");
    }
}

#[test]
fn a_file_named_like_a_flag_is_not_taken_for_one() {
    let home = Home::with_store_and_data();
    std::fs::write(home.path("-check"), "").unwrap();
    let err = home.run(["at", "store", "backup", "data", "-check"]).fails(64);
    assert!(err.contains("hint: flags go before the arguments"), "{err}");
    std::fs::remove_file(home.path("-check")).unwrap();
    home.run(["at", "store", "backup", "data", "-tag", "late"]).ok();
    assert_eq!(home.run(["at", "store", "ls", "-tag=late"]).ok().lines().count(), 1);
}

#[test]
fn version_time_and_security_cookie() {
    let home = Home::new();
    let version = home.run(["version"]).ok();
    assert!(version.starts_with("plakar/v") && version.lines().count() == 1);
    assert!(home.run(["-time", "version"]).ok().contains("\ntime: "));
    assert_eq!(home.run(["-disable-security-check"]).ok(), "security check disabled\n");
    let cookie = home.path(".cache/plakar/cookies/1.0.0/.disabled-security-check");
    assert!(cookie.exists());
    assert_eq!(home.run(["-enable-security-check"]).ok(), "security check enabled\n");
    assert!(!cookie.exists());
}
