//! `mount` and `ui`: snapshots as files and as pages.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};

use rustix::fs::{XattrFlags, getxattr, listxattr, setxattr};
use rustix::io::Errno;

use crate::support::Home;

struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    line: String,
}

fn start(home: &Home, words: &[&str], variables: &[(&str, &str)]) -> Running {
    let mut command = home.command();
    command.args(["at", "store"]).args(words).envs(variables.iter().copied());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    Running { child, out, line }
}

impl Running {
    fn end(mut self) -> (Option<i32>, String) {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        let code = self.child.wait().unwrap().code();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }
}

/// Status, head and body of an answer.
fn get(address: &str, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head, answer[end + 4..].to_vec())
}

fn text(answer: (u16, String, Vec<u8>)) -> String {
    assert_eq!(answer.0, 200, "{}", answer.1);
    String::from_utf8(answer.2).unwrap()
}

fn backed_up(home: &Home) -> (String, String) {
    let out = home.run(["-quiet", "at", "store", "backup", "data"]).ok();
    let data = home.path("data").canonicalize().unwrap().to_str().unwrap().to_owned();
    (out[..8].to_owned(), data)
}

#[test]
fn a_mounted_store_is_read_like_any_folder() {
    let home = Home::with_store_and_data();
    let noise: Vec<u8> = (0..9_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    fs::write(home.path("data/noise"), &noise).unwrap();
    let attributes = [("user.colour", b"green".as_slice()), ("user.empty", b""), ("user.long", &[7; 3000])];
    let mut has_attributes = true;
    for (name, value) in attributes {
        let set = setxattr(home.path("data/readme.txt"), name, value, XattrFlags::empty());
        has_attributes = has_attributes && set.is_ok();
    }
    let (id, data) = backed_up(&home);
    fs::create_dir(home.path("mnt")).unwrap();
    let mnt = home.path("mnt");
    let running = start(&home, &["mount", "-to", "mnt"], &[]);
    if running.line.is_empty() {
        eprintln!("skipped: no FUSE here: {}", running.end().1);
        return;
    }
    assert!(running.line.starts_with("info: mounted repository fs://"), "{}", running.line);
    let names: Vec<_> = fs::read_dir(&mnt).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [id.as_str()]);
    let inside = mnt.join(&id).join(data.trim_start_matches('/'));
    assert!(fs::read(inside.join("noise")).unwrap() == noise);
    let mut part = [0; 1000];
    let file = fs::File::open(inside.join("noise")).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut part, 8_000_123).unwrap();
    assert_eq!(part, noise[8_000_123..8_001_123]);
    drop(file);
    assert_eq!(fs::read_link(inside.join("link")).unwrap().to_str(), Some("docs/a.txt"));
    assert_eq!(fs::read_to_string(inside.join("link")).unwrap(), "a".repeat(3000));
    let (new, old) = (
        fs::metadata(inside.join("readme.txt")).unwrap(),
        fs::metadata(home.path("data/readme.txt")).unwrap(),
    );
    assert_eq!(
        (new.mtime(), new.mtime_nsec(), new.mode(), new.uid()),
        (old.mtime(), old.mtime_nsec(), old.mode(), old.uid())
    );
    if has_attributes {
        let readme = inside.join("readme.txt");
        let mut names = [0; 100];
        let length = listxattr(&readme, &mut names).unwrap();
        assert_eq!(names[..length], *b"user.colour\0user.empty\0user.long\0");
        for (name, value) in attributes {
            let mut found = [0; 4000];
            let length = getxattr(&readme, name, &mut found).unwrap();
            assert_eq!(found[..length], *value, "{name}");
        }
        assert_eq!(getxattr(&readme, "user.long", &mut [0; 10]), Err(Errno::RANGE));
        assert_eq!(getxattr(&readme, "user.other", &mut [0; 10]), Err(Errno::NODATA));
        assert_eq!(getxattr(inside.join("noise"), "user.colour", &mut [0; 10]), Err(Errno::NODATA));
        assert_eq!(listxattr(&inside, &mut [0; 10]), Ok(0));
    } else {
        eprintln!("skipped: no extended attributes in the temporary folder");
    }
    assert!(!inside.join("nothing").exists());
    assert!(fs::write(inside.join("new"), "x").is_err(), "it is read only");
    let diff = Command::new("diff").args(["-r"]).arg(home.path("data")).arg(&inside).status();
    assert!(diff.map_or(true, |status| status.success()));
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read_dir(&mnt).unwrap().count(), 0, "unmounted");
    // One directory as the top.
    let running = start(&home, &["mount", "-to", "mnt", &format!("{id}:docs")], &[]);
    assert_eq!(fs::read_to_string(mnt.join("a.txt")).unwrap().len(), 3000);
    assert_eq!(running.end().0, Some(0));
    home.run(["at", "store", "mount", "-to", "nowhere"]).fails(1);
    home.run(["at", "store", "mount", "-to", "mnt", &format!("{id}:readme.txt")]).fails(1);
    home.run(["at", "store", "mount"]).fails(64);
}

