    # Names of the configuration: `@name` where a location stands, bare ones behind the actions of their kind.
    local kind=store mark=@ typed="${words[CURRENT]#-*=}"
    if (( ${words[(I)restore]} )); then
        kind=destination
    elif (( ${words[(I)(backup|ptar)]} )) && [[ ${words[CURRENT-1]} != -k(loset|) ]]; then
        kind=source
    fi
    if (( CURRENT > 3 )) && [[ ${words[CURRENT-1]} == (check|ping|rm|set|show|unset) && ${words[CURRENT-2]} == (store|source|destination) ]]; then
        kind=${words[CURRENT-2]}
        [[ $typed == @* ]] || mark=
    fi
    if [[ $typed == @* || -z $mark || ${words[CURRENT-1]} == at ]]; then
        local -a names
        names=( ${(f)"$(_call_program names ${words[1]} $kind show 2>/dev/null | sed -n "s/^\([^ ].*\):\$/$mark\1/p")"} )
        [[ ${words[CURRENT]} == -*=* ]] && compset -P '-*='
        compadd -a names && [[ ${words[CURRENT-1]} != at || $typed == @* ]] && return 0
    fi
