//! Files of the user's configuration, and foreign ones that are imported: YAML, JSON, INI.
//!
//! The modules belong to the program, which is no library; they are compiled here once more.
#![no_main]
#![allow(dead_code)]

use libfuzzer_sys::fuzz_target;

#[path = "."]
mod config {
    #[path = "../../crates/plakar/src/config/import.rs"]
    pub mod import;
    #[path = "../../crates/plakar/src/config/section.rs"]
    pub mod section;
    // Formatted where it belongs.
    #[rustfmt::skip]
    #[path = "../../crates/plakar/src/config/yaml.rs"]
    pub mod yaml;

    pub use section::{Kind, Section};
}

use config::{Kind, import, yaml};

fuzz_target!(|text: &str| {
    for kind in Kind::ALL {
        let Ok(section) = yaml::read_section(kind, text) else { continue };
        let written = yaml::write_section(kind, &section);
        assert_eq!(yaml::read_section(kind, &written), Ok(section), "{written}");
    }
    let _ = yaml::read_oldest(text);
    if let Ok(entries) = import::read(text) {
        let _ = import::from_rclone(entries);
    }
});
