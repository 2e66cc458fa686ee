//! What can go wrong with packages: each mistake has its words, its code, and its line in
//! `docs/packages.md`.

use std::path::Path;

use testkit::package_server::PackageServer;

use crate::packages::{OS, arch, sources};
use crate::support::Home;

/// A line, its exit code, and a part of what standard error says. `HOST` is this system.
type Mistake = (&'static [&'static str], i32, &'static str);

/// What the guide says instead of the words of this test.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("-nosuch", "-FLAG"),
    ("nosuch", "NAME"),
    ("../there/serve", "../PATH"),
    ("0.1.0", "VERSION"),
    (": one", ": VERSION"),
    ("/nonexistent/x", "FILE"),
    ("bad.ptar", "FILE"),
    ("protocol there", "protocol SCHEME"),
    ("fly", "WORD"),
    ("http://127.0.0.1:1/", "URL"),
];

const WITHOUT_LOGIN: &[Mistake] = &[
    (&["pkg"], 64, "no action specified"),
    (&["pkg", "fly"], 64, "invalid argument: fly"),
    (&["pkg", "add"], 64, "not enough arguments"),
    (&["pkg", "add", "known"], 1, "authentication required. Run `plakar login` and try again"),
    (&["pkg", "add", "known@v1.0.0"], 1, "authentication required. Run `plakar login` and try again"),
    (&["pkg", "add", "nosuch"], 1, "fetch failed with 404 Not Found"),
    (&["pkg", "add", "no_such"], 1, "is malformed"),
    (&["pkg", "add", "bad.ptar"], 1, "invalid package name \"bad.ptar\": is malformed"),
    (&["pkg", "add", "./missing_v1.0.0_HOST.ptar"], 1, "file not found: "),
    (&["pkg", "add", "/nonexistent/x"], 1, "file not found: /nonexistent/x"),
    (&["pkg", "add", "there_v1.0.0_HOST.ptar"], 1, "already installed"),
    (&["pkg", "add", "other_v1.0.0_plan9_mips.ptar"], 1, "OS or architecture don't match the current one"),
    (&["pkg", "add", "text_v1.0.0_HOST.ptar"], 1, "invalid magic"),
    (&["pkg", "add", "damaged_v1.0.0_HOST.ptar"], 1, "is damaged: "),
    (
        &["pkg", "add", "second_v1.0.0_HOST.ptar"],
        1,
        "protocol there already provided by another installed package",
    ),
    (&["pkg", "list", "extra"], 64, "too many arguments"),
    (&["pkg", "show", "-nosuch"], 2, "flag provided but not defined: -nosuch"),
    (&["pkg", "prefer", "nosuch"], 1, "package \"nosuch\" is not installed"),
    (&["pkg", "create", "x"], 64, "wrong usage"),
    (&["pkg", "create", "there/manifest.yaml", "0.1.0"], 1, "bad version string: 0.1.0"),
    (&["pkg", "create", "there/other.yaml", "v0.1.0"], 1, "manifest's file name must be manifest.yaml"),
    (&["pkg", "create", "nosuch/manifest.yaml", "v0.1.0"], 1, "no such file or directory"),
    (&["pkg", "create", "there/manifest.yaml", "v1.0.0"], 1, "file exists"),
    (&["pkg", "create", "closed/manifest.yaml", "v1.0.0"], 1, "Not executable: "),
    (&["pkg", "create", "outside/manifest.yaml", "v1.0.0"], 1, "not below the manifest: ../there/serve"),
    (&["pkg", "build"], 64, "wrong usage"),
    (&["pkg", "build", "nosuch"], 1, "fetch failed with 404 Not Found"),
    (&["pkg", "build", "./nosuch.yaml"], 1, "no such file or directory"),
    (&["pkg", "build", "./recipe.yaml"], 1, "git clone failed: "),
    (&["pkg", "build", "./bad-recipe.yaml"], 1, "bad version string: one"),
    (&["login", "-status", "-github"], 64, "must be used alone"),
    (&["login", "-email", "nobody"], 64, "invalid email address"),
    (&["login", "-env"], 1, "no auth token found in environment variable"),
    (&["logout"], 1, "not logged in"),
    (&["token", "create"], 1, "use `plakar login` first"),
];

const WITH_A_WRONG_TOKEN: &[Mistake] = &[
    (&["pkg", "add", "known"], 1, "fetch failed with 401 Unauthorized"),
    (&["pkg", "add", "known@v9.9.9"], 1, "fetch failed with 401 Unauthorized"),
    (&["logout"], 1, "managed via PLAKAR_TOKEN"),
];

const WITHOUT_A_SERVER: &[Mistake] = &[
    (&["pkg", "add", "known"], 1, "Get \"http://127.0.0.1:1/"),
    (&["pkg", "build", "known"], 1, "Get \"http://127.0.0.1:1/"),
    (&["pkg", "list", "-available"], 1, "failed to fetch the index: Get \"http://127.0.0.1:1/"),
];

