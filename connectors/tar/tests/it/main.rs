//! Tar files as sources: archives of the system's program, and hostile ones.

mod hostile;
mod mutations;
mod programs;
mod support;