#[test]
fn a_mount_over_http_lists_and_downloads() {
    let home = Home::with_store_and_data();
    fs::write(home.path("data/<b>&\"é"), "odd").unwrap();
    let (id, data) = backed_up(&home);
    let running = start(&home, &["mount", "-to", "http://127.0.0.1:0"], &[]);
    let address = running.line.trim().rsplit("http://").next().unwrap().to_owned();
    let page = text(get(&address, "/", ""));
    let full = page.split("href=\"/").find(|part| part.starts_with(&id)).unwrap()[..64].to_owned();
    let folder = text(get(&address, &format!("/{full}{data}"), ""));
    assert!(folder.contains(">docs/</a>") && folder.contains("link &rarr; docs/a.txt"), "{folder}");
    assert!(folder.contains("&lt;b&gt;&amp;&quot;é</a>") && !folder.contains("<b>"), "{folder}");
    let (status, head, body) = get(&address, &format!("/{full}{data}/%3Cb%3E%26%22%C3%A9"), "");
    assert_eq!((status, body.as_slice()), (200, b"odd".as_slice()));
    assert!(
        head.to_lowercase().contains("content-disposition: attachment") && head.contains("sandbox"),
        "{head}"
    );
    for path in ["/nothing", &format!("/{full}/../../etc/passwd"), &format!("/{full}{data}/link")] {
        assert_eq!(get(&address, path, "").0, 404, "{path}");
    }
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn the_web_interface_asks_for_its_token() {
    let home = Home::with_store_and_data();
    let (id, data) = backed_up(&home);
    let running = start(&home, &["ui", "-no-spawn"], &[]);
    let url = running
        .line
        .trim()
        .strip_prefix("launching webUI at http://")
        .unwrap_or_else(|| panic!("{}", running.line));
    let (address, token) = url.split_once("?plakar_token=").unwrap();
    let address = address.to_owned();
    assert_eq!((token.len(), token.matches('-').count()), (36, 4));
    let bearer = format!("Authorization: Bearer {token}\r\n");

    assert_eq!(get(&address, "/", "").0, 401);
    let (status, head, body) = get(&address, "/api/snapshots", "");
    assert_eq!(status, 401);
    assert!(head.contains("application/json"), "{head}");
    let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(error["error"]["code"], "bad_auth");
    assert_eq!(get(&address, "/api/snapshots", "Authorization: Bearer wrong\r\n").0, 401);
    // A cookie opens pages, never the API.
    let (status, head, _) = get(&address, &format!("/?plakar_token={token}"), "");
    assert_eq!(status, 303);
    assert!(head.contains("HttpOnly; SameSite=Strict"), "{head}");
    let cookie = format!("Cookie: plakar_token={token}\r\n");
    assert!(text(get(&address, "/", &cookie)).contains(&id));
    assert_eq!(get(&address, "/api/snapshots", &cookie).0, 401);

    let json =
        |path: &str| serde_json::from_str::<serde_json::Value>(&text(get(&address, path, &bearer))).unwrap();
    let snapshots = json("/api/snapshots");
    let full = snapshots["items"][0]["id"].as_str().unwrap();
    assert!(full.starts_with(&id) && snapshots["total"] == 1);
    assert_eq!(json(&format!("/api/snapshots/{full}"))["type"], "fs");
    let children = json(&format!("/api/children?path=/{full}{data}"));
    let names: Vec<_> =
        children["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["docs", "link", "readme.txt"]);
    assert_eq!(
        text(get(&address, &format!("/api/content?path=/{full}{data}/readme.txt"), &bearer)),
        "hello\n"
    );
    for path in ["/api/nothing", "/api/snapshots/ffff", "/api/children?path=/x", "/api/content?path=/"] {
        assert_eq!(get(&address, path, &bearer).0, 404, "{path}");
    }
    assert_eq!(running.end().0, Some(0));

    let running = start(&home, &["ui", "-no-spawn", "-cors"], &[("PLAKAR_UI_TOKEN", "mine")]);
    assert!(running.line.ends_with("?plakar_token=mine\n"), "{}", running.line);
    let address = running.line.split("http://").nth(1).unwrap().split('?').next().unwrap().to_owned();
    let (_, head, _) = get(&address, "/api/snapshots", "Authorization: Bearer mine\r\n");
    assert!(head.to_lowercase().contains("access-control-allow-origin: *"), "{head}");
    assert_eq!(running.end().0, Some(0));
    let running = start(&home, &["ui", "-no-spawn", "-no-auth"], &[]);
    assert!(!running.line.contains("token"));
    let address = running.line.trim().split("http://").nth(1).unwrap().to_owned();
    assert!(text(get(&address, "/", "")).contains(&id));
    assert_eq!(running.end().0, Some(0));
}
