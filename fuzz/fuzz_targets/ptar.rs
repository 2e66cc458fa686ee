//! Archive: header and trailer, for any claimed length of the file.
#![no_main]

use kloset_format::ptar::{Trailer, check_header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8])| {
    let (file_bytes, data) = input;
    let _ = check_header(data);
    let Ok(trailer) = Trailer::decode(data, file_bytes) else { return };
    for part in [&trailer.config, &trailer.packfile, &trailer.state] {
        assert!(part.start <= part.end && part.end <= file_bytes);
    }
});
