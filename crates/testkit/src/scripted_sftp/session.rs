//! One session of the scripted server: requests in, answers out, in order.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use super::wire::{Fields, Message, Wanted, read_message};
use super::{State, Wrong};

const OK: u32 = 0;
const EOF: u32 = 1;
const NO_SUCH_FILE: u32 = 2;
const DENIED: u32 = 3;
const FAILURE: u32 = 4;
const UNSUPPORTED: u32 = 8;

/// What a handle stands for.
enum Open {
    File(File),
    Folder(Names),
}

/// The rest of a folder's names.
struct Names {
    left: Vec<(Vec<u8>, Option<fs::Metadata>)>,
}

struct Session<'a> {
    state: &'a State,
    open: HashMap<u32, Open>,
    next_handle: u32,
}

/// Serves until the other side ends.
pub(super) fn serve(stream: TcpStream, state: &State) {
    state.sessions.fetch_add(1, Ordering::Relaxed);
    // However it ends, the other side sees the stream close.
    let _ = talk(&stream, state);
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn talk(stream: &TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::with_capacity(512 << 10, stream);
    let mut output = stream;
    if read_message(&mut input)?.is_none() {
        return Ok(());
    }
    let mut hello = Message::new(2).u32(3);
    for name in &state.dialect.extensions {
        hello = hello.string(format!("{name}@openssh.com").as_bytes()).string(b"1");
    }
    output.write_all(&hello.finish())?;
    let mut session = Session { state, open: HashMap::new(), next_handle: 1 };
    let mut number = 0;
    while let Some((kind, mut fields)) = read_message(&mut input)? {
        number += 1;
        let id = fields.u32()?;
        let answer = session.answer(kind, id, &mut fields)?;
        output.write_all(&spoilt(answer, number, state.dialect.wrong)?)?;
        if state.dialect.wrong == Some(Wrong::Torn(number)) {
            return Ok(());
        }
    }
    Ok(())
}

/// The answer with the fault that the dialect orders.
fn spoilt(mut answer: Vec<u8>, number: u64, wrong: Option<Wrong>) -> io::Result<Vec<u8>> {
    match wrong {
        Some(Wrong::Number(at)) if at == number => answer.iter_mut().skip(5).take(4).for_each(|b| *b ^= 0x55),
        Some(Wrong::Kind(at)) if at == number => answer.iter_mut().skip(4).take(1).for_each(|b| *b = 77),
        Some(Wrong::Length(at)) if at == number => answer.iter_mut().take(1).for_each(|b| *b = 0xc0),
        Some(Wrong::Torn(at)) if at == number => answer.truncate(answer.len() / 2),
        _ => {}
    }
    Ok(answer)
}

fn status(id: u32, code: u32) -> Vec<u8> {
    let words = match code {
        OK => "Success",
        EOF => "End of file",
        NO_SUCH_FILE => "No such file",
        DENIED => "Permission denied",
        UNSUPPORTED => "Operation unsupported",
        _ => "Failure",
    };
    Message::answer(101, id).u32(code).string(words.as_bytes()).string(b"").finish()
}

/// The little that version 3 can say of an error.
fn code(error: &io::Error) -> u32 {
    match error.kind() {
        io::ErrorKind::NotFound => NO_SUCH_FILE,
        io::ErrorKind::PermissionDenied => DENIED,
        _ => FAILURE,
    }
}

fn outcome(id: u32, result: io::Result<()>) -> Vec<u8> {
    status(id, result.map_or_else(|error| code(&error), |()| OK))
}

impl Session<'_> {
    fn answer(&mut self, kind: u8, id: u32, fields: &mut Fields) -> io::Result<Vec<u8>> {
        Ok(match kind {
            3 => self.open_file(id, fields)?,
            4 => {
                let handle = handle(fields)?;
                status(id, if self.open.remove(&handle).is_some() { OK } else { FAILURE })
            }
            5 => self.read(id, fields)?,
            6 => self.write(id, fields)?,
            7 | 17 => self.inspect(id, &fields.path()?, kind == 17),
            8 => self.inspect_handle(id, handle(fields)?),
            9 => {
                let path = fields.path()?;
                let wanted = Wanted::read(fields)?;
                self.set(id, &path, &wanted)
            }
            10 => self.set_by_handle(id, fields)?,
            11 => self.open_folder(id, &fields.path()?),
            12 => self.read_folder(id, handle(fields)?),
            13 => {
                let path = fields.path()?;
                self.unless_denied("remove", id, &path, || fs::remove_file(&path))
            }
            14 => self.make_folder(id, fields)?,
            15 => {
                let path = fields.path()?;
                self.unless_denied("rmdir", id, &path, || fs::remove_dir(&path))
            }
            16 => match fs::canonicalize(fields.path()?) {
                Ok(path) => one_name(id, path.as_os_str().as_bytes()),
                Err(error) => status(id, code(&error)),
            },
            18 => self.rename(id, fields)?,
            19 => match fs::read_link(fields.path()?) {
                Ok(path) => one_name(id, path.as_os_str().as_bytes()),
                Err(error) => status(id, code(&error)),
            },
            20 => {
                let (target, link) = (fields.path()?, fields.path()?);
                outcome(id, symlink(target, link))
            }
            200 => self.extended(id, fields)?,
            _ => status(id, UNSUPPORTED),
        })
    }

    fn denies(&self, what: &str, path: &Path) -> bool {
        let denied = self.state.dialect.denied.contains(&what);
        if denied {
            self.state.note_refused(format!("{what} {}", path.display()));
        }
        denied
    }

    fn unless_denied(
        &self,
        what: &str,
        id: u32,
        path: &Path,
        act: impl FnOnce() -> io::Result<()>,
    ) -> Vec<u8> {
        if self.denies(what, path) { status(id, DENIED) } else { outcome(id, act()) }
    }

    fn grant(&mut self, id: u32, open: Open) -> Vec<u8> {
        let most = self.state.dialect.handles_max;
        if most > 0 && self.open.len() >= most {
            return status(id, FAILURE);
        }
        let number = self.next_handle;
        self.next_handle += 1;
        self.open.insert(number, open);
        self.state.handles_most.fetch_max(self.open.len(), Ordering::Relaxed);
        Message::answer(102, id).string(&number.to_be_bytes()).finish()
    }

    fn open_file(&mut self, id: u32, fields: &mut Fields) -> io::Result<Vec<u8>> {
        let path = fields.path()?;
        let flags = fields.u32()?;
        let wanted = Wanted::read(fields)?;
        let most = self.state.dialect.handles_max;
        if most > 0 && self.open.len() >= most {
            return Ok(status(id, FAILURE));
        }
        let write = flags & 2 != 0;
        if write && (self.denies("write", &path) || path.exists() && self.denies("overwrite", &path)) {
            return Ok(status(id, DENIED));
        }
        let mut options = OpenOptions::new();
        options.read(flags & 1 != 0 || !write).write(write);
        options.create(write && flags & 8 != 0).truncate(write && flags & 16 != 0);
        options.create_new(write && flags & 0x28 == 0x28).mode(wanted.mode.unwrap_or(0o666) & 0o777);
        Ok(match options.open(&path) {
            Ok(file) => self.grant(id, Open::File(file)),
            Err(error) => status(id, code(&error)),
        })
    }

    fn data_bytes_max(&self) -> usize {
        match self.state.dialect.data_bytes_max {
            0 => 256 << 10,
            most => most,
        }
    }

    fn read(&mut self, id: u32, fields: &mut Fields) -> io::Result<Vec<u8>> {
        let (handle, offset, length) = (handle(fields)?, fields.u64()?, fields.u32()? as usize);
        let Some(Open::File(file)) = self.open.get(&handle) else { return Ok(status(id, FAILURE)) };
        let mut data = vec![0; length.min(self.data_bytes_max())];
        let mut filled = 0;
        while let Some(rest) = data.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => return Ok(status(id, code(&error))),
            }
        }
        data.truncate(filled);
        if data.is_empty() {
            return Ok(status(id, EOF));
        }
        if self.state.dialect.wrong == Some(Wrong::LongReads) {
            data.resize(length + 1, 0);
        }
        Ok(Message::answer(103, id).string(&data).finish())
    }

    fn write(&mut self, id: u32, fields: &mut Fields) -> io::Result<Vec<u8>> {
        let (handle, offset, data) = (handle(fields)?, fields.u64()?, fields.string()?);
        if data.len() > self.data_bytes_max() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let Some(Open::File(file)) = self.open.get(&handle) else { return Ok(status(id, FAILURE)) };
        let length = data.len() as u64;
        let before = self.state.written_bytes.fetch_add(length, Ordering::Relaxed);
        if self.state.dialect.quota_bytes.is_some_and(|quota| before + length > quota) {
            self.state.note_refused(format!("quota {length}"));
            return Ok(status(id, FAILURE));
        }
        Ok(outcome(id, file.write_all_at(&data, offset)))
    }

    fn inspect(&self, id: u32, path: &Path, follow: bool) -> Vec<u8> {
        if let Some(crowd) = &self.state.dialect.crowd
            && path.parent() == Some(crowd.path.as_path())
        {
            return Message::answer(105, id).made_up_attributes().finish();
        }
        let found = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        match found {
            Ok(found) => Message::answer(105, id).attributes(&found).finish(),
            Err(error) => status(id, code(&error)),
        }
    }

    fn inspect_handle(&self, id: u32, handle: u32) -> Vec<u8> {
        match self.open.get(&handle) {
            Some(Open::File(file)) => match file.metadata() {
                Ok(found) => Message::answer(105, id).attributes(&found).finish(),
                Err(error) => status(id, code(&error)),
            },
            _ => status(id, FAILURE),
        }
    }

    fn set(&self, id: u32, path: &Path, wanted: &Wanted) -> Vec<u8> {
        if self.denies("setstat", path) || wanted.owner.is_some() && self.denies("owner", path) {
            return status(id, DENIED);
        }
        outcome(id, File::open(path).and_then(|file| apply(&file, wanted)))
    }

    fn set_by_handle(&self, id: u32, fields: &mut Fields) -> io::Result<Vec<u8>> {
        let handle = handle(fields)?;
        let wanted = Wanted::read(fields)?;
        let none = Path::new("(open file)");
        if self.denies("setstat", none) || wanted.owner.is_some() && self.denies("owner", none) {
            return Ok(status(id, DENIED));
        }
        let Some(Open::File(file)) = self.open.get(&handle) else { return Ok(status(id, FAILURE)) };
        Ok(outcome(id, apply(file, &wanted)))
    }

    fn open_folder(&mut self, id: u32, path: &Path) -> Vec<u8> {
        if let Some(crowd) = self.state.dialect.crowd.as_ref().filter(|crowd| crowd.path == path) {
            let left = (0..crowd.files).map(|at| (format!("file-{at:07}").into_bytes(), None)).collect();
            return self.grant(id, Open::Folder(Names { left }));
        }
        let names = fs::read_dir(path).and_then(|entries| {
            let mut left = Vec::new();
            for name in [".", ".."] {
                left.push((name.as_bytes().to_vec(), fs::symlink_metadata(path.join(name)).ok()));
            }
            for entry in entries {
                let entry = entry?;
                left.push((entry.file_name().as_bytes().to_vec(), entry.metadata().ok()));
            }
            Ok(left)
        });
        match names {
            Ok(left) => self.grant(id, Open::Folder(Names { left })),
            Err(error) => status(id, code(&error)),
        }
    }

    fn read_folder(&mut self, id: u32, handle: u32) -> Vec<u8> {
        std::thread::sleep(self.state.dialect.readdir_delay);
        let count = match self.state.dialect.readdir_names {
            0 => 100,
            count => count,
        };
        let Some(Open::Folder(names)) = self.open.get_mut(&handle) else { return status(id, FAILURE) };
        if names.left.is_empty() {
            return status(id, EOF);
        }
        let batch = names.left.split_off(names.left.len().saturating_sub(count));
        let mut answer = Message::answer(104, id).u32(batch.len() as u32);
        for (name, found) in batch {
            answer = answer.string(&name).string(b"");
            answer = match found {
                Some(found) => answer.attributes(&found),
                None => answer.made_up_attributes(),
            };
        }
        answer.finish()
    }

    fn make_folder(&self, id: u32, fields: &mut Fields) -> io::Result<Vec<u8>> {
        let path = fields.path()?;
        let mode = Wanted::read(fields)?.mode.unwrap_or(0o777) & 0o777;
        Ok(self.unless_denied("mkdir", id, &path, || {
            fs::create_dir(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        }))
    }

    /// Version 3: an existing name is never replaced.
    fn rename(&self, id: u32, fields: &mut Fields) -> io::Result<Vec<u8>> {
        let (from, to): (PathBuf, PathBuf) = (fields.path()?, fields.path()?);
        Ok(self.unless_denied("rename", id, &to, || match fs::symlink_metadata(&to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(&from, &to),
        }))
    }

    fn extended(&mut self, id: u32, fields: &mut Fields) -> io::Result<Vec<u8>> {
        let name = fields.string()?;
        let known = self
            .state
            .dialect
            .extensions
            .iter()
            .find(|known| name.strip_suffix(b"@openssh.com") == Some(known.as_bytes()));
        Ok(match known.copied() {
            Some("posix-rename") => {
                let (from, to) = (fields.path()?, fields.path()?);
                self.unless_denied("posix-rename", id, &to, || fs::rename(&from, &to))
            }
            Some("hardlink") => {
                let (original, link) = (fields.path()?, fields.path()?);
                outcome(id, fs::hard_link(original, link))
            }
            Some("fsync") => match self.open.get(&handle(fields)?) {
                Some(Open::File(file)) => outcome(id, file.sync_all()),
                _ => status(id, FAILURE),
            },
            _ => status(id, UNSUPPORTED),
        })
    }
}

fn handle(fields: &mut Fields) -> io::Result<u32> {
    Ok(fields.string()?.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)))
}

fn one_name(id: u32, name: &[u8]) -> Vec<u8> {
    Message::answer(104, id).u32(1).string(name).string(name).u32(0).finish()
}

fn apply(file: &File, wanted: &Wanted) -> io::Result<()> {
    if let Some(size) = wanted.size {
        file.set_len(size)?;
    }
    if let Some((user, group)) = wanted.owner {
        std::os::unix::fs::fchown(file, Some(user), Some(group))?;
    }
    if let Some(mode) = wanted.mode {
        file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    }
    if let Some((access, modification)) = wanted.times {
        let time = |seconds: u32| UNIX_EPOCH + Duration::from_secs(u64::from(seconds));
        let times = fs::FileTimes::new().set_accessed(time(access)).set_modified(time(modification));
        file.set_times(times)?;
    }
    Ok(())
}
