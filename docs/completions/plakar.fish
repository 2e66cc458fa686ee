# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_plakar_global_optspecs
    string join \n configdir= config= cachedir= datadir= cpu= concurrency= limit-upload= limit-download= keyfile= quiet silent stdio json trace= time retry-timeout= profile-cpu= profile-mem= accept-changed-store disable-security-check enable-security-check
end

function __fish_plakar_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    set cmd (string replace -r '^-([a-z][a-z-]*)' -- '--$1' $cmd)
    argparse -s (__fish_plakar_global_optspecs) -- $cmd 2>/dev/null
    or return
    if test (count $argv) -ge 2; and test $argv[1] = at
        set -e argv[1..2]
    end
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_plakar_using_subcommand
    set -l cmd (__fish_plakar_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c plakar -n "__fish_plakar_needs_command" -o configdir -d 'Configuration directory (default $XDG_CONFIG_HOME/plakar, else ~/.config/plakar)' -r -F
complete -c plakar -n "__fish_plakar_needs_command" -o config -d 'Old name of -configdir' -r -F
complete -c plakar -n "__fish_plakar_needs_command" -o cachedir -d 'Cache directory (default $XDG_CACHE_HOME/plakar, else ~/.cache/plakar)' -r -F
complete -c plakar -n "__fish_plakar_needs_command" -o datadir -d 'Data directory (default $XDG_DATA_HOME/plakar, else ~/.local/share/plakar)' -r -F
complete -c plakar -n "__fish_plakar_needs_command" -o cpu -d 'Cores to use (default: all of them)' -r
complete -c plakar -n "__fish_plakar_needs_command" -o concurrency -d 'Parallel operations of a connector and files in flight over a network; -1 means the value of -cpu' -r
complete -c plakar -n "__fish_plakar_needs_command" -o limit-upload -d 'Bytes per second to send at most, as in 500K, 2M, 1G' -r
complete -c plakar -n "__fish_plakar_needs_command" -o limit-download -d 'Bytes per second to receive at most' -r
complete -c plakar -n "__fish_plakar_needs_command" -o keyfile -d 'File that holds the passphrase; one final newline is dropped' -r -F
complete -c plakar -n "__fish_plakar_needs_command" -o trace -d 'Show steps of these, comma separated: repository (calls of the store), snapshot, server (requests), all' -r
complete -c plakar -n "__fish_plakar_needs_command" -o retry-timeout -d 'Give up after this long without progress; 0 fails at the first loss' -r
complete -c plakar -n "__fish_plakar_needs_command" -o profile-cpu -d 'Not available: says so and goes on' -r -F
complete -c plakar -n "__fish_plakar_needs_command" -o profile-mem -d 'Not available: says so and goes on' -r -F
complete -c plakar -n "__fish_plakar_needs_command" -o quiet -d 'Hide the lines per path and the info lines'
complete -c plakar -n "__fish_plakar_needs_command" -o silent -d 'Hide every event; errors and results stay'
complete -c plakar -n "__fish_plakar_needs_command" -o stdio -d 'Plain lines even on a terminal'
complete -c plakar -n "__fish_plakar_needs_command" -o json -d 'Events and listings as JSON, one object a line'
complete -c plakar -n "__fish_plakar_needs_command" -o time -d 'Print the time the command took'
complete -c plakar -n "__fish_plakar_needs_command" -o accept-changed-store -d 'Accept a store that went backwards, changed its identity or lost its encryption since it was last seen'
complete -c plakar -n "__fish_plakar_needs_command" -o disable-security-check -d 'Turn the update check off (this program never asks the network unasked)'
complete -c plakar -n "__fish_plakar_needs_command" -o enable-security-check -d 'Turn the update check on'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "archive" -d 'Write a snapshot as a tar or zip file'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "backup" -d 'Make a snapshot of files'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "cat" -d 'Print files of a snapshot'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "check" -d 'Verify that snapshots are whole'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "create" -d 'Make a new store'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "destination" -d 'Manage named destinations'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "diff" -d 'Compare files or directories of snapshots'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "digest" -d 'Print plain hashes of files in snapshots'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "dup" -d 'Make a new snapshot with the contents of another one'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "help" -d 'Explain a command'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "info" -d 'Describe the store, or a snapshot'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "locate" -d 'Find paths by their names'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "login" -d 'Log in to the package server'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "logout" -d 'Forget the login at the package server'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "ls" -d 'List snapshots, or what is in one'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "maintenance" -d 'Give back the space of removed snapshots'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "mount" -d 'Show snapshots as a folder or as web pages'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "pkg" -d 'Manage packages'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "policy" -d 'Manage rules for prune'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "prune" -d 'Remove old snapshots by rules'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "ptar" -d 'Make a single-file store'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "repair" -d 'Bring back lost states'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "restore" -d 'Restore a snapshot, or a part of one'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "rm" -d 'Remove snapshots'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "server" -d 'Export the store by HTTP'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "source" -d 'Manage named sources'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "status" -d 'Say how the store is'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "store" -d 'Manage named stores'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "sync" -d 'Copy snapshots between stores'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "token" -d 'Make tokens for other machines'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "ui" -d 'Look at the store with a browser'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "version" -d 'Print the name and version of this program'
complete -c plakar -n "__fish_plakar_needs_command" -f -a "diag" -d 'Look inside a store'
complete -c plakar -n "__fish_plakar_using_subcommand archive" -o output -d 'Where to write; `-` is standard output (default plakar-TIME.tar.gz)' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand archive" -o format -d 'tarball (tar.gz), tar or zip' -r
complete -c plakar -n "__fish_plakar_using_subcommand archive" -o rebase -d 'Leave the chosen path out of the names'
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o tag -d 'Tags of the snapshot, repeatable (default $PLAKAR_TAGS)' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o name -d 'Name of the snapshot' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o category -d 'Category of the snapshot' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o environment -d 'Environment of the snapshot' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o perimeter -d 'Perimeter of the snapshot' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o job -d 'Job of the snapshot' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o ignore -d 'Gitignore pattern of what to leave out, repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o ignore-file -d 'File of such patterns; its rules come before those of -ignore' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o force-timestamp -d 'Time to record instead of now, in the past' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o packfiles -d 'Accepted for compatibility: packfiles are made in memory' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o cache -d 'no: read every file; vfs: trust the newest snapshot of the same source' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o o -d 'Option of the source, repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o report -d 'Write a report of the run to FILE: JSON, or Prometheus text if its name ends in .prom' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o check -d 'Check the new snapshot afterwards'
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o dry-run -d 'Only list what would be read'
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o no-progress -d 'Accepted for compatibility: nothing is counted beforehand'
complete -c plakar -n "__fish_plakar_using_subcommand backup" -o no-xattr -d 'Do not store values of extended attributes'
complete -c plakar -n "__fish_plakar_using_subcommand cat" -o decompress -d 'Unpack files whose content type is gzip'
complete -c plakar -n "__fish_plakar_using_subcommand cat" -o highlight -d 'Colour the words of texts up to 1 MiB in known languages'
complete -c plakar -n "__fish_plakar_using_subcommand check" -o name -d 'Only snapshots of this name' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o category -d 'Only snapshots of this category' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o environment -d 'Only snapshots of this environment' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o perimeter -d 'Only snapshots of this perimeter' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o job -d 'Only snapshots of this job' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o tag -d 'Only snapshots with all these tags; !TAG means without; repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o dataset -d 'Only snapshots of this dataset' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o root -d 'Only snapshots of this directory (comma list: any of them)' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o origin -d 'Only snapshots from this host' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o type -d 'Only snapshots from this type of source' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o data-class -d 'Only snapshots with this data class' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o before -d 'Only snapshots made before this date or that long ago' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o since -d 'Only snapshots made since this date' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o minutes -d 'Keep what was made in the last N minutes' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-minute -d 'Keep at most the N newest of each minute' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o hours -d 'Keep what was made in the last N hours' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-hour -d 'Keep at most the N newest of each hour' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o days -d 'Keep what was made in the last N days' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-day -d 'Keep at most the N newest of each day' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o weeks -d 'Keep what was made in the last N weeks' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-week -d 'Keep at most the N newest of each week' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o months -d 'Keep what was made in the last N months' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-month -d 'Keep at most the N newest of each month' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o years -d 'Keep what was made in the last N years' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-year -d 'Keep at most the N newest of each year' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o mondays -d 'Keep what was made in the last N mondays' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-monday -d 'Keep at most the N newest of each monday' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o tuesdays -d 'Keep what was made in the last N tuesdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-tuesday -d 'Keep at most the N newest of each tuesday' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o wednesdays -d 'Keep what was made in the last N wednesdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-wednesday -d 'Keep at most the N newest of each wednesday' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o thursdays -d 'Keep what was made in the last N thursdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-thursday -d 'Keep at most the N newest of each thursday' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o fridays -d 'Keep what was made in the last N fridays' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-friday -d 'Keep at most the N newest of each friday' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o saturdays -d 'Keep what was made in the last N saturdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-saturday -d 'Keep at most the N newest of each saturday' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o sundays -d 'Keep what was made in the last N sundays' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o per-sunday -d 'Keep at most the N newest of each sunday' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o group-by -d 'Apply retention to each group: name, category, environment, perimeter, job, dataset, data-class, tag, origin, type or root' -r
complete -c plakar -n "__fish_plakar_using_subcommand check" -o report -d 'Write a report of the run to FILE: JSON, or Prometheus text if its name ends in .prom' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand check" -o fast -d 'Read only what a listing needs, no contents'
complete -c plakar -n "__fish_plakar_using_subcommand check" -o no-verify -d 'Accepted for compatibility: signatures are not verified'
complete -c plakar -n "__fish_plakar_using_subcommand check" -o latest -d 'Only the newest of what matches'
complete -c plakar -n "__fish_plakar_using_subcommand create" -o hashing -d 'Hash that names contents: BLAKE3 or SHA256' -r
complete -c plakar -n "__fish_plakar_using_subcommand create" -o plaintext -d 'Do not encrypt'
complete -c plakar -n "__fish_plakar_using_subcommand create" -o no-compression -d 'Do not compress'
complete -c plakar -n "__fish_plakar_using_subcommand create" -o weak-passphrase -d 'Accept a weak passphrase'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "add" -d 'Add an entry'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "check" -d 'Check that the connector of an entry can be set up'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "import" -d 'Read entries from a file or from standard input'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "ping" -d 'Try an entry step by step'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "rm" -d 'Remove an entry'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "set" -d 'Set options of an entry'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "show" -d 'Show entries'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "unset" -d 'Remove options of an entry'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and __fish_seen_subcommand_from import" -o config -d 'File to read; standard input by default' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand destination; and __fish_seen_subcommand_from import" -o overwrite -d 'Replace entries that exist'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and __fish_seen_subcommand_from import" -o rclone -d 'The file is an rclone configuration'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and __fish_seen_subcommand_from show" -o yaml -d 'As YAML (default)'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and __fish_seen_subcommand_from show" -o json -d 'As JSON, one object a line'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and __fish_seen_subcommand_from show" -o ini -d 'As INI'
complete -c plakar -n "__fish_plakar_using_subcommand destination; and __fish_seen_subcommand_from show" -o secrets -d 'Show secrets as they are'
complete -c plakar -n "__fish_plakar_using_subcommand diff" -o recursive -d 'Compare everything below'
complete -c plakar -n "__fish_plakar_using_subcommand diff" -o highlight -d 'Colour the differences of texts'
complete -c plakar -n "__fish_plakar_using_subcommand digest" -o hashing -d 'SHA256 or BLAKE3' -r
complete -c plakar -n "__fish_plakar_using_subcommand help" -o style -d 'Accepted for compatibility' -r
complete -c plakar -n "__fish_plakar_using_subcommand info" -o errors -d 'List the paths that could not be read when the snapshot was made'
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o snapshot -d 'Only snapshots whose id starts with this' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o name -d 'Only snapshots of this name' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o category -d 'Only snapshots of this category' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o environment -d 'Only snapshots of this environment' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o perimeter -d 'Only snapshots of this perimeter' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o job -d 'Only snapshots of this job' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o tag -d 'Only snapshots with all these tags; !TAG means without; repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o dataset -d 'Only snapshots of this dataset' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o root -d 'Only snapshots of this directory (comma list: any of them)' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o origin -d 'Only snapshots from this host' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o type -d 'Only snapshots from this type of source' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o data-class -d 'Only snapshots with this data class' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o before -d 'Only snapshots made before this date or that long ago' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o since -d 'Only snapshots made since this date' -r
complete -c plakar -n "__fish_plakar_using_subcommand locate" -o latest -d 'Only the newest of what matches'
complete -c plakar -n "__fish_plakar_using_subcommand login" -o email -d 'Confirm with a message to this address' -r
complete -c plakar -n "__fish_plakar_using_subcommand login" -o github -d 'Confirm with GitHub (default)'
complete -c plakar -n "__fish_plakar_using_subcommand login" -o env -d 'Keep the token of $PLAKAR_TOKEN'
complete -c plakar -n "__fish_plakar_using_subcommand login" -o status -d 'Say whether there is a token'
complete -c plakar -n "__fish_plakar_using_subcommand login" -o no-spawn -d 'Show the page\'s address instead of opening it'
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o name -d 'Only snapshots of this name' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o category -d 'Only snapshots of this category' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o environment -d 'Only snapshots of this environment' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o perimeter -d 'Only snapshots of this perimeter' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o job -d 'Only snapshots of this job' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o tag -d 'Only snapshots with all these tags; !TAG means without; repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o dataset -d 'Only snapshots of this dataset' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o root -d 'Only snapshots of this directory (comma list: any of them)' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o origin -d 'Only snapshots from this host' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o type -d 'Only snapshots from this type of source' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o data-class -d 'Only snapshots with this data class' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o before -d 'Only snapshots made before this date or that long ago' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o since -d 'Only snapshots made since this date' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o minutes -d 'Keep what was made in the last N minutes' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-minute -d 'Keep at most the N newest of each minute' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o hours -d 'Keep what was made in the last N hours' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-hour -d 'Keep at most the N newest of each hour' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o days -d 'Keep what was made in the last N days' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-day -d 'Keep at most the N newest of each day' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o weeks -d 'Keep what was made in the last N weeks' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-week -d 'Keep at most the N newest of each week' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o months -d 'Keep what was made in the last N months' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-month -d 'Keep at most the N newest of each month' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o years -d 'Keep what was made in the last N years' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-year -d 'Keep at most the N newest of each year' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o mondays -d 'Keep what was made in the last N mondays' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-monday -d 'Keep at most the N newest of each monday' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o tuesdays -d 'Keep what was made in the last N tuesdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-tuesday -d 'Keep at most the N newest of each tuesday' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o wednesdays -d 'Keep what was made in the last N wednesdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-wednesday -d 'Keep at most the N newest of each wednesday' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o thursdays -d 'Keep what was made in the last N thursdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-thursday -d 'Keep at most the N newest of each thursday' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o fridays -d 'Keep what was made in the last N fridays' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-friday -d 'Keep at most the N newest of each friday' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o saturdays -d 'Keep what was made in the last N saturdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-saturday -d 'Keep at most the N newest of each saturday' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o sundays -d 'Keep what was made in the last N sundays' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o per-sunday -d 'Keep at most the N newest of each sunday' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o group-by -d 'Apply retention to each group: name, category, environment, perimeter, job, dataset, data-class, tag, origin, type or root' -r
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o uuid -d 'Full ids'
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o tags -d 'Show tags'
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o recursive -d 'Everything below, with full paths'
complete -c plakar -n "__fish_plakar_using_subcommand ls" -o latest -d 'Only the newest of what matches'
complete -c plakar -n "__fish_plakar_using_subcommand maintenance" -o dry-run -d 'Only say what would be done'
complete -c plakar -n "__fish_plakar_using_subcommand maintenance" -o repack -d 'Also move what is in use out of packfiles that waste space, and merge states of which little still matters; packfiles with the header of a snapshot stay where they are unless the grace period is 0s'
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o to -d 'Folder to mount on, or http://HOST:PORT' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o name -d 'Only snapshots of this name' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o category -d 'Only snapshots of this category' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o environment -d 'Only snapshots of this environment' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o perimeter -d 'Only snapshots of this perimeter' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o job -d 'Only snapshots of this job' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o tag -d 'Only snapshots with all these tags; !TAG means without; repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o dataset -d 'Only snapshots of this dataset' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o root -d 'Only snapshots of this directory (comma list: any of them)' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o origin -d 'Only snapshots from this host' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o type -d 'Only snapshots from this type of source' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o data-class -d 'Only snapshots with this data class' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o before -d 'Only snapshots made before this date or that long ago' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o since -d 'Only snapshots made since this date' -r
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o allow-others -d 'Let other users look as well, as far as the recorded modes allow'
complete -c plakar -n "__fish_plakar_using_subcommand mount" -o latest -d 'Only the newest of what matches'
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and not __fish_seen_subcommand_from add build create list prefer rm" -f -a "add" -d 'Install packages by name, NAME@VERSION, or file'
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and not __fish_seen_subcommand_from add build create list prefer rm" -f -a "build" -d 'Build a package from a recipe: name, path or URL'
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and not __fish_seen_subcommand_from add build create list prefer rm" -f -a "create" -d 'Make a package of a manifest and the files it names'
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and not __fish_seen_subcommand_from add build create list prefer rm" -f -a "list" -d 'List installed packages'
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and not __fish_seen_subcommand_from add build create list prefer rm" -f -a "prefer" -d 'Use an installed package instead of what is built in'
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and not __fish_seen_subcommand_from add build create list prefer rm" -f -a "rm" -d 'Remove packages'
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and __fish_seen_subcommand_from add" -s u -o u -d 'Replace older versions; without a name, of every installed package'
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and __fish_seen_subcommand_from create" -o out -d 'File to make' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and __fish_seen_subcommand_from list" -o long -d 'Names of package files'
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and __fish_seen_subcommand_from list" -o available -d 'Also those that the server has'
complete -c plakar -n "__fish_plakar_using_subcommand pkg; and __fish_seen_subcommand_from prefer" -o built-in -d 'Use what is built in again'
complete -c plakar -n "__fish_plakar_using_subcommand policy; and not __fish_seen_subcommand_from add rm set show unset" -f -a "add" -d 'Add a policy'
complete -c plakar -n "__fish_plakar_using_subcommand policy; and not __fish_seen_subcommand_from add rm set show unset" -f -a "rm" -d 'Remove a policy'
complete -c plakar -n "__fish_plakar_using_subcommand policy; and not __fish_seen_subcommand_from add rm set show unset" -f -a "set" -d 'Set keys of a policy'
complete -c plakar -n "__fish_plakar_using_subcommand policy; and not __fish_seen_subcommand_from add rm set show unset" -f -a "show" -d 'Show policies'
complete -c plakar -n "__fish_plakar_using_subcommand policy; and not __fish_seen_subcommand_from add rm set show unset" -f -a "unset" -d 'Remove keys of a policy'
complete -c plakar -n "__fish_plakar_using_subcommand policy; and __fish_seen_subcommand_from show" -o yaml -d 'As YAML (default)'
complete -c plakar -n "__fish_plakar_using_subcommand policy; and __fish_seen_subcommand_from show" -o json -d 'As JSON, one object a line'
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o policy -d 'Take filters and rules from a policy' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o name -d 'Only snapshots of this name' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o category -d 'Only snapshots of this category' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o environment -d 'Only snapshots of this environment' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o perimeter -d 'Only snapshots of this perimeter' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o job -d 'Only snapshots of this job' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o tag -d 'Only snapshots with all these tags; !TAG means without; repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o dataset -d 'Only snapshots of this dataset' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o root -d 'Only snapshots of this directory (comma list: any of them)' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o origin -d 'Only snapshots from this host' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o type -d 'Only snapshots from this type of source' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o data-class -d 'Only snapshots with this data class' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o before -d 'Only snapshots made before this date or that long ago' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o since -d 'Only snapshots made since this date' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o minutes -d 'Keep what was made in the last N minutes' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-minute -d 'Keep at most the N newest of each minute' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o hours -d 'Keep what was made in the last N hours' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-hour -d 'Keep at most the N newest of each hour' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o days -d 'Keep what was made in the last N days' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-day -d 'Keep at most the N newest of each day' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o weeks -d 'Keep what was made in the last N weeks' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-week -d 'Keep at most the N newest of each week' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o months -d 'Keep what was made in the last N months' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-month -d 'Keep at most the N newest of each month' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o years -d 'Keep what was made in the last N years' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-year -d 'Keep at most the N newest of each year' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o mondays -d 'Keep what was made in the last N mondays' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-monday -d 'Keep at most the N newest of each monday' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o tuesdays -d 'Keep what was made in the last N tuesdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-tuesday -d 'Keep at most the N newest of each tuesday' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o wednesdays -d 'Keep what was made in the last N wednesdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-wednesday -d 'Keep at most the N newest of each wednesday' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o thursdays -d 'Keep what was made in the last N thursdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-thursday -d 'Keep at most the N newest of each thursday' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o fridays -d 'Keep what was made in the last N fridays' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-friday -d 'Keep at most the N newest of each friday' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o saturdays -d 'Keep what was made in the last N saturdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-saturday -d 'Keep at most the N newest of each saturday' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o sundays -d 'Keep what was made in the last N sundays' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o per-sunday -d 'Keep at most the N newest of each sunday' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o group-by -d 'Apply retention to each group: name, category, environment, perimeter, job, dataset, data-class, tag, origin, type or root' -r
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o apply -d 'Really remove'
complete -c plakar -n "__fish_plakar_using_subcommand prune" -o latest -d 'Only the newest of what matches'
complete -c plakar -n "__fish_plakar_using_subcommand ptar" -o hashing -d 'Hash that names contents: BLAKE3 or SHA256' -r
complete -c plakar -n "__fish_plakar_using_subcommand ptar" -o kloset -d 'Store to copy with all its snapshots, repeatable; also -k' -r
complete -c plakar -n "__fish_plakar_using_subcommand ptar" -o o -d 'File to make' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand ptar" -o plaintext -d 'Do not encrypt'
complete -c plakar -n "__fish_plakar_using_subcommand ptar" -o no-compression -d 'Do not compress'
complete -c plakar -n "__fish_plakar_using_subcommand ptar" -o overwrite -d 'Replace FILE if it exists'
complete -c plakar -n "__fish_plakar_using_subcommand repair" -o apply -d 'Write the states'
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o to -d 'Where to: path, sftp://…, @NAME, stdout:, stderr:' -r
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o o -d 'Option of the destination, repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o report -d 'Write a report of the run to FILE: JSON, or Prometheus text if its name ends in .prom' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o name -d 'Only snapshots of this name' -r
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o category -d 'Only snapshots of this category' -r
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o environment -d 'Only snapshots of this environment' -r
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o perimeter -d 'Only snapshots of this perimeter' -r
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o job -d 'Only snapshots of this job' -r
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o tag -d 'Only snapshots with all these tags; !TAG means without; repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o skip-permissions -d 'Do not restore modes, owners and extended attributes'
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o strict -d 'End with 3 also when the destination cannot express something'
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o name -d 'Only snapshots of this name' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o category -d 'Only snapshots of this category' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o environment -d 'Only snapshots of this environment' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o perimeter -d 'Only snapshots of this perimeter' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o job -d 'Only snapshots of this job' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o tag -d 'Only snapshots with all these tags; !TAG means without; repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o dataset -d 'Only snapshots of this dataset' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o root -d 'Only snapshots of this directory (comma list: any of them)' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o origin -d 'Only snapshots from this host' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o type -d 'Only snapshots from this type of source' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o data-class -d 'Only snapshots with this data class' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o before -d 'Only snapshots made before this date or that long ago' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o since -d 'Only snapshots made since this date' -r
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o apply -d 'Really remove'
complete -c plakar -n "__fish_plakar_using_subcommand rm" -o latest -d 'Only the newest of what matches'
complete -c plakar -n "__fish_plakar_using_subcommand server" -o listen -d 'Where to listen' -r
complete -c plakar -n "__fish_plakar_using_subcommand server" -o cert -d 'Certificates for https, PEM' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand server" -o key -d 'Private key of the certificate, PEM' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand server" -o token-file -d 'File with the token that clients must show' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand server" -o allow-delete -d 'Let clients remove files of the store'
complete -c plakar -n "__fish_plakar_using_subcommand source; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "add" -d 'Add an entry'
complete -c plakar -n "__fish_plakar_using_subcommand source; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "check" -d 'Check that the connector of an entry can be set up'
complete -c plakar -n "__fish_plakar_using_subcommand source; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "import" -d 'Read entries from a file or from standard input'
complete -c plakar -n "__fish_plakar_using_subcommand source; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "ping" -d 'Try an entry step by step'
complete -c plakar -n "__fish_plakar_using_subcommand source; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "rm" -d 'Remove an entry'
complete -c plakar -n "__fish_plakar_using_subcommand source; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "set" -d 'Set options of an entry'
complete -c plakar -n "__fish_plakar_using_subcommand source; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "show" -d 'Show entries'
complete -c plakar -n "__fish_plakar_using_subcommand source; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "unset" -d 'Remove options of an entry'
complete -c plakar -n "__fish_plakar_using_subcommand source; and __fish_seen_subcommand_from import" -o config -d 'File to read; standard input by default' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand source; and __fish_seen_subcommand_from import" -o overwrite -d 'Replace entries that exist'
complete -c plakar -n "__fish_plakar_using_subcommand source; and __fish_seen_subcommand_from import" -o rclone -d 'The file is an rclone configuration'
complete -c plakar -n "__fish_plakar_using_subcommand source; and __fish_seen_subcommand_from show" -o yaml -d 'As YAML (default)'
complete -c plakar -n "__fish_plakar_using_subcommand source; and __fish_seen_subcommand_from show" -o json -d 'As JSON, one object a line'
complete -c plakar -n "__fish_plakar_using_subcommand source; and __fish_seen_subcommand_from show" -o ini -d 'As INI'
complete -c plakar -n "__fish_plakar_using_subcommand source; and __fish_seen_subcommand_from show" -o secrets -d 'Show secrets as they are'
complete -c plakar -n "__fish_plakar_using_subcommand status" -o max-age -d 'End with 1 unless each source has a good snapshot made since that long ago (26h, 2 days) or this date' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o name -d 'Only snapshots of this name' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o category -d 'Only snapshots of this category' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o environment -d 'Only snapshots of this environment' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o perimeter -d 'Only snapshots of this perimeter' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o job -d 'Only snapshots of this job' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o tag -d 'Only snapshots with all these tags; !TAG means without; repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o dataset -d 'Only snapshots of this dataset' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o root -d 'Only snapshots of this directory (comma list: any of them)' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o origin -d 'Only snapshots from this host' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o type -d 'Only snapshots from this type of source' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o data-class -d 'Only snapshots with this data class' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o before -d 'Only snapshots made before this date or that long ago' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o since -d 'Only snapshots made since this date' -r
complete -c plakar -n "__fish_plakar_using_subcommand status" -o latest -d 'Only the newest of what matches'
complete -c plakar -n "__fish_plakar_using_subcommand store; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "add" -d 'Add an entry'
complete -c plakar -n "__fish_plakar_using_subcommand store; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "check" -d 'Check that the connector of an entry can be set up'
complete -c plakar -n "__fish_plakar_using_subcommand store; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "import" -d 'Read entries from a file or from standard input'
complete -c plakar -n "__fish_plakar_using_subcommand store; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "ping" -d 'Try an entry step by step'
complete -c plakar -n "__fish_plakar_using_subcommand store; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "rm" -d 'Remove an entry'
complete -c plakar -n "__fish_plakar_using_subcommand store; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "set" -d 'Set options of an entry'
complete -c plakar -n "__fish_plakar_using_subcommand store; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "show" -d 'Show entries'
complete -c plakar -n "__fish_plakar_using_subcommand store; and not __fish_seen_subcommand_from add check import ping rm set show unset" -f -a "unset" -d 'Remove options of an entry'
complete -c plakar -n "__fish_plakar_using_subcommand store; and __fish_seen_subcommand_from import" -o config -d 'File to read; standard input by default' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand store; and __fish_seen_subcommand_from import" -o overwrite -d 'Replace entries that exist'
complete -c plakar -n "__fish_plakar_using_subcommand store; and __fish_seen_subcommand_from import" -o rclone -d 'The file is an rclone configuration'
complete -c plakar -n "__fish_plakar_using_subcommand store; and __fish_seen_subcommand_from show" -o yaml -d 'As YAML (default)'
complete -c plakar -n "__fish_plakar_using_subcommand store; and __fish_seen_subcommand_from show" -o json -d 'As JSON, one object a line'
complete -c plakar -n "__fish_plakar_using_subcommand store; and __fish_seen_subcommand_from show" -o ini -d 'As INI'
complete -c plakar -n "__fish_plakar_using_subcommand store; and __fish_seen_subcommand_from show" -o secrets -d 'Show secrets as they are'
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o packfiles -d 'Accepted for compatibility: packfiles are made in memory' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o cache -d 'Accepted for compatibility' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o report -d 'Write a report of the run to FILE: JSON, or Prometheus text if its name ends in .prom' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o name -d 'Only snapshots of this name' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o category -d 'Only snapshots of this category' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o environment -d 'Only snapshots of this environment' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o perimeter -d 'Only snapshots of this perimeter' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o job -d 'Only snapshots of this job' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o tag -d 'Only snapshots with all these tags; !TAG means without; repeatable' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o dataset -d 'Only snapshots of this dataset' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o root -d 'Only snapshots of this directory (comma list: any of them)' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o origin -d 'Only snapshots from this host' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o type -d 'Only snapshots from this type of source' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o data-class -d 'Only snapshots with this data class' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o before -d 'Only snapshots made before this date or that long ago' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o since -d 'Only snapshots made since this date' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o minutes -d 'Keep what was made in the last N minutes' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-minute -d 'Keep at most the N newest of each minute' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o hours -d 'Keep what was made in the last N hours' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-hour -d 'Keep at most the N newest of each hour' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o days -d 'Keep what was made in the last N days' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-day -d 'Keep at most the N newest of each day' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o weeks -d 'Keep what was made in the last N weeks' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-week -d 'Keep at most the N newest of each week' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o months -d 'Keep what was made in the last N months' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-month -d 'Keep at most the N newest of each month' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o years -d 'Keep what was made in the last N years' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-year -d 'Keep at most the N newest of each year' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o mondays -d 'Keep what was made in the last N mondays' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-monday -d 'Keep at most the N newest of each monday' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o tuesdays -d 'Keep what was made in the last N tuesdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-tuesday -d 'Keep at most the N newest of each tuesday' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o wednesdays -d 'Keep what was made in the last N wednesdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-wednesday -d 'Keep at most the N newest of each wednesday' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o thursdays -d 'Keep what was made in the last N thursdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-thursday -d 'Keep at most the N newest of each thursday' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o fridays -d 'Keep what was made in the last N fridays' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-friday -d 'Keep at most the N newest of each friday' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o saturdays -d 'Keep what was made in the last N saturdays' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-saturday -d 'Keep at most the N newest of each saturday' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o sundays -d 'Keep what was made in the last N sundays' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o per-sunday -d 'Keep at most the N newest of each sunday' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o group-by -d 'Apply retention to each group: name, category, environment, perimeter, job, dataset, data-class, tag, origin, type or root' -r
complete -c plakar -n "__fish_plakar_using_subcommand sync" -o latest -d 'Only the newest of what matches'
complete -c plakar -n "__fish_plakar_using_subcommand token; and not __fish_seen_subcommand_from create" -f -a "create" -d 'Make a token from the login of this machine and print it'
complete -c plakar -n "__fish_plakar_using_subcommand ui" -o addr -d 'Where to listen; by default any free port of this machine' -r
complete -c plakar -n "__fish_plakar_using_subcommand ui" -o cert -d 'Certificates for https, PEM' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand ui" -o key -d 'Private key of the certificate, PEM' -r -F
complete -c plakar -n "__fish_plakar_using_subcommand ui" -o cors -d 'Let pages of other sites use the API'
complete -c plakar -n "__fish_plakar_using_subcommand ui" -o no-auth -d 'Show everything to whoever reaches the address'
complete -c plakar -n "__fish_plakar_using_subcommand ui" -o no-spawn -d 'Do not start a browser'
complete -c plakar -n "__fish_plakar_using_subcommand ui" -o no-refresh -d 'Accepted for compatibility: pages do not refresh by themselves'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "snapshot" -d 'A header'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "state" -d 'Names of the states, or what one says'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "packfile" -d 'Names of the packfiles, or what is in one'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "object" -d 'An object'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "blob" -d 'The bytes of a blob'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "blobsearch" -d 'Where blobs of a name lie'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "vfs" -d 'An entry'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "xattr" -d 'Extended attributes'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "contenttype" -d 'Content types and paths'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "search" -d 'Paths, all or those of a content type'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "dirpack" -d 'The object that holds the listing of each directory'
complete -c plakar -n "__fish_plakar_using_subcommand diag; and not __fish_seen_subcommand_from snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks" -f -a "locks" -d 'Locks'

# Names of the configuration: `@name` where a location stands, bare ones behind the actions of their kind.
function __fish_plakar_names
    set -l cmd (commandline -opc)
    set -l typed (commandline -ct)
    set -l kind store
    set -l mark @
    if contains restore $cmd
        set kind destination
    else if contains backup $cmd; or contains ptar $cmd
        contains -- $cmd[-1] -k -kloset
        or set kind source
    end
    if test (count $cmd) -ge 3; and contains -- $cmd[-2] store source destination; and contains -- $cmd[-1] check ping rm set show unset
        set kind $cmd[-2]
        string match -q '@*' -- $typed
        or set mark
    else if not string match -q '@*' -- $typed; and test "$cmd[-1]" != at
        return
    end
    $cmd[1] $kind show 2>/dev/null | string replace -rf '^([^ ].*):$' "$mark\$1"
end
complete -c plakar -a "(__fish_plakar_names)"
complete -c plakar -n "__fish_plakar_using_subcommand restore" -o to -r -a "(__fish_plakar_names)"
complete -c plakar -n "__fish_plakar_using_subcommand ptar" -o k -r -a "(__fish_plakar_names)"
complete -c plakar -n "__fish_plakar_using_subcommand ptar" -o kloset -r -a "(__fish_plakar_names)"

