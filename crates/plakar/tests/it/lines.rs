//! Lines that scripts and people type, right and wrong: code, and what is said.

use crate::support::Home;

/// Words, exit code, all of standard output or nothing of it, and a part of standard error.
type Line = (&'static [&'static str], i32, &'static str, &'static str);

const GLOBALS: &[Line] = &[
    (&[], 64, "", "a subcommand must be provided\nCommands:\n"),
    (&["foo"], 64, "", ": command not found: foo\nhint: "),
    (&["at"], 64, "", ": missing plakar repository\n"),
    (&["at", "store"], 64, "", ": missing command\n"),
    (
        &["at", "store", "-quiet", "ls"],
        64,
        "",
        ": command not found: -quiet\nhint: global flags go before `at` or behind the command",
    ),
    (&["-x"], 2, "", ": flag provided but not defined: -x\nUsage: plakar [flags] [at LOCATION] COMMAND"),
    (&["-version"], 2, "", "flag provided but not defined: -version"),
    (&["-no-agent", "ls"], 2, "", "flag provided but not defined: -no-agent"),
    (
        &["-cpu", "x", "version"],
        2,
        "",
        "invalid value \"x\" for flag -cpu: parse error\nUsage: plakar [flags] [at",
    ),
    (&["-cpu", "0", "version"], 64, "", ": invalid -cpu value 0\n"),
    (&["-cpu=100000", "version"], 64, "", ": can't use more cores than available: "),
    (&["-concurrency", "0", "version"], 64, "", ": invalid -concurrency value 0\n"),
    (&["-concurrency", "-1", "ls", "-h"], 0, "", "Usage: plakar ls [flags] [ID[:PATH]]"),
    (&["-time=maybe", "version"], 2, "", "invalid boolean value \"maybe\" for -time: parse error"),
    (&["-keyfile"], 2, "", "flag needs an argument: -keyfile"),
    (
        &["-keyfile", "absent", "version"],
        64,
        "",
        ": could not read key file: absent: no such file or directory\n",
    ),
    (&["ls", "-keyfile", "absent"], 64, "", ": could not read key file: absent: no such file or directory\n"),
    (&["at", "store", "ls", "-cpu=x", "-tags"], 2, "", "invalid value \"x\" for flag -cpu: parse error"),
    (&["-h"], 0, "", "Usage: plakar [flags] [at LOCATION] COMMAND"),
    (&["version", "x"], 64, "", ": too many arguments\n"),
    (&["help", "nosuch"], 1, "", ": no manual for: nosuch\n"),
];

const LOCATIONS: &[Line] = &[
    (&["at", "nosuch", "ls"], 66, "", "failed to open the repository at fs://"),
    (&["at", "foo:bar", "ls"], 66, "", "backend 'foo' does not exist"),
    (&["at", "x:y", "ls"], 66, "", "/x:y: "),
    (&["at", "@nn", "ls"], 1, "", ": could not resolve repository: @nn\n"),
    (&["at", "@nn", "version"], 0, concat!("plakar/v", env!("CARGO_PKG_VERSION"), "\n"), ""),
    (&["at", "sftp:///x", "ls"], 66, "", "missing hostname in endpoint: \"sftp:///x\""),
    (&["at", "sftp://bad host/x", "ls"], 66, "", "invalid character \" \" in host name"),
    (&["at", "sftp://h:abc/x", "ls"], 66, "", "invalid port \":abc\" after host"),
    (&["at", "store", "backup", "@nn"], 1, "", ": could not resolve importer: @nn\n"),
    (&["at", "store", "backup", "foo:x"], 1, "", "unsupported importer protocol: foo\n"),
    (&["at", "store", "restore", "-to", "@nn"], 1, "", ": could not resolve exporter: @nn\n"),
    (&["at", "store", "sync", "to", "@nn"], 1, "", ": could not resolve repository: @nn\n"),
    (&["at", "store", "sync", "to", "store"], 1, "", ": cannot synchronize a store with itself\n"),
    (&["at", "fs:store", "ls"], 0, "", ""),
    (&["at", "fs://store", "ls"], 0, "", ""),
    (&["at", "./store", "ls"], 0, "", ""),
];

