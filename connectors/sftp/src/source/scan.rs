//! The walk: hundreds of folders open at once, several READDIRs ahead on each.
//!
//! One thread drives the requests; others hand finished listings to the engine, which may take its
//! time. A folder's listing is handed over only after that of its parent. Folders wait on a stack,
//! so that their number stays near the depth of the tree times its width.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use kloset_connector::layer::Retrier;
use kloset_connector::{ConnectorError, ErrorKind, Record, ScanOptions, ScanSink};

use super::Reconnect;
use super::owners::{Owners, Question};
use super::root::{Root, child, is_complete, record};
use crate::answer::asked;
use crate::attributes::file_info;
use crate::channel::{Channel, Reply};
use crate::mailbox::{Mailbox, Poster};
use crate::packet::{Attributes, FileSystem, Handle, NameEntry, Request};
use crate::pool::Pool;

/// Folders open at once.
const OPEN_MAX: usize = 256;
/// READDIRs in flight per folder.
const AHEAD: usize = 3;
/// Listings that wait for the engine before no more folders are opened.
const UNDELIVERED_MAX: usize = 512;

/// Walks everything below the root.
pub(crate) fn scan(
    pool: &Pool,
    retrier: &Retrier,
    root: &Root,
    options: &ScanOptions,
    sink: &dyn ScanSink,
) -> Result<(), ConnectorError> {
    let mut owners = Owners::default();
    let top = retrier.run(|| {
        let channel = pool.channel(&pool.patience())?;
        root.top(&channel, &mut owners, || pool.patience(), &*options.excluded)
    })?;
    sink.ancestors(top.chain);
    for (folder, records) in top.listings {
        sink.listing(&folder, records);
    }
    if !top.walk {
        return Ok(());
    }
    let mailbox = Mailbox::new(pool.patience());
    let (deliver, finished) = crossbeam_channel::unbounded();
    std::thread::scope(|scope| {
        for _ in 0..pool.context().parallelism.max(1) {
            let (finished, poster) = (finished.clone(), mailbox.poster());
            scope.spawn(move || hand_over(&finished, &poster, sink));
        }
        let mut walk = Walk::new(pool, retrier, options, sink, mailbox, owners, deliver);
        walk.waiting.push(Waiting { path: root.directory.clone(), parent: None });
        let result = walk.run();
        walk.close_all();
        result
    })
}

/// A finished listing.
struct Listing {
    id: usize,
    path: Vec<u8>,
    children: Vec<Record>,
}

/// Hands listings to the engine. If it panics, the rest is only counted as delivered: the driver
/// must come to its end before the panic goes on.
fn hand_over(finished: &Receiver<Listing>, poster: &Poster<Tag>, sink: &dyn ScanSink) {
    let mut panic = None;
    for Listing { id, path, children } in finished {
        if panic.is_none() && !sink.stopped() {
            panic = catch_unwind(AssertUnwindSafe(|| sink.listing(&path, children))).err();
        }
        poster.post(Tag::Delivered(id));
    }
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

enum Tag {
    Opened(usize),
    FileSystem(usize),
    Names(usize),
    Inspected(usize, Vec<u8>),
    Link(usize, usize),
    Owners(usize, Question),
    Delivered(usize),
}

struct Waiting {
    path: Vec<u8>,
    parent: Option<usize>,
}

/// A folder being read.
struct Folder {
    path: Vec<u8>,
    parent: Option<usize>,
    channel: Arc<Channel>,
    handle: Option<Handle>,
    /// Answers that are due.
    due: usize,
    ended: bool,
    /// On another file system than the root.
    foreign: bool,
    children: Vec<Record>,
    below: Vec<Vec<u8>>,
    /// Indexes of children that vanished meanwhile.
    vanished: HashSet<usize>,
}

struct Walk<'a> {
    reconnect: Reconnect<'a>,
    options: &'a ScanOptions,
    sink: &'a dyn ScanSink,
    mailbox: Mailbox<Tag>,
    owners: Owners,
    deliver: Sender<Listing>,
    waiting: Vec<Waiting>,
    folders: HashMap<usize, Folder>,
    next_id: usize,
    undelivered: HashSet<usize>,
    /// Finished listings whose parents have not been taken yet, by parent.
    held: HashMap<usize, Vec<Listing>>,
    one_file_system: bool,
    root_file_system: Option<u64>,
    told_no_file_systems: bool,
}

impl<'a> Walk<'a> {
    fn new(
        pool: &'a Pool,
        retrier: &'a Retrier,
        options: &'a ScanOptions,
        sink: &'a dyn ScanSink,
        mailbox: Mailbox<Tag>,
        owners: Owners,
        deliver: Sender<Listing>,
    ) -> Self {
        Self {
            reconnect: Reconnect::new(pool, retrier),
            options,
            sink,
            mailbox,
            owners,
            deliver,
            waiting: Vec::new(),
            folders: HashMap::new(),
            next_id: 0,
            undelivered: HashSet::new(),
            held: HashMap::new(),
            one_file_system: pool.target().one_file_system,
            root_file_system: None,
            told_no_file_systems: false,
        }
    }

