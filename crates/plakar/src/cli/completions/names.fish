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