const COMMANDS: &[Line] = &[
    (&["ls", "x", "y"], 64, "", ": too many arguments\n"),
    (&["ls", "-before", "nope"], 2, "", "invalid value \"nope\" for flag -before: "),
    (&["ls", "-group-by", "foo"], 2, "", "invalid value \"foo\" for flag -group-by: "),
    (&["ls", "-per-day", "-1"], 2, "", "invalid value \"-1\" for flag -per-day: "),
    (&["create", "x"], 64, "", ": too many arguments\n"),
    (&["cat"], 64, "", ": at least one parameter is required\n"),
    (&["digest"], 64, "", ": at least one parameter is required\n"),
    (&["dup"], 64, "", ": at least one parameter is required\n"),
    (&["diff"], 64, "", ": usage: diff ID[:PATH] [ID[:PATH]]\n"),
    (&["archive"], 64, "", ": usage: archive "),
    (&["locate"], 0, "", ""),
    (&["locate", "["], 1, "", ": syntax error in pattern [\n"),
    (&["locate", "-snapshot", "zz", "a"], 1, "", ": invalid snapshot prefix: zz\n"),
    (&["check", "xyz"], 1, "", ": invalid snapshot prefix: xyz\n"),
    (&["check", "ffff"], 1, "", ": no snapshot has prefix: ffff\n"),
    (&["restore", "zz"], 1, "", ": no snapshots found\n"),
    (&["rm"], 64, "", ": no filter specified, not going to remove everything\n"),
    (&["rm", "-per-day", "1"], 2, "", "flag provided but not defined: -per-day\n"),
    (&["rm", "-name", "no"], 0, "info: rm: no snapshots matched the selection\n", ""),
    (&["prune"], 64, "", ": no filter or retention rule specified, not going to prune everything\n"),
    (&["prune", "-policy", "no"], 1, "", ": policy \"no\" not found\n"),
    (&["sync"], 64, "", ": usage: sync [ID] to|from|with LOCATION\n"),
    (&["sync", "x", "y", "z"], 64, "", ": invalid direction: y, must be to, from or with\n"),
    (&["repair"], 0, "info: no repairs needed\n", ""),
    (&["backup", "-force-timestamp", "2999-01-01"], 1, "", ": forced timestamp cannot be in the future\n"),
    (
        &["backup", "-ignore-file", "no"],
        1,
        "",
        ": unable to open excludes file: no: no such file or directory\n",
    ),
    (&["server", "-cert", "x"], 64, "", ": -cert and -key belong together\n"),
    (&["diag", "locks"], 0, "", ""),
    (&["diag", "no"], 64, "", ": usage: plakar diag [snapshot|state|packfile|"),
];

const PLACES: &[Line] = &[
    (&[], 64, "", ": no action specified\n"),
    (&["foo"], 64, "", ": usage: plakar KIND [add|check|import|ping|rm|set|show|unset]\n"),
    (&["add", "a"], 64, "", ": Usage: plakar KIND add <name> <location> [<key>=<value>...]\n"),
    (&["add", "a", "/x", "bad"], 64, "", ": Usage: plakar KIND add <name> <location> [<key>=<value>...]\n"),
    (&["add", "@a", "location=/x", "k=v"], 0, "", ""),
    (&["add", "a", "/x"], 1, "", ": KIND \"a\" already exists\n"),
    (&["set", "a"], 64, "", ": Usage: plakar KIND set <name> <key>=<value>...\n"),
    (&["set", "a", "k"], 64, "", ": usage: plakar KIND set <name> [<key>=<value>, ...]\n"),
    (&["set", "no", "k=v"], 1, "", ": KIND \"no\" does not exist\n"),
    (&["set", "a", "k=w", "password=p"], 0, "", ""),
    (&["unset", "a", "location"], 1, "", ": cannot unset location\n"),
    (&["unset", "a", "nokey"], 0, "", ""),
    (&["show"], 0, "a:\n    k: w\n    location: /x\n    password: '********'\n", ""),
    (&["show", "-ini", "a"], 0, "[a]\nk        = w\nlocation = /x\npassword = ********\n", ""),
    (
        &["show", "-json", "-secrets", "a"],
        0,
        "{\"a\":{\"k\":\"w\",\"location\":\"/x\",\"password\":\"p\"}}\n",
        "",
    ),
    (&["show", "no"], 1, "", "KIND \"no\" does not exist\n"),
    (&["show", "no"], 1, "", ": one or more KINDs do not exist\n"),
    (&["check", "no"], 1, "", ": KIND \"no\" does not exist\n"),
    (&["ping", "no"], 1, "", ": KIND \"no\" does not exist\n"),
    (
        &["import"],
        1,
        "",
        ": failed to load config: missing 'location' key in config data, `-rclone` import option",
    ),
    (&["rm", "a", "b"], 64, "", ": Usage: plakar KIND rm <name>\n"),
    (&["rm", "a"], 0, "", ""),
    (&["rm", "a"], 1, "", ": KIND \"a\" does not exist\n"),
];

fn try_all(home: &Home, before: &[&str], lines: &[Line], kind: &str) {
    for (words, code, out, err) in lines {
        let line: Vec<&str> = before.iter().chain(*words).copied().collect();
        let ran = home.run(&line);
        assert_eq!((ran.code, ran.out.as_str()), (*code, *out), "{line:?}: {ran:?}");
        let wanted = err.replace("KIND", kind);
        assert!(ran.err.contains(&wanted), "{line:?} does not say {wanted:?}: {ran:?}");
        assert!(!wanted.is_empty() || ran.err.is_empty(), "{line:?} says something: {ran:?}");
    }
}

#[test]
fn global_flags_and_words() {
    try_all(&Home::with_store_and_data(), &[], GLOBALS, "");
}

#[test]
fn locations() {
    try_all(&Home::with_store_and_data(), &[], LOCATIONS, "");
}

#[test]
fn commands_on_a_store() {
    try_all(&Home::with_store_and_data(), &["at", "store"], COMMANDS, "");
}

#[test]
fn entries_of_the_configuration() {
    let home = Home::new();
    for kind in ["store", "source", "destination"] {
        try_all(&home, &[kind], PLACES, kind);
    }
}
