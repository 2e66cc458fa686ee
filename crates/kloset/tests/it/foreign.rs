//! Another reader: it applies states parents first and branches in any order, as the reference
//! implementation does, and must come to the same end as we do.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kloset::maintenance::{MaintenanceOptions, maintain};
use kloset::remove::remove;
use kloset::sync::{Removed, sync};
use kloset::{Repository, SilentMonitor, StateContents};
use kloset_codec::codec::{Codec, Scratch};
use kloset_codec::compress::Compression;
use kloset_connector::StoreFile;
use kloset_format::packfile::{Footer, split_payload};
use kloset_format::state::{StateEntry, StateWriter};
use kloset_format::{Mac, PackfileId, ResourceType, SnapshotId, StateId, Version, envelope};
use testkit::{Fault, FaultyStore, MemoryStore, MemoryTree, Operation, Script};

use crate::maintenance::run;
use crate::rig::{Numbers, assert_whole, backed_up, open, other_store, small_store, small_tree, try_backup};

/// What such a reader believes.
#[derive(Default)]
struct View {
    packfiles: BTreeSet<PackfileId>,
    marks: HashSet<(ResourceType, Mac)>,
    places: HashSet<(ResourceType, Mac, PackfileId)>,
}

impl View {
    fn apply(&mut self, state: &StateContents) {
        for entry in &state.entries {
            match entry {
                StateEntry::Location { resource, mac, packfile, .. } => {
                    self.places.insert((*resource, *mac, *packfile));
                }
                StateEntry::Packfile { packfile, .. } => _ = self.packfiles.insert(*packfile),
                StateEntry::Coloured { resource, mac, .. } => _ = self.marks.insert((*resource, *mac)),
                StateEntry::Delete { entry_type: 2, resource, mac, packfile } => {
                    self.places.remove(&(*resource, *mac, *packfile));
                }
                StateEntry::Delete { entry_type: 3, resource, mac, .. } => {
                    self.marks.remove(&(*resource, *mac));
                }
                StateEntry::Delete { packfile, .. } => {
                    self.packfiles.remove(packfile);
                    self.places.retain(|(_, _, other)| other != packfile);
                }
                StateEntry::Configuration { .. } => {}
            }
        }
    }

    fn is_marked(&self, packfile: PackfileId) -> bool {
        self.marks.contains(&(ResourceType::PACKFILE, Mac(packfile.0)))
    }

