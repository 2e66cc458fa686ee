//! CONFIG: decoding, bounds, and that what decodes encodes to something that decodes to the same.
#![no_main]

use kloset_format::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(config) = Config::decode(data) else { return };
    let _ = config.validate();
    let again = Config::decode(&config.encode()).expect("what was encoded decodes");
    assert_eq!(again, config);
});
