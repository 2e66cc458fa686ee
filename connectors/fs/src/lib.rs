//! Local folders as storage, source and destination; single-file stores as storage.
