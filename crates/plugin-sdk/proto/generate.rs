//! Turns the `.proto` files into Rust; used by the example that writes the result and by the test
//! that compares it with what is checked in.

use std::path::Path;

/// Writes one Rust file per package of the protocol into `out`.
pub fn generate(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let files = ["connectors.proto", "importer.proto", "exporter.proto", "store.proto", "kloset.proto"];
    let descriptors = protox::compile(files, [&folder])?;
    tonic_prost_build::configure()
        .out_dir(out)
        .build_transport(false)
        .bytes(".importer.OpenResponse.chunk")
        .bytes(".plakar.exporter.ExportRequest.chunk")
        .bytes(".kloset.Item.pieces")
        .bytes(".kloset.Piece.data")
        .bytes(".kloset.Content.data")
        .bytes(".store.ListResponse.macs")
        .bytes(".store.PutRequest.chunk")
        .bytes(".store.GetResponse.chunk")
        .compile_fds(descriptors)?;
    Ok(())
}
