//! The engine: repositories, snapshots, and every operation on them.
