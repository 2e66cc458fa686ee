//! SFTP servers as storage, source and destination, through the system's ssh.
