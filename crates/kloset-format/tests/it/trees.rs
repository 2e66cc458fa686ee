//! Trees of random keys: what was inserted is found again, by lookup and by walking.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;

use kloset_format::btree::ResourceKind;
use kloset_format::{KeyOrder, Mac, Node, TreeBuilder, TreeRecord};
use proptest::prelude::*;

use crate::mac;

type Nodes = HashMap<Mac, Vec<u8>>;

fn build(order: KeyOrder, keys: &[Vec<u8>]) -> (TreeRecord, Nodes) {
    let mut builder = TreeBuilder::new(order);
    for key in keys {
        builder.insert(key, mac(key));
    }
    let mut blobs = Nodes::new();
    let mut record = None;
    builder
        .finish::<Infallible>(&mut |kind, bytes| {
            let name = mac(bytes);
            match kind {
                ResourceKind::Node => drop(blobs.insert(name, bytes.to_vec())),
                ResourceKind::Root => record = Some(TreeRecord::decode(bytes).unwrap()),
            }
            Ok(name)
        })
        .unwrap();
    (record.expect("the tree record comes last"), blobs)
}

fn node(nodes: &Nodes, name: &Mac) -> Node {
    let node = Node::decode(&nodes[name]).unwrap();
    node.validate(50).unwrap();
    node
}

fn find(order: KeyOrder, tree: &TreeRecord, nodes: &Nodes, key: &[u8]) -> Option<Mac> {
    let mut at = node(nodes, &tree.root);
    while !at.is_leaf() {
        at = node(nodes, at.child(order, key).unwrap());
    }
    at.value(order, key).copied()
}

fn walk(tree: &TreeRecord, nodes: &Nodes) -> Vec<Vec<u8>> {
    let mut at = node(nodes, &tree.root);
    while !at.is_leaf() {
        at = node(nodes, &at.pointers[0]);
    }
    let mut keys = Vec::new();
    loop {
        keys.extend(at.keys.iter().cloned());
        match at.next {
            Some(next) => at = node(nodes, &next),
            None => return keys,
        }
    }
}

fn check(order: KeyOrder, keys: &[Vec<u8>]) {
    let (tree, nodes) = build(order, keys);
    let mut unique: Vec<_> = keys.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    unique.sort_by(|a, b| order.compare(a, b));
    assert_eq!(walk(&tree, &nodes), unique);
    for key in &unique {
        assert_eq!(find(order, &tree, &nodes, key), Some(mac(key)));
        let mut absent = key.clone();
        absent.push(0);
        if !unique.contains(&absent) {
            assert_eq!(find(order, &tree, &nodes, &absent), None);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_keys_in_random_order_are_all_found(
        keys in prop::collection::vec("[/ab]{1,6}", 0..600),
    ) {
        let keys: Vec<Vec<u8>> = keys.into_iter().map(String::into_bytes).collect();
        check(KeyOrder::Tree, &keys);
        check(KeyOrder::Bytes, &keys);
    }
}

#[test]
fn a_tall_tree_is_walked_and_searched() {
    let keys: Vec<Vec<u8>> = (0..20_000u32)
        .map(|i| format!("/{:04}/{}", i.wrapping_mul(2_654_435_761) % 7919, i).into_bytes())
        .collect();
    check(KeyOrder::Tree, &keys);
}

#[test]
fn a_failing_store_ends_the_writing_of_a_tree() {
    let keys: Vec<Vec<u8>> = (0..500u32).map(|i| format!("/{i:04}").into_bytes()).collect();
    let mut builder = TreeBuilder::new(KeyOrder::Bytes);
    for key in &keys {
        builder.insert(key, Mac::ZERO);
    }
    let mut calls = 0;
    let result = builder.finish(&mut |_, bytes| {
        calls += 1;
        if calls == 3 { Err("full") } else { Ok(mac(bytes)) }
    });
    assert_eq!((result, calls), (Err("full"), 3));
}
