//! Fetching from a private server and from a folder.

use plakar_pkg::account::Method;
use plakar_pkg::{PackageName, PkgError, Remote, Upgrade};
use testkit::package_server::PackageServer;

use crate::support::{Place, file_name};

#[test]
fn a_package_is_fetched_with_a_token_only() {
    let place = Place::new();
    let server = PackageServer::start("secret").expect("private server");
    let file = place.make("demo", "v1.0.0", "demo");
    server.add("demo", "recipe.yaml", b"name: demo\nversion: v1.0.0\nrepository: https://h/r\n".to_vec());
    server.add("demo", &file_name("demo", "v1.0.0"), std::fs::read(&file).expect("read"));
    let remote = Remote::new(Some(server.packages_url()), Some(server.api_url()), "plakar/v0");
    let recipe = remote.recipe("demo").expect("recipe");
    assert_eq!((recipe.name.as_str(), recipe.semver()), ("demo", "v1.0.0"));
    let name = PackageName::parse(&file_name("demo", "v1.0.0")).expect("name");
    let folder = place.packages.download_folder().expect("folder");
    let fetch = |token| remote.package(&name, token, folder.path());
    assert!(matches!(fetch(None), Err(PkgError::AuthenticationRequired)));
    assert_eq!(fetch(Some("wrong")).expect_err("refused").to_string(), "fetch failed with 401 Unauthorized");
    let fetched = fetch(Some("secret")).expect("fetched");
    place.packages.add(&fetched, Upgrade::Refuse).expect("installed");
    assert_eq!(remote.recipe("nosuch").expect_err("unknown").to_string(), "fetch failed with 404 Not Found");
}

#[test]
fn the_index_lists_what_fits() {
    let server = PackageServer::start("secret").expect("private server");
    let one = |name: &str, version: &str, api: &str, edition: &str| {
        format!("{{\"name\":{name:?},\"version\":{version:?},\"api\":{api:?},\"edition\":{edition:?}}}")
    };
    let entries = [
        one("b", "v1.0.0", "v1.1.0", "community"),
        one("a", "v1.0.0", "v1.1.0", "community"),
        one("a", "v2.0.0", "v1.1.0", "community"),
        one("c", "v1.0.0", "v9.0.0", "community"),
        one("d", "v1.0.0", "v1.1.0", "enterprise"),
    ];
    server.set_index(format!("{{\"integrations\":[{}]}}", entries.join(",")));
    let remote = Remote::new(Some(server.packages_url()), Some(server.api_url()), "plakar/v0");
    let index = remote.index().expect("index");
    let found: Vec<_> = index.iter().map(|one| (one.name.as_str(), one.version.as_str())).collect();
    assert_eq!(found, [("a", "v2.0.0"), ("b", "v1.0.0")]);
}

#[test]
fn a_login_waits_for_the_user() {
    let server = PackageServer::start("secret").expect("private server");
    let remote = Remote::new(Some(server.packages_url()), Some(server.api_url()), "plakar/v0");
    let pending = remote.begin_login(&Method::Github).expect("begun");
    assert!(pending.url.starts_with("https://"));
    let mut turns = 0;
    let token = remote.finish_login(&pending, &Default::default(), &mut || turns += 1).expect("confirmed");
    assert_eq!((token.as_str(), turns), ("secret", 1));
    assert_eq!(remote.derive_token("secret").expect("derived"), "secret-derived");
    assert!(remote.derive_token("wrong").is_err());
}

#[test]
fn a_folder_serves_as_a_server() {
    let place = Place::new();
    let base = place.temp.path().join("server/v1.1.0/demo");
    std::fs::create_dir_all(&base).expect("folder");
    std::fs::write(base.join("recipe.yaml"), "name: demo\nversion: v1.0.0\nrepository: r\n").expect("write");
    let file = place.make("demo", "v1.0.0", "demo");
    std::fs::copy(&file, base.join(file_name("demo", "v1.0.0"))).expect("copy");
    let url = format!("file://{}/server", place.temp.path().display());
    let remote = Remote::new(Some(url), None, "plakar/v0");
    assert_eq!(remote.recipe("demo").expect("recipe").name, "demo");
    let name = PackageName::parse(&file_name("demo", "v1.0.0")).expect("name");
    let folder = place.packages.download_folder().expect("folder");
    remote.package(&name, None, folder.path()).expect("no login for a folder");
    assert_eq!(remote.recipe("x").expect_err("none").to_string(), "fetch failed with 404 Not Found");
}
