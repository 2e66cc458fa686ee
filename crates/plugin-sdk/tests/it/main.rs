//! The generated messages are those of the `.proto` files.

#[path = "../../proto/generate.rs"]
mod generate;

#[test]
fn generated_files_are_up_to_date() {
    let temp = tempfile::tempdir().expect("temporary folder");
    generate::generate(temp.path()).expect("the .proto files are well-formed");
    let checked_in = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    for entry in std::fs::read_dir(temp.path()).expect("folder") {
        let path = entry.expect("entry").path();
        let name = path.file_name().expect("name");
        let fresh = std::fs::read_to_string(&path).expect("read");
        let ours = std::fs::read_to_string(checked_in.join(name)).expect("read");
        assert!(fresh == ours, "{name:?}: run `cargo run -p plugin-sdk --example generate`");
    }
}
