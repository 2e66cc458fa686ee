//! Hashes, compresses, encrypts, and cuts byte buffers.
