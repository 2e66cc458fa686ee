//! Exclude rules: any pattern against any path.
#![no_main]

use kloset::exclude::Exclude;
use kloset_format::path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<String>, &[u8], bool)| {
    let (patterns, text, is_directory) = input;
    let root = b"/srv/data".to_vec();
    let Ok(rules) = Exclude::new(&patterns, std::slice::from_ref(&root)) else { return };
    let _ = rules.excluded(&path::clean(text), is_directory);
    let _ = rules.excluded(&path::join(&root, text), is_directory);
    assert!(!rules.excluded(b"/", true));
    let _ = rules.unmatched_patterns();
});