/// A home with packages of all kinds of damage, and one that is installed.
fn home() -> Home {
    let home = Home::new();
    let host = format!("{OS}_{}", arch());
    for name in ["there", "second", "closed", "outside", "damaged"] {
        sources(&home, name, if name == "second" { "there" } else { name });
    }
    let file = |name: &str| home.path(format!("{name}_v1.0.0_{host}.ptar"));
    for name in ["there", "second", "damaged"] {
        let out = format!("{name}_v1.0.0_{host}.ptar");
        home.run(["pkg", "create", "-out", &out, &format!("{name}/manifest.yaml"), "v1.0.0"]).ok();
    }
    home.run(["pkg", "add", file("there").to_str().unwrap()]).ok();
    let mut bytes = std::fs::read(file("damaged")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file("damaged"), bytes).unwrap();
    std::fs::copy(file("second"), home.path("other_v1.0.0_plan9_mips.ptar")).unwrap();
    for name in [file("text"), home.path("bad.ptar")] {
        std::fs::write(name, "something else entirely, long enough to hold a header and a trailer".repeat(9))
            .unwrap();
    }
    std::fs::copy(home.path("there/manifest.yaml"), home.path("there/other.yaml")).unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(home.path("closed/serve"), closed).unwrap();
    let outside =
        "name: outside\nconnectors:\n- {type: storage, protocols: [o], executable: ../there/serve}\n";
    std::fs::write(home.path("outside/manifest.yaml"), outside).unwrap();
    let recipe = format!("name: r\nversion: v1.0.0\nrepository: file://{}\n", home.path("nowhere").display());
    std::fs::write(home.path("recipe.yaml"), &recipe).unwrap();
    std::fs::write(home.path("bad-recipe.yaml"), recipe.replace("v1.0.0", "one")).unwrap();
    home
}

fn try_all(home: &Home, mistakes: &[Mistake], variables: &[(&str, &str)]) {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/packages.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for (words, code, text) in mistakes {
        let words = words.iter().map(|word| word.replace("HOST", &format!("{OS}_{}", arch())));
        let words: Vec<String> = words.collect();
        let ran = home.run_with(&words, variables);
        assert_eq!(ran.code, *code, "{words:?}: {ran:?}");
        assert!(ran.err.contains(text), "{words:?} does not say {text:?}: {ran:?}");
        let listed =
            PLACEHOLDERS.iter().fold((*text).to_owned(), |text, (word, name)| text.replace(word, name));
        assert!(guide.contains(&listed), "docs/packages.md does not list {listed:?}");
    }
}

#[test]
fn every_mistake_has_its_words_and_its_code() {
    let home = home();
    let server = PackageServer::start("secret").unwrap();
    server.add("known", "recipe.yaml", b"name: known\nversion: v1.0.0\nrepository: https://h/r\n".to_vec());
    server.add("known", &format!("known_v1.0.0_{OS}_{}.ptar", arch()), b"x".to_vec());
    let (packages, api) = (server.packages_url(), server.api_url());
    let servers = [("PLAKAR_PACKAGE_URL", packages.as_str()), ("PLAKAR_SERVICE_ENDPOINT", api.as_str())];
    try_all(&home, WITHOUT_LOGIN, &servers);
    let token = [servers[0], servers[1], ("PLAKAR_TOKEN", "wrong")];
    try_all(&home, WITH_A_WRONG_TOKEN, &token);
    let nowhere = "http://127.0.0.1:1";
    try_all(
        &home,
        WITHOUT_A_SERVER,
        &[("PLAKAR_PACKAGE_URL", nowhere), ("PLAKAR_SERVICE_ENDPOINT", nowhere), ("PLAKAR_TOKEN", "x")],
    );
    // The file that was given is named, not the copy that was looked at.
    let given = format!("damaged_v1.0.0_{OS}_{}.ptar", arch());
    let err = home.run(["pkg", "add", &format!("./{given}")]).fails(1);
    let named = format!("failed to install ./{given}: package {} is damaged: ", home.path(&given).display());
    assert!(err.contains(&named) && !err.contains(".pkg-"), "{err}");
    // Nothing of all this is left; what was installed before still is.
    assert_eq!(home.run(["pkg", "list"]).ok(), "there@v1.0.0\n");
    for folder in [".local/share/plakar/plugins/v1.1.0", ".cache/plakar/plugins/v1.1.0"] {
        let left = std::fs::read_dir(home.path(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name != ".lock").collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
    // These are none.
    assert_eq!(home.run(["pkg", "rm"]).ok(), "");
    let ran = home.run(["pkg", "rm", "nosuch"]);
    assert!(ran.err.contains("package nosuch is not installed"), "{ran:?}");
    ran.ok();
    assert_eq!(home.run(["login", "-status"]).ok(), "not logged in\n");
}
