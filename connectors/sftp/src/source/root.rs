//! What a source was asked to back up, resolved on the server.

use kloset_connector::{ConnectorError, ErrorKind, Record};
use kloset_format::FileInfo;
use kloset_format::path::{base_name, clean, is_within, join, parent};

use super::owners::Owners;
use crate::answer::asked;
use crate::attributes::file_info;
use crate::channel::Channel;
use crate::mailbox::{Mailbox, Patience, call};
use crate::packet::{Attributes, Request};
use crate::pool::Pool;

/// The resolved root.
pub(crate) struct Root {
    /// The directory that the snapshot names.
    pub(crate) directory: Vec<u8>,
    /// Whether everything below it is wanted, rather than a single file in it.
    pub(crate) directory_is_root: bool,
    /// The single file.
    file: Option<Vec<u8>>,
    /// The link that was given, kept beside what it leads to.
    link: Option<Vec<u8>>,
}

impl Root {
    pub(crate) fn resolve(pool: &Pool) -> Result<Self, ConnectorError> {
        let given = pool.target().path.clone();
        let patience = pool.patience();
        let channel = pool.channel(&patience)?;
        let inspect = |request: Request, path: &[u8]| {
            asked("inspect", path).attributes(call(&channel, &request, &patience)?)
        };
        let found = inspect(Request::Lstat { path: given.clone() }, &given)?;
        let (path, found, link) = if found.is_symlink() {
            let reply = call(&channel, &Request::Realpath { path: given.clone() }, &patience)?;
            let real = clean(&asked("follow", &given).name(reply)?);
            let found = inspect(Request::Stat { path: real.clone() }, &real)?;
            (real, found, Some(given))
        } else {
            (given, found, None)
        };
        Ok(if found.is_directory() {
            Self { directory: path, directory_is_root: true, file: None, link }
        } else {
            Self { directory: parent(&path).to_vec(), directory_is_root: false, file: Some(path), link }
        })
    }
}

/// What comes before the walk.
pub(crate) struct Top {
    /// From `/` to the directory.
    pub(crate) chain: Vec<Record>,
    /// Folders outside of the walk, with what is wanted of them.
    pub(crate) listings: Vec<(Vec<u8>, Vec<Record>)>,
    /// Whether to walk the directory.
    pub(crate) walk: bool,
}

impl Root {
    /// Fetches the attributes of all folders above, of a single file, and of a link.
    pub(crate) fn top(
        &self,
        channel: &Channel,
        owners: &mut Owners,
        patience: impl Fn() -> Patience,
        excluded: &dyn Fn(&[u8], bool) -> bool,
    ) -> Result<Top, ConnectorError> {
        let mut top = Top { chain: Vec::new(), listings: Vec::new(), walk: false };
        let paths = chain(&self.directory);
        top.chain = folders(channel, &paths, patience())?;
        if self.directory_is_root {
            if excluded(&self.directory, true) {
                let made_up = FileInfo::made_up_directory(base_name(&self.directory));
                if let Some(last) = top.chain.last_mut() {
                    last.info = made_up;
                }
                top.listings.push((self.directory.clone(), Vec::new()));
            } else {
                top.walk = true;
                if let Some(last) = top.chain.last_mut() {
                    name(channel, owners, std::slice::from_mut(last), &patience())?;
                }
            }
        }
        let singles = [self.file.as_ref(), self.link.as_ref().filter(|link| !self.is_walked(link))];
        for path in singles.into_iter().flatten() {
            self.add_single(&mut top, path, channel, owners, &patience, excluded)?;
        }
        Ok(top)
    }

    fn is_walked(&self, path: &[u8]) -> bool {
        self.directory_is_root && is_within(path, &self.directory)
    }