    fn run(&mut self) -> Result<(), ConnectorError> {
        loop {
            if self.sink.stopped() {
                return Ok(());
            }
            self.open_more()?;
            if self.folders.is_empty() && self.waiting.is_empty() && self.undelivered.is_empty() {
                return Ok(());
            }
            let answer = if self.folders.is_empty() && self.undelivered.is_empty() {
                self.mailbox.receive_within(Duration::from_millis(5))?
            } else {
                Some(self.mailbox.receive()?)
            };
            if let Some((tag, reply)) = answer {
                self.take(tag, reply)?;
            }
        }
    }

    fn open_more(&mut self) -> Result<(), ConnectorError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let channels = self.reconnect.channels(self.mailbox.patience())?;
        while self.folders.len() < OPEN_MAX && self.undelivered.len() < UNDELIVERED_MAX {
            // The root's file system must be known before anything is compared with it.
            if self.one_file_system && self.root_file_system.is_none() && !self.folders.is_empty() {
                return Ok(());
            }
            let Some(channel) = Reconnect::roomy(&channels) else { return Ok(()) };
            let Some(Waiting { path, parent }) = self.waiting.pop() else { return Ok(()) };
            self.open(path, parent, channel);
        }
        Ok(())
    }

    fn open(&mut self, path: Vec<u8>, parent: Option<usize>, channel: Arc<Channel>) {
        let id = self.next_id;
        self.next_id += 1;
        let mut due = 1;
        if self.one_file_system && channel.features().statvfs {
            self.mailbox.send(&channel, &Request::Statvfs { path: path.clone() }, Tag::FileSystem(id));
            due += 1;
        } else if self.one_file_system && !self.told_no_file_systems {
            self.told_no_file_systems = true;
            let events = &self.reconnect.pool.context().events;
            events.warning("the server does not tell file systems apart: all of them are backed up");
            self.one_file_system = false;
        }
        self.mailbox.send(&channel, &Request::Opendir { path: path.clone() }, Tag::Opened(id));
        let folder = Folder {
            path,
            parent,
            channel,
            handle: None,
            due,
            ended: false,
            foreign: false,
            children: Vec::new(),
            below: Vec::new(),
            vanished: HashSet::new(),
        };
        self.folders.insert(id, folder);
    }

    fn take(&mut self, tag: Tag, reply: Reply) -> Result<(), ConnectorError> {
        let id = match &tag {
            Tag::Delivered(id) => {
                self.delivered(*id);
                return Ok(());
            }
            Tag::Opened(id) | Tag::FileSystem(id) | Tag::Names(id) => *id,
            Tag::Inspected(id, _) | Tag::Link(id, _) | Tag::Owners(id, _) => *id,
        };
        let Some(folder) = self.folders.get_mut(&id) else { return Ok(()) };
        folder.due -= 1;
        if let Err(lost) = &reply {
            let error = lost.error("list", String::from_utf8_lossy(&folder.path));
            self.reconnect.note_loss(error)?;
            // Nothing of it has been told yet: it is read anew.
            if let Some(Folder { path, parent, .. }) = self.folders.remove(&id) {
                self.waiting.push(Waiting { path, parent });
            }
            return Ok(());
        }
        match tag {
            Tag::Opened(_) => self.take_handle(id, reply),
            Tag::FileSystem(_) => self.take_file_system(id, reply),
            Tag::Names(_) => self.take_names(id, reply),
            Tag::Inspected(_, name) => self.take_attributes(id, &name, reply),
            Tag::Link(_, index) => self.take_link(id, index, reply),
            Tag::Owners(_, question) => {
                self.owners.learn(question, asked("look up owners", b"/").extended(reply).ok());
            }
            Tag::Delivered(_) => {}
        }
        self.finish_if_complete(id);
        Ok(())
    }

    fn take_handle(&mut self, id: usize, reply: Reply) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        match asked("list", &folder.path).handle(reply) {
            Ok(handle) => {
                folder.handle = Some(handle);
                for _ in 0..AHEAD {
                    self.read_more(id);
                }
            }
            // Nothing of it has been told yet: it is tried anew with fewer open.
            Err(error) if error.is_transient() => {
                if let Some(Folder { path, parent, .. }) = self.folders.remove(&id) {
                    self.waiting.push(Waiting { path, parent });
                }
            }
            Err(error) => self.fail(id, error),
        }
    }

    fn take_file_system(&mut self, id: usize, reply: Reply) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let found = asked("examine the file system of", &folder.path).extended(reply);
        let Some(system) = found.ok().and_then(|body| FileSystem::decode(body).ok()) else { return };
        let root = *self.root_file_system.get_or_insert(system.id);
        folder.foreign = root != system.id;
    }

    fn read_more(&mut self, id: usize) {
        if let Some(folder) = self.folders.get_mut(&id)
            && let Some(handle) = folder.handle.clone()
        {
            folder.due += 1;
            self.mailbox.send(&folder.channel, &Request::Readdir { handle }, Tag::Names(id));
        }
    }

    fn take_names(&mut self, id: usize, reply: Reply) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        if folder.ended {
            return;
        }
        match asked("list", &folder.path).names(reply) {
            Ok(Some(entries)) => {
                self.read_more(id);
                for entry in entries {
                    self.take_entry(id, entry);
                }
            }
            Ok(None) => {
                folder.ended = true;
                if let Some(handle) = folder.handle.take() {
                    folder.channel.close(handle);
                }
            }
            Err(error) => self.fail(id, error),
        }
    }

    fn take_entry(&mut self, id: usize, entry: NameEntry) {
        let NameEntry { name, attributes } = entry;
        if matches!(name.as_slice(), b"." | b"..") {
            return;
        }
        if is_complete(&attributes) {
            return self.add(id, &name, &attributes);
        }
        let Some(folder) = self.folders.get_mut(&id) else { return };
        match child(&folder.path, &name) {
            Ok(path) => {
                folder.due += 1;
                self.mailbox.send(&folder.channel, &Request::Lstat { path }, Tag::Inspected(id, name));
            }
            Err(error) => self.sink.failed(&folder.path, false, error),
        }
    }

    fn take_attributes(&mut self, id: usize, name: &[u8], reply: Reply) {
        let Some(folder) = self.folders.get(&id) else { return };
        let Ok(path) = child(&folder.path, name) else { return };
        match asked("inspect", &path).attributes_if_any(reply) {
            Ok(Some(attributes)) => self.add(id, name, &attributes),
            Ok(None) => {}
            Err(error) => self.sink.failed(&path, false, error),
        }
    }

    fn add(&mut self, id: usize, name: &[u8], attributes: &Attributes) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let path = match child(&folder.path, name) {
            Ok(path) => path,
            Err(error) => return self.sink.failed(&folder.path, false, error),
        };
        let info = file_info(name, attributes);
        let directory = info.mode.is_directory();
        if (self.options.excluded)(&path, directory) {
            return;
        }
        let index = folder.children.len();
        let link = info.mode.is_symlink();
        folder.children.push(record(info));
        if directory {
            folder.below.push(path);
        } else if link {
            folder.due += 1;
            self.mailbox.send(&folder.channel, &Request::Readlink { path }, Tag::Link(id, index));
        }
    }

    fn take_link(&mut self, id: usize, index: usize, reply: Reply) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        let Some(record) = folder.children.get_mut(index) else { return };
        let Ok(path) = child(&folder.path, &record.info.name) else { return };
        match asked("read the link", &path).name(reply) {
            Ok(target) => record.target = Some(target),
            Err(error) => {
                folder.vanished.insert(index);
                if error.kind != ErrorKind::NotFound {
                    self.sink.failed(&path, false, error);
                }
            }
        }
    }

    /// The folder's children are unknown.
    fn fail(&mut self, id: usize, error: ConnectorError) {
        if let Some(mut folder) = self.folders.remove(&id) {
            if let Some(handle) = folder.handle.take() {
                folder.channel.close(handle);
            }
            if folder.foreign {
                self.deliver_or_hold(id, Folder { children: Vec::new(), below: Vec::new(), ..folder });
            } else {
                self.sink.failed(&folder.path, true, error);
            }
            self.reconnect.progress();
        }
    }

    fn finish_if_complete(&mut self, id: usize) {
        let Some(folder) = self.folders.get_mut(&id) else { return };
        if folder.due > 0 || !folder.ended {
            return;
        }
        if folder.channel.features().owner_names
            && !folder.foreign
            && let Some(question) = self.owners.unknown(&folder.children)
        {
            folder.due += 1;
            self.mailbox.send(&folder.channel, &question.request(), Tag::Owners(id, question));
            return;
        }
        let Some(mut folder) = self.folders.remove(&id) else { return };
        if folder.foreign {
            folder.children.clear();
            folder.below.clear();
        }
        self.owners.name(&mut folder.children);
        if !folder.vanished.is_empty() {
            let mut index = 0;
            folder.children.retain(|_| {
                index += 1;
                !folder.vanished.contains(&(index - 1))
            });
        }
        self.reconnect.progress();
        self.deliver_or_hold(id, folder);
    }

    fn deliver_or_hold(&mut self, id: usize, folder: Folder) {
        self.waiting.extend(folder.below.into_iter().map(|path| Waiting { path, parent: Some(id) }));
        self.undelivered.insert(id);
        let listing = Listing { id, path: folder.path, children: folder.children };
        match folder.parent {
            Some(parent) if self.undelivered.contains(&parent) => {
                self.held.entry(parent).or_default().push(listing);
            }
            _ => self.send_out(listing),
        }
    }

    fn send_out(&self, listing: Listing) {
        // The receivers live as long as the walk.
        let _ = self.deliver.send(listing);
    }

    fn delivered(&mut self, id: usize) {
        self.undelivered.remove(&id);
        for listing in self.held.remove(&id).unwrap_or_default() {
            self.send_out(listing);
        }
    }

    /// After an early end: nothing stays open on a connection that lives on.
    fn close_all(&mut self) {
        for (_, mut folder) in self.folders.drain() {
            if let Some(handle) = folder.handle.take() {
                folder.channel.close(handle);
            }
        }
    }
}
