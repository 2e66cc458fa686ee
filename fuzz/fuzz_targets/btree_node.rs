//! Tree record and node: decoding, shape, search.
#![no_main]

use kloset_format::{KeyOrder, Node, TreeRecord};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = TreeRecord::decode(data);
    let Ok(node) = Node::decode(data) else { return };
    let _ = node.validate(50);
    for order in [KeyOrder::Bytes, KeyOrder::Tree] {
        let _ = (node.check_sorted(order), node.child(order, data), node.value(order, data));
    }
    let mut bytes = Vec::new();
    node.encode(&mut bytes);
    assert_eq!(Node::decode(&bytes).expect("what was encoded decodes"), node);
});
