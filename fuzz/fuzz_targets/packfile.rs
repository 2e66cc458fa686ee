//! Packfile: payload split, footer, index, layout of the blobs.
#![no_main]

use kloset_format::packfile::{Footer, check_layout, records, split_payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((footer, at)) = split_payload(data)
        && let Ok(footer) = Footer::decode(footer)
        && let Ok(range) = footer.index_range(at)
        && let Some(index) = data.get(range)
    {
        let _ = footer.check_count(index);
    }
    let Ok(found) = records(data) else { return };
    let found: Vec<_> = found.collect();
    let area_end = found.iter().map(|record| record.offset).max().unwrap_or(0);
    let _ = check_layout(&found, area_end);
    let mut again = Vec::new();
    found.iter().for_each(|record| record.encode(&mut again));
    assert_eq!(again, data);
});
