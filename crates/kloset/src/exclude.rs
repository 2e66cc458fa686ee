//! Exclusion rules: gitignore patterns matched against absolute paths inside the snapshot.
