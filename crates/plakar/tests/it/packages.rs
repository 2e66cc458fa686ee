//! Packages on the command line: made, installed, listed, used, removed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use testkit::package_server::PackageServer;
use testkit::sshd::{ALIAS, Sshd};

use crate::support::Home;

pub const OS: &str = std::env::consts::OS;

pub fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Puts the sources of a package whose program does nothing below `folder`.
pub fn sources(home: &Home, folder: &str, scheme: &str) -> PathBuf {
    let folder = home.path(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("serve"), "#!/bin/sh\necho started >&2\nexit 7\n").unwrap();
    std::fs::set_permissions(folder.join("serve"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let kinds = ["importer", "exporter", "storage"];
    let connectors: String = kinds
        .iter()
        .map(|kind| format!("- {{type: {kind}, protocols: [{scheme}], executable: serve}}\n"))
        .collect();
    let manifest = format!("name: {scheme}\nconnectors:\n{connectors}- {{type: inventory}}\n");
    std::fs::write(folder.join("manifest.yaml"), manifest).unwrap();
    folder
}

#[test]
fn a_package_lives_from_create_to_rm() {
    let home = Home::with_store_and_data();
    sources(&home, "src", "demo");
    let file = format!("demo_v1.2.0_{OS}_{}.ptar", arch());
    let out = home.run(["pkg", "create", "src/manifest.yaml", "v1.2.0"]).ok();
    assert_eq!(out, format!("Plugin created successfully: {}\n", home.path(&file).display()));
    // It is an ordinary store.
    let listed = home.run(["at", &file, "ls"]).ok();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert_eq!(home.run(["pkg", "list"]).ok(), "");

    let added = home.run(["pkg", "add", &file]);
    assert!(added.err.contains("skipping unknown connector type: inventory"), "{added:?}");
    assert_eq!(added.ok(), "");
    assert_eq!(home.run(["pkg", "show"]).ok(), "demo@v1.2.0\n");
    assert_eq!(home.run(["pkg", "list", "-long"]).ok(), format!("{file}\n"));
    let err = home.run(["pkg", "add", &file]).fails(1);
    assert!(err.ends_with(&format!("failed to install {file}: already installed\n")), "{err}");
    home.run(["pkg", "add", "-u", &file]).ok();

    // Its scheme is known now: the program is started, and its end is told.
    let err = home.run(["at", "demo://x", "ls"]).fails(66);
    assert!(err.contains("package demo: started"), "{err}");
    assert!(err.contains("package demo ended unexpectedly (exit status: 7)"), "{err}");
    let err = home.run(["at", "store", "backup", "demo://x"]).fails(1);
    assert!(err.contains("package demo ended unexpectedly"), "{err}");

    home.run(["pkg", "rm", "demo"]).ok();
    assert!(home.run(["pkg", "rm", "demo"]).err.contains("is not installed"));
    assert_eq!(home.run(["pkg", "list"]).ok(), "");
    assert!(home.run(["at", "demo://x", "ls"]).fails(66).contains("backend 'demo' does not exist"));
}

#[test]
fn sftp_is_built_in_where_no_package_can_be_had() {
    let home = Home::new();
    let server = PackageServer::start("secret").unwrap();
    let recipe = b"name: sftp\nversion: v1.1.0\nrepository: https://h/r\n".to_vec();
    server.add("sftp", "recipe.yaml", recipe.clone());
    let url = server.packages_url();
    let variables = [("PLAKAR_PACKAGE_URL", url.as_str())];
    let out = home.run_with(["pkg", "add", "sftp"], &variables).ok();
    assert!(out.starts_with("sftp is built in, version v"), "{out}");
    assert_eq!(home.run(["pkg", "list"]).ok(), "");
    // Nobody there at all.
    let nowhere = [("PLAKAR_PACKAGE_URL", "http://127.0.0.1:1")];
    home.run_with(["pkg", "add", "sftp"], &nowhere).ok();
    // What is not built in needs the login.
    server.add("demo", "recipe.yaml", b"name: demo\nversion: v1.0.0\nrepository: https://h/r\n".to_vec());
    let err = home.run_with(["pkg", "add", "demo"], &variables).fails(1);
    assert!(
        err.contains("failed to install demo: authentication required. Run `plakar login` and try again"),
        "{err}"
    );
    let err = home.run_with(["pkg", "add", "nosuch"], &variables).fails(1);
    assert!(err.contains("failed to install nosuch: fetch failed with 404 Not Found"), "{err}");
}

#[test]
fn login_fetch_and_logout() {
    let home = Home::new();
    let server = PackageServer::start("secret").unwrap();
    let (packages, api) = (server.packages_url(), server.api_url());
    let variables = [("PLAKAR_PACKAGE_URL", packages.as_str()), ("PLAKAR_SERVICE_ENDPOINT", api.as_str())];
    assert_eq!(home.run(["login", "-status"]).ok(), "not logged in\n");
    assert!(home.run(["logout"]).fails(1).contains("not logged in"));
    assert!(home.run(["token", "create"]).fails(1).contains("use `plakar login` first"));
    assert!(home.run(["login", "-status", "-github"]).fails(64).contains("must be used alone"));
    assert!(home.run(["login", "-email", "nobody"]).fails(64).contains("invalid email address"));
    assert!(home.run(["login", "-env"]).fails(1).contains("no auth token found in environment variable"));
    let out = home.run_with(["login", "-github", "-no-spawn"], &variables).ok();
    assert!(out.contains("https://login.invalid/x"), "{out}");
    assert_eq!(home.run(["login", "-status"]).ok(), "logged in\n");
    assert_eq!(home.run_with(["token", "create"], &variables).ok(), "secret-derived\n");

    sources(&home, "src", "demo");
    let file = format!("demo_v1.0.0_{OS}_{}.ptar", arch());
    home.run(["pkg", "create", "src/manifest.yaml", "v1.0.0"]).ok();
    server.add("demo", &file, std::fs::read(home.path(&file)).unwrap());
    std::fs::remove_file(home.path(&file)).unwrap();
    home.run_with(["pkg", "add", "demo@v1.0.0"], &variables).ok();
    assert_eq!(home.run(["pkg", "list"]).ok(), "demo@v1.0.0\n");
    server.set_index(
        "{\"integrations\":[{\"name\":\"more\",\"version\":\"v3.0.0\",\"api\":\"v1.1.0\",\"edition\":\"community\"}]}"
            .to_owned(),
    );
    let out = home.run_with(["pkg", "list", "-available"], &variables).ok();
    assert_eq!(out, "demo@v1.0.0\nmore@v3.0.0\n");
    let managed = [("PLAKAR_TOKEN", "x")];
    assert!(home.run_with(["logout"], &managed).fails(1).contains("managed via PLAKAR_TOKEN"));
    home.run(["logout"]).ok();
    assert_eq!(home.run(["login", "-status"]).ok(), "not logged in\n");
}

const SFTP_PROGRAMS: [&str; 3] = ["sftpImporter", "sftpExporter", "sftpStorage"];

/// The programs of the SFTP package, if this test run has built them.
fn sftp_programs() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_BIN_EXE_plakar")).parent()?;
    let found = SFTP_PROGRAMS.iter().all(|name| folder.join(name).is_file());
    if !found {
        eprintln!("skipped: the programs of sftp-package are not built");
    }
    found.then(|| folder.to_owned())
}

/// A program `cargo` that says it has built what this test run has built.
fn stand_in_for_cargo(home: &Home, programs: &Path) -> PathBuf {
    let bin = home.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let messages: String = SFTP_PROGRAMS
        .iter()
        .map(|name| format!("echo '{{\"executable\":\"{}\"}}'\n", programs.join(name).display()))
        .collect();
    std::fs::write(bin.join("cargo"), format!("#!/bin/sh\n{messages}")).unwrap();
    std::fs::set_permissions(bin.join("cargo"), std::fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

#[test]
fn sftp_is_added_listed_built_added_and_removed() {
    let Some(programs) = sftp_programs() else { return };
    let home = Home::new();
    let cargo = stand_in_for_cargo(&home, &programs);
    sftp_from_add_to_rm(&home, &format!("{}:/usr/bin:/bin", cargo.display()));
}

#[test]
#[ignore = "builds the SFTP connector with cargo, which takes minutes"]
fn sftp_is_added_listed_built_with_cargo_added_and_removed() {
    let home = Home::new();
    sftp_from_add_to_rm(&home, &std::env::var("PATH").unwrap());
}

/// `pkg add sftp | pkg list | pkg build sftp | pkg add ./sftp_v1.0.7_linux_amd64.ptar | pkg rm sftp`.
fn sftp_from_add_to_rm(home: &Home, path: &str) {
    let nowhere = [("PLAKAR_PACKAGE_URL", "http://127.0.0.1:1")];
    let out = home.run_with(["pkg", "add", "sftp"], &nowhere).ok();
    assert!(out.starts_with("sftp is built in, version v"), "{out}");
    assert_eq!(home.run(["pkg", "list"]).ok(), "");

    let user = PathBuf::from(std::env::var("HOME").unwrap());
    let kept = |name: &str, default: &str| {
        std::env::var(name).unwrap_or_else(|_| user.join(default).display().to_string())
    };
    let (cargo_home, rustup_home) = (kept("CARGO_HOME", ".cargo"), kept("RUSTUP_HOME", ".rustup"));
    let target = Path::new(env!("CARGO_BIN_EXE_plakar")).ancestors().nth(2).unwrap().display().to_string();
    let variables = [
        ("PATH", path),
        ("CARGO_HOME", &cargo_home),
        ("RUSTUP_HOME", &rustup_home),
        ("CARGO_TARGET_DIR", &target),
        ("CARGO_NET_OFFLINE", "true"),
    ];
    let version = env!("CARGO_PKG_VERSION");
    let built = format!("sftp_v{version}_{OS}_{}.ptar", arch());
    let out = home.run_with(["pkg", "build", "sftp"], &variables).ok();
    assert_eq!(out, format!("Plugin created successfully: {}\n", home.path(&built).display()));
    let err = home.run_with(["pkg", "build", "sftp"], &variables).fails(1);
    assert!(err.contains("file exists"), "{err}");
    home.run(["pkg", "add", &format!("./{built}")]).ok();
    assert_eq!(home.run(["pkg", "list"]).ok(), format!("sftp@v{version} (built-in one in use)\n"));

    // The same programs as a newer version, which `-u` takes.
    let newer = format!("sftp_v1.0.7_{OS}_{}.ptar", arch());
    std::fs::copy(home.path(&built), home.path(&newer)).unwrap();
    let err = home.run(["pkg", "add", &format!("./{newer}")]).fails(1);
    assert!(err.contains("already installed"), "{err}");
    home.run(["pkg", "add", "-u", &format!("./{newer}")]).ok();
    assert_eq!(home.run(["pkg", "list", "-long"]).ok(), format!("{newer} (built-in one in use)\n"));

    home.run(["store", "add", "far", "sftp://h/x", "package=true"]).ok();
    let shown = home.run(["store", "show"]).ok();
    home.run(["pkg", "rm", "sftp"]).ok();
    assert_eq!(home.run(["pkg", "list"]).ok(), "");
    assert_eq!(home.run(["store", "show"]).ok(), shown);
    let err = home.run(["at", "@far", "ls"]).fails(66);
    assert!(err.contains("no installed package serves sftp"), "{err}");
    home.run(["pkg", "add", &format!("./{newer}")]).ok();
    home.run(["pkg", "rm", "sftp"]).ok();
}

#[test]
fn the_sftp_package_is_used_where_it_is_preferred() {
    let Some(programs) = sftp_programs() else { return };
    let server = Sshd::start().unwrap();
    let home = Home::with_store_and_data();
    let package = home.path("package");
    std::fs::create_dir(&package).unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors/sftp-package/manifest.yaml");
    std::fs::copy(manifest, package.join("manifest.yaml")).unwrap();
    for name in SFTP_PROGRAMS {
        std::fs::copy(programs.join(name), package.join(name)).unwrap();
    }
    home.run([
        "pkg",
        "create",
        "-out",
        &format!("sftp_v0.9.0_{OS}_{}.ptar", arch()),
        "package/manifest.yaml",
        "v0.9.0",
    ])
    .ok();
    home.run(["pkg", "add", &format!("sftp_v0.9.0_{OS}_{}.ptar", arch())]).ok();
    assert_eq!(home.run(["pkg", "list"]).ok(), "sftp@v0.9.0 (built-in one in use)\n");
    home.run(["pkg", "prefer", "sftp"]).ok();
    assert_eq!(home.run(["pkg", "list"]).ok(), "sftp@v0.9.0 (in use)\n");

    let config = format!("ssh_config={}", server.ssh_config().display());
    let at = |path: &str| format!("sftp://{ALIAS}{}", home.path(path).display());
    home.run(["store", "add", "far", &at("far"), &config]).ok();
    home.run(["source", "add", "data", &at("data"), &config]).ok();
    home.run(["destination", "add", "back", &at("back"), &config]).ok();
    home.run(["at", "@far", "create", "-plaintext"]).ok();
    home.run(["at", "@far", "backup", "@data"]).ok();
    home.run(["at", "@far", "check"]).ok();
    home.run(["at", "@far", "restore", "-to", "@back"]).ok();
    assert_eq!(std::fs::read(home.path("back/docs/a.txt")).unwrap(), "a".repeat(3000).as_bytes());
    assert_eq!(std::fs::read_link(home.path("back/link")).unwrap(), Path::new("docs/a.txt"));
    // The built-in connector reads the same store.
    home.run(["pkg", "prefer", "-built-in", "sftp"]).ok();
    let listed = home.run(["at", "@far", "ls"]).ok();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let out = home.run(["at", "@far", "backup", "@data"]).ok();
    assert!(out.contains("completed without errors"), "{out}");
}
