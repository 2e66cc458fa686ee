//! Every tree of `tree-shape.json`, and both orders of `path-order.json`.

use std::convert::Infallible;

use kloset_format::btree::ResourceKind;
use kloset_format::{KeyOrder, Mac, Node, TreeBuilder};
use serde_json::Value;

use crate::{mac, unhex};

fn paths() -> Vec<Vec<u8>> {
    let mut all = vec![b"/".to_vec()];
    for i in 0..40 {
        all.push(format!("/d{i:02}").into_bytes());
        all.extend((0..70).map(|j| format!("/d{i:02}/f{j:03}.dat").into_bytes()));
    }
    all.sort();
    all
}

#[test]
fn every_tree_has_the_shape_of_the_reference() {
    let file: Value = serde_json::from_str(include_str!("../vectors/tree-shape.json")).unwrap();
    let paths = paths();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 8);
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        let order = if name == "file tree" { KeyOrder::Tree } else { KeyOrder::Bytes };
        let mut keys: Vec<&[u8]> =
            paths.iter().map(Vec::as_slice).take(vector["keys"].as_u64().unwrap() as usize).collect();
        if vector["insertion_order"].as_str().unwrap().starts_with("descending") {
            keys.reverse();
        }
        let mut builder = TreeBuilder::new(order);
        for key in keys {
            assert!(builder.insert(key, mac(key)));
        }
        let (mut nodes, mut leaf_keys) = (0, Vec::new());
        let root = builder
            .finish::<Infallible>(&mut |kind, bytes| {
                if kind == ResourceKind::Node {
                    let node = Node::decode(bytes).unwrap();
                    node.validate(50).unwrap();
                    node.check_sorted(order).unwrap();
                    nodes += 1;
                    if node.is_leaf() {
                        leaf_keys.push(node.keys.len() as u64);
                    }
                }
                Ok::<Mac, Infallible>(mac(bytes))
            })
            .unwrap();
        leaf_keys.reverse();
        let expected: Vec<u64> =
            vector["keys_per_leaf"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        assert_eq!(leaf_keys, expected, "{name}");
        assert_eq!(nodes, vector["nodes"].as_u64().unwrap(), "{name}");
        assert_eq!(root.to_string(), vector["root_record_mac"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn paths_sort_in_both_orders_as_in_the_vectors() {
    let file: Value = serde_json::from_str(include_str!("../vectors/path-order.json")).unwrap();
    for (list, order) in [
        ("tree_order", KeyOrder::Tree),
        ("byte_order", KeyOrder::Bytes),
        ("tree_order_not_utf8", KeyOrder::Tree),
    ] {
        let expected: Vec<_> =
            file[list].as_array().unwrap().iter().map(|path| unhex(path.as_str().unwrap())).collect();
        let mut sorted = expected.clone();
        sorted.reverse();
        sorted.sort_by(|a, b| order.compare(a, b));
        assert_eq!(sorted, expected, "{list}");
    }
}
