//! Regenerates `src/generated` from `proto`: `cargo run -p plugin-sdk --example generate`.

#[path = "../proto/generate.rs"]
mod generate;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    generate::generate(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated"))
}
