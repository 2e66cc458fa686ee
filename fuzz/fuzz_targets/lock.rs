//! Lock record.
#![no_main]

use kloset_format::LockRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(lock) = LockRecord::decode(data) else { return };
    LockRecord::decode(&lock.encode()).expect("what was encoded decodes");
});
