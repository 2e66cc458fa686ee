
# Names of the configuration: `@name` where a location stands, bare ones behind the actions of their kind.
_plakar_with_names() {
    local line="${COMP_LINE:0:COMP_POINT}" kind=store typed before names
    typed="${line##*[[:space:]]}"
    before="${line%"$typed"}"
    before="${before%"${before##*[![:space:]]}"}"
    before="${before##*[[:space:]]}"
    typed="${typed#-*=}"
    case "$line" in
        *" restore "*) kind=destination ;;
        *" backup "* | *" ptar "*) kind=source ;;
    esac
    [[ $before == -k || $before == -kloset ]] && kind=store
    local mark=@ action
    for action in store source destination; do
        case "$line" in
            *" $action check "* | *" $action ping "* | *" $action rm "* | *" $action set "* | *" $action show "* | *" $action unset "*)
                kind=$action
                [[ $typed == @* ]] || mark= ;;
        esac
    done
    if [[ $typed == @* || -z $mark || $before == at ]]; then
        names="$("$1" "$kind" show 2>/dev/null | sed -n "s/^\([^ ].*\):\$/$mark\1/p")"
        COMPREPLY=( $(compgen -W "$names" -- "$typed") )
        # Where `@` begins a new word, only what follows it is replaced.
        [[ $2 == @* || -z $mark || -z $typed ]] || COMPREPLY=( "${COMPREPLY[@]#@}" )
        [[ $typed == @* || ${#COMPREPLY[@]} -gt 0 ]] && return 0
    fi
    _plakar "$@"
}