    /// One path that no walk meets, and the folders that lead to it.
    fn add_single(
        &self,
        top: &mut Top,
        path: &[u8],
        channel: &Channel,
        owners: &mut Owners,
        patience: &impl Fn() -> Patience,
        excluded: &dyn Fn(&[u8], bool) -> bool,
    ) -> Result<(), ConnectorError> {
        let mut records = Vec::new();
        if !excluded(path, false) {
            let reply = call(channel, &Request::Lstat { path: path.to_vec() }, &patience())?;
            let found = asked("inspect", path).attributes(reply)?;
            let mut record = record(file_info(base_name(path), &found));
            if found.is_symlink() {
                let reply = call(channel, &Request::Readlink { path: path.to_vec() }, &patience())?;
                record.target = Some(asked("read the link", path).name(reply)?);
            }
            records.push(record);
            name(channel, owners, &mut records, &patience())?;
        }
        add_listing(top, parent(path), records);
        let mut folder = parent(path);
        while folder != b"/" && !is_within(&self.directory, folder) {
            let bare = folders(channel, &[folder], patience())?;
            add_listing(top, parent(folder), bare);
            folder = parent(folder);
        }
        Ok(())
    }
}

fn add_listing(top: &mut Top, folder: &[u8], mut records: Vec<Record>) {
    match top.listings.iter_mut().find(|(path, _)| path == folder) {
        Some((_, known)) => {
            records.retain(|record| known.iter().all(|other| other.info.name != record.info.name));
            known.append(&mut records);
        }
        None => top.listings.push((folder.to_vec(), records)),
    }
}

/// Every folder from `/` to `directory`, both included.
fn chain(directory: &[u8]) -> Vec<&[u8]> {
    let mut chain = vec![directory];
    let mut path = directory;
    while path != b"/" {
        path = parent(path);
        chain.push(path);
    }
    chain.reverse();
    chain
}

/// Folders with their attributes where readable. Links on the way are followed: a folder is wanted.
fn folders(channel: &Channel, paths: &[&[u8]], patience: Patience) -> Result<Vec<Record>, ConnectorError> {
    let mailbox = Mailbox::new(patience);
    for (index, path) in paths.iter().enumerate() {
        mailbox.send(channel, &Request::Stat { path: path.to_vec() }, index);
    }
    let mut records: Vec<Record> =
        paths.iter().map(|path| record(FileInfo::made_up_directory(base_name(path)))).collect();
    for _ in 0..paths.len() {
        let (index, reply) = mailbox.receive()?;
        let (Some(path), Some(record)) = (paths.get(index), records.get_mut(index)) else { continue };
        match asked("inspect", path).attributes(reply) {
            Ok(found) if found.is_directory() => record.info = file_info(base_name(path), &found),
            Err(error) if error.is_transient() => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(records)
}

fn name(
    channel: &Channel,
    owners: &mut Owners,
    records: &mut [Record],
    patience: &Patience,
) -> Result<(), ConnectorError> {
    if channel.features().owner_names
        && let Some(question) = owners.unknown(records)
    {
        let answer = asked("look up owners", b"/").extended(call(channel, &question.request(), patience)?);
        if let Err(error) = &answer
            && error.is_transient()
        {
            return answer.map(drop);
        }
        owners.learn(question, answer.ok());
    }
    owners.name(records);
    Ok(())
}

/// A record of these attributes and nothing else.
pub(crate) fn record(info: FileInfo) -> Record {
    Record { info, target: None, xattrs: Vec::new(), problem: None }
}

/// Opens a folder, to see whether it can be read.
pub(crate) fn try_reading(pool: &Pool, directory: &[u8]) -> Result<(), ConnectorError> {
    let patience = pool.patience();
    let channel = pool.channel(&patience)?;
    let reply = call(&channel, &Request::Opendir { path: directory.to_vec() }, &patience)?;
    channel.close(asked("list", directory).handle(reply)?);
    Ok(())
}

/// A child's path, unless its name could not be that of a file.
pub(crate) fn child(folder: &[u8], name: &[u8]) -> Result<Vec<u8>, ConnectorError> {
    if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
        return Err(
            asked("list", folder).error(ErrorKind::Corrupt, "the server gave an impossible file name")
        );
    }
    Ok(join(folder, name))
}

/// Whether attributes came with what a record needs.
pub(crate) fn is_complete(attributes: &Attributes) -> bool {
    attributes.permissions.is_some_and(|mode| mode & 0o170_000 != 0)
        && attributes.size.is_some()
        && attributes.times.is_some()
}