    fn snapshots(&self) -> Vec<SnapshotId> {
        let headers = self.places.iter().filter(|(resource, mac, packfile)| {
            *resource == ResourceType::SNAPSHOT
                && self.packfiles.contains(packfile)
                && !self.is_marked(*packfile)
                && !self.marks.contains(&(ResourceType::SNAPSHOT, *mac))
        });
        let mut ids: Vec<SnapshotId> = headers.map(|(_, mac, _)| SnapshotId(mac.0)).collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

/// States by their parents; one whose parent is gone stands below nobody.
type Children = HashMap<StateId, Vec<StateId>>;

fn view(states: &HashMap<StateId, StateContents>, children: &Children, last_first: bool) -> View {
    let mut view = View::default();
    for id in order(children, last_first) {
        view.apply(&states[&id]);
    }
    view
}

/// Parents first, branches in either order.
fn order(children: &Children, last_first: bool) -> Vec<StateId> {
    let mut ordered = Vec::new();
    let mut waiting = vec![StateId::ZERO];
    while let Some(at) = waiting.pop() {
        let below = children.get(&at).into_iter().flatten().copied();
        if last_first {
            waiting.extend(below)
        } else {
            waiting.extend(below.rev())
        }
        ordered.push(at);
    }
    ordered.split_off(1)
}

/// All states, and which of them come after which.
fn history(ours: &Repository) -> (HashMap<StateId, StateContents>, Children) {
    history_of(ours, ours.states().to_vec())
}

/// Some states, and which of them come after which.
fn history_of(ours: &Repository, mut ids: Vec<StateId>) -> (HashMap<StateId, StateContents>, Children) {
    ids.sort();
    let states: HashMap<StateId, StateContents> =
        ids.iter().map(|&id| (id, ours.state_contents(id).unwrap())).collect();
    let mut children = Children::new();
    for id in &ids {
        let parent = states[id].parent;
        let known = if states.contains_key(&parent) { parent } else { StateId::ZERO };
        children.entry(known).or_default().push(*id);
    }
    (states, children)
}

/// Fails unless every such reader finds our snapshots, and no packfile that is not there.
pub fn readers_agree(store: &MemoryStore) -> Result<(), String> {
    let ours: Arc<Repository> = open(store);
    let (states, children) = history(&ours);
    for last_first in [false, true] {
        let agrees = agrees(&view(&states, &children, last_first), store, &ours);
        agrees.map_err(|why| format!("last first: {last_first}: {why}"))?;
    }
    Ok(())
}

fn agrees(view: &View, store: &MemoryStore, ours: &Repository) -> Result<(), String> {
    let there: HashSet<[u8; 32]> = store.names(StoreFile::Packfile).into_iter().collect();
    let mut wanted = ours.snapshots();
    wanted.sort();
    if let Some(gone) = view.packfiles.iter().find(|packfile| !there.contains(&packfile.0)) {
        return Err(format!("packfile {gone} is gone"));
    }
    let found = view.snapshots();
    if found == wanted { Ok(()) } else { Err(format!("{found:?} are found, not {wanted:?}")) }
}

/// Such a reader with a cache: it goes on from what it believed, and a state that is gone changes nothing.
pub struct CachedReader {
    view: View,
    known: HashSet<StateId>,
    /// What it names as the parent of a state that it writes before it looks again.
    pub latest: StateId,
    last_first: bool,
}

impl CachedReader {
    pub fn new(last_first: bool) -> Self {
        Self { view: View::default(), known: HashSet::new(), latest: StateId::ZERO, last_first }
    }

    /// Applies the states that came since; fails unless it then finds what we do.
    pub fn look_again(&mut self, store: &MemoryStore) -> Result<(), String> {
        let ours = open(store);
        let fresh = ours.states().iter().copied().filter(|id| !self.known.contains(id)).collect();
        let (states, children) = history_of(&ours, fresh);
        for id in order(&children, self.last_first) {
            self.view.apply(&states[&id]);
            self.latest = id;
        }
        self.known = ours.states().iter().copied().collect();
        agrees(&self.view, store, &ours)
            .map_err(|why| format!("cached, last first: {}: {why}", self.last_first))
    }
}

/// Removes a snapshot of a plaintext store as such a client does, which names an old parent.
pub fn remove_behind(store: &MemoryStore, parent: StateId, id: SnapshotId, when_ns: i64) {
    let mut writer = StateWriter::new(parent);
    writer.coloured(ResourceType::SNAPSHOT, &Mac(id.0), when_ns);
    let plain = writer.finish(Version::V1_1_0, when_ns, [0; 16]);
    let name = open(store).key().mac(&plain);
    publish(store, StateId(name.0), &plain);
}

/// Writes a state of a plaintext store.
pub fn publish(store: &MemoryStore, name: StateId, plain: &[u8]) {
    let mut body = envelope::header(ResourceType::STATE, Version::V1_1_0).to_vec();
    let codec = Codec { compression: Some(Compression::Lz4), cipher: None };
    codec.encode(&mut Scratch::new(), plain, &mut body);
    let trailer = open(store).key().mac(&body);
    body.extend_from_slice(trailer.as_bytes());
    store.place(StoreFile::State, name.0, body);
}

/// What two clients did to the same store at the same time, each before it saw the work of the other.
fn at_once(store: &MemoryStore, one: impl FnOnce(&MemoryStore), other: impl FnOnce(&MemoryStore)) {
    let apart = store.copy();
    one(store);
    other(&apart);
    for file in [StoreFile::Packfile, StoreFile::State] {
        for name in apart.names(file) {
            store.place(file, name, apart.body(file, &name).unwrap());
        }
    }
}

fn maintained(store: &MemoryStore) {
    let options = MaintenanceOptions { grace: Duration::ZERO, ..MaintenanceOptions::default() };
    maintain(&open(store), &options, &SilentMonitor).unwrap();
    readers_agree(store).unwrap();
}

fn brought_back(source: &MemoryStore, store: &MemoryStore, id: SnapshotId) {
    let (source, target) = (open(source), open(store));
    sync(&source, &target, &[id], Removed::BringBack, &SilentMonitor, &mut |_| {}).unwrap();
}

#[test]
fn what_one_of_two_branches_told_of_is_taken_back_on_it() {
    let store = small_store();
    let tree = small_tree();
    let kept = backed_up(&store, &tree);
    let mut gone = Vec::new();
    // Whichever branch the others build on.
    for seed in 10..14 {
        let [one, other] = [1, 2].map(|nth| {
            let mut tree = tree.clone();
            tree.write("own", Numbers::new(seed * nth).bytes(100_000));
            tree
        });
        let mut ids = [None; 2];
        let [first, second] = &mut ids;
        at_once(
            &store,
            |store| *first = Some(backed_up(store, &one)),
            |store| *second = Some(backed_up(store, &other)),
        );
        readers_agree(&store).unwrap();
        gone.extend(ids.into_iter().flatten());
    }
    let before = store.names(StoreFile::Packfile).len();
    remove(&open(&store), &gone).unwrap();
    (0..3).for_each(|_| maintained(&store));
    assert!(store.names(StoreFile::Packfile).len() < before);
    assert_whole(&store, kept, &tree, "beside the branches");
}

#[test]
fn a_removal_on_a_branch_is_taken_back_when_the_snapshot_comes_back() {
    let (source, store) = (small_store(), other_store(4 << 10));
    let tree = small_tree();
    let id = backed_up(&source, &tree);
    let bring_back = || {
        brought_back(&source, &store, id);
        readers_agree(&store).unwrap();
        assert_whole(&store, id, &tree, "brought back");
    };
    bring_back();
    at_once(
        &store,
        |store| _ = backed_up(store, &tree),
        |store| {
            remove(&open(store), &[id]).unwrap();
            backed_up(store, &small_tree());
        },
    );
    bring_back();
    at_once(&store, |store| remove(&open(store), &[id]).unwrap(), |store| _ = backed_up(store, &tree));
    bring_back();
}

/// Blobs of a packfile of a plaintext store, padding included.
fn blobs_in(store: &MemoryStore, packfile: PackfileId) -> usize {
    let body = store.body(StoreFile::Packfile, &packfile.0).unwrap();
    let (footer, _) =
        split_payload(&body[envelope::HEADER_SIZE..body.len() - envelope::TRAILER_SIZE]).unwrap();
    let codec = Codec { compression: Some(Compression::Lz4), cipher: None };
    Footer::decode(&codec.decode(&mut Scratch::new(), footer, 1000).unwrap()).unwrap().count as usize
}

#[test]
fn a_backup_that_fails_at_its_end_tells_of_packfiles_as_a_whole() {
    let fault = Fault::Fail(kloset_connector::ErrorKind::Permission);
    let store = small_store();
    let script = Script::OnNth { operation: Operation::List, file: StoreFile::Packfile, nth: 1, fault };
    try_backup(FaultyStore::new(store.clone(), script, 0), &small_tree()).unwrap_err();
    let repository = open(&store);
    let states = repository.states().iter().map(|id| repository.state_contents(*id).unwrap());
    let mut told: HashMap<PackfileId, usize> = HashMap::new();
    for entry in states.flat_map(|state| state.entries) {
        if let StateEntry::Location { packfile, .. } = entry {
            *told.entry(packfile).or_default() += 1;
        }
    }
    assert!(!told.is_empty() && repository.snapshots().is_empty());
    for (packfile, count) in told {
        assert_eq!(count, blobs_in(&store, packfile));
    }
}

/// Each packfile that the states name is told of as a whole, and each snapshot has one header in them.
fn assert_told_as_a_whole(store: &MemoryStore) {
    let repository = open(store);
    let mut told: HashMap<PackfileId, usize> = HashMap::new();
    let mut headers: HashMap<Mac, usize> = HashMap::new();
    let (states, children) = history(&repository);
    let view = view(&states, &children, false);
    for (resource, mac, packfile) in &view.places {
        if view.packfiles.contains(packfile) {
            *told.entry(*packfile).or_default() += 1;
            if *resource == ResourceType::SNAPSHOT && !view.marks.contains(&(*resource, *mac)) {
                *headers.entry(*mac).or_default() += 1;
            }
        }
    }
    for packfile in &view.packfiles {
        assert_eq!(told.get(packfile).copied(), Some(blobs_in(store, *packfile)), "{packfile}");
    }
    assert!(headers.values().all(|&count| count == 1), "{headers:?}");
    assert_eq!(headers.len(), repository.snapshots().len());
}

fn with_own(tree: &MemoryTree, seed: u64) -> MemoryTree {
    let mut tree = tree.clone();
    tree.write("own", Numbers::new(seed + 1).bytes(60_000 + seed as usize));
    tree
}

#[test]
fn repacking_leaves_one_header_for_each_snapshot_at_every_step() {
    for grace in [Duration::ZERO, Duration::from_secs(900)] {
        let store = small_store();
        let tree = small_tree();
        let ids: Vec<SnapshotId> = (0..6).map(|seed| backed_up(&store, &with_own(&tree, seed))).collect();
        remove(&open(&store), &ids[1..4]).unwrap();
        let options = MaintenanceOptions { grace, repack: true, ..MaintenanceOptions::default() };
        for day in 0..3 {
            let done = run(&store, day, &options).unwrap();
            assert!(day > 0 || done.repacked_packfiles > 0 || !grace.is_zero(), "{done:?}");
            assert_told_as_a_whole(&store);
            readers_agree(&store).unwrap();
        }
        assert_whole(&store, ids[0], &with_own(&tree, 0), "after repacking");
        assert_whole(&store, ids[5], &with_own(&tree, 5), "after repacking");
    }
}

#[test]
fn a_snapshot_that_comes_back_has_one_header_and_leaves_no_blob_untold() {
    let options = MaintenanceOptions { grace: Duration::from_secs(900), ..MaintenanceOptions::default() };
    // Removed a moment ago; its packfile marked since; its packfile gone since.
    for step in 0..3 {
        let (source, store) = (small_store(), other_store(4 << 10));
        let tree = small_tree();
        let id = backed_up(&source, &tree);
        brought_back(&source, &store, id);
        remove(&open(&store), &[id]).unwrap();
        (0..step).for_each(|day| _ = run(&store, day, &options).unwrap());
        brought_back(&source, &store, id);
        assert_told_as_a_whole(&store);
        assert_whole(&store, id, &tree, "brought back");
        (step..step + 3).for_each(|day| _ = run(&store, day, &options).unwrap());
        assert_told_as_a_whole(&store);
        assert_whole(&store, id, &tree, "after maintenance");
    }
}
