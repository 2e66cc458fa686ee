_plakar() {
    local i cur prev opts cmd
    COMPREPLY=()
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        cur="$2"
    else
        cur="${COMP_WORDS[COMP_CWORD]}"
    fi
    prev="$3"
    cmd=""
    opts=""

    for i in "${COMP_WORDS[@]:0:COMP_CWORD}"
    do
        case "${cmd},${i}" in
            ",$1")
                cmd="plakar"
                ;;
            plakar,archive)
                cmd="plakar__subcmd__archive"
                ;;
            plakar,backup)
                cmd="plakar__subcmd__backup"
                ;;
            plakar,cat)
                cmd="plakar__subcmd__cat"
                ;;
            plakar,check)
                cmd="plakar__subcmd__check"
                ;;
            plakar,create)
                cmd="plakar__subcmd__create"
                ;;
            plakar,destination)
                cmd="plakar__subcmd__destination"
                ;;
            plakar,diag)
                cmd="plakar__subcmd__diag"
                ;;
            plakar,diff)
                cmd="plakar__subcmd__diff"
                ;;
            plakar,digest)
                cmd="plakar__subcmd__digest"
                ;;
            plakar,dup)
                cmd="plakar__subcmd__dup"
                ;;
            plakar,help)
                cmd="plakar__subcmd__help"
                ;;
            plakar,info)
                cmd="plakar__subcmd__info"
                ;;
            plakar,locate)
                cmd="plakar__subcmd__locate"
                ;;
            plakar,login)
                cmd="plakar__subcmd__login"
                ;;
            plakar,logout)
                cmd="plakar__subcmd__logout"
                ;;
            plakar,ls)
                cmd="plakar__subcmd__ls"
                ;;
            plakar,maintenance)
                cmd="plakar__subcmd__maintenance"
                ;;
            plakar,mount)
                cmd="plakar__subcmd__mount"
                ;;
            plakar,pkg)
                cmd="plakar__subcmd__pkg"
                ;;
            plakar,policy)
                cmd="plakar__subcmd__policy"
                ;;
            plakar,prune)
                cmd="plakar__subcmd__prune"
                ;;
            plakar,ptar)
                cmd="plakar__subcmd__ptar"
                ;;
            plakar,repair)
                cmd="plakar__subcmd__repair"
                ;;
            plakar,restore)
                cmd="plakar__subcmd__restore"
                ;;
            plakar,rm)
                cmd="plakar__subcmd__rm"
                ;;
            plakar,server)
                cmd="plakar__subcmd__server"
                ;;
            plakar,source)
                cmd="plakar__subcmd__source"
                ;;
            plakar,status)
                cmd="plakar__subcmd__status"
                ;;
            plakar,store)
                cmd="plakar__subcmd__store"
                ;;
            plakar,sync)
                cmd="plakar__subcmd__sync"
                ;;
            plakar,token)
                cmd="plakar__subcmd__token"
                ;;
            plakar,ui)
                cmd="plakar__subcmd__ui"
                ;;
            plakar,version)
                cmd="plakar__subcmd__version"
                ;;
            plakar__subcmd__destination,add)
                cmd="plakar__subcmd__destination__subcmd__add"
                ;;
            plakar__subcmd__destination,check)
                cmd="plakar__subcmd__destination__subcmd__check"
                ;;
            plakar__subcmd__destination,import)
                cmd="plakar__subcmd__destination__subcmd__import"
                ;;
            plakar__subcmd__destination,ping)
                cmd="plakar__subcmd__destination__subcmd__ping"
                ;;
            plakar__subcmd__destination,rm)
                cmd="plakar__subcmd__destination__subcmd__rm"
                ;;
            plakar__subcmd__destination,set)
                cmd="plakar__subcmd__destination__subcmd__set"
                ;;
            plakar__subcmd__destination,show)
                cmd="plakar__subcmd__destination__subcmd__show"
                ;;
            plakar__subcmd__destination,unset)
                cmd="plakar__subcmd__destination__subcmd__unset"
                ;;
            plakar__subcmd__diag,blob)
                cmd="plakar__subcmd__diag__subcmd__blob"
                ;;
            plakar__subcmd__diag,blobsearch)
                cmd="plakar__subcmd__diag__subcmd__blobsearch"
                ;;
            plakar__subcmd__diag,contenttype)
                cmd="plakar__subcmd__diag__subcmd__contenttype"
                ;;
            plakar__subcmd__diag,dirpack)
                cmd="plakar__subcmd__diag__subcmd__dirpack"
                ;;
            plakar__subcmd__diag,locks)
                cmd="plakar__subcmd__diag__subcmd__locks"
                ;;
            plakar__subcmd__diag,object)
                cmd="plakar__subcmd__diag__subcmd__object"
                ;;
            plakar__subcmd__diag,packfile)
                cmd="plakar__subcmd__diag__subcmd__packfile"
                ;;
            plakar__subcmd__diag,search)
                cmd="plakar__subcmd__diag__subcmd__search"
                ;;
            plakar__subcmd__diag,snapshot)
                cmd="plakar__subcmd__diag__subcmd__snapshot"
                ;;
            plakar__subcmd__diag,state)
                cmd="plakar__subcmd__diag__subcmd__state"
                ;;
            plakar__subcmd__diag,vfs)
                cmd="plakar__subcmd__diag__subcmd__vfs"
                ;;
            plakar__subcmd__diag,xattr)
                cmd="plakar__subcmd__diag__subcmd__xattr"
                ;;
            plakar__subcmd__pkg,add)
                cmd="plakar__subcmd__pkg__subcmd__add"
                ;;
            plakar__subcmd__pkg,build)
                cmd="plakar__subcmd__pkg__subcmd__build"
                ;;
            plakar__subcmd__pkg,create)
                cmd="plakar__subcmd__pkg__subcmd__create"
                ;;
            plakar__subcmd__pkg,list)
                cmd="plakar__subcmd__pkg__subcmd__list"
                ;;
            plakar__subcmd__pkg,prefer)
                cmd="plakar__subcmd__pkg__subcmd__prefer"
                ;;
            plakar__subcmd__pkg,rm)
                cmd="plakar__subcmd__pkg__subcmd__rm"
                ;;
            plakar__subcmd__policy,add)
                cmd="plakar__subcmd__policy__subcmd__add"
                ;;
            plakar__subcmd__policy,rm)
                cmd="plakar__subcmd__policy__subcmd__rm"
                ;;
            plakar__subcmd__policy,set)
                cmd="plakar__subcmd__policy__subcmd__set"
                ;;
            plakar__subcmd__policy,show)
                cmd="plakar__subcmd__policy__subcmd__show"
                ;;
            plakar__subcmd__policy,unset)
                cmd="plakar__subcmd__policy__subcmd__unset"
                ;;
            plakar__subcmd__source,add)
                cmd="plakar__subcmd__source__subcmd__add"
                ;;
            plakar__subcmd__source,check)
                cmd="plakar__subcmd__source__subcmd__check"
                ;;
            plakar__subcmd__source,import)
                cmd="plakar__subcmd__source__subcmd__import"
                ;;
            plakar__subcmd__source,ping)
                cmd="plakar__subcmd__source__subcmd__ping"
                ;;
            plakar__subcmd__source,rm)
                cmd="plakar__subcmd__source__subcmd__rm"
                ;;
            plakar__subcmd__source,set)
                cmd="plakar__subcmd__source__subcmd__set"
                ;;
            plakar__subcmd__source,show)
                cmd="plakar__subcmd__source__subcmd__show"
                ;;
            plakar__subcmd__source,unset)
                cmd="plakar__subcmd__source__subcmd__unset"
                ;;
            plakar__subcmd__store,add)
                cmd="plakar__subcmd__store__subcmd__add"
                ;;
            plakar__subcmd__store,check)
                cmd="plakar__subcmd__store__subcmd__check"
                ;;
            plakar__subcmd__store,import)
                cmd="plakar__subcmd__store__subcmd__import"
                ;;
            plakar__subcmd__store,ping)
                cmd="plakar__subcmd__store__subcmd__ping"
                ;;
            plakar__subcmd__store,rm)
                cmd="plakar__subcmd__store__subcmd__rm"
                ;;
            plakar__subcmd__store,set)
                cmd="plakar__subcmd__store__subcmd__set"
                ;;
            plakar__subcmd__store,show)
                cmd="plakar__subcmd__store__subcmd__show"
                ;;
            plakar__subcmd__store,unset)
                cmd="plakar__subcmd__store__subcmd__unset"
                ;;
            plakar__subcmd__token,create)
                cmd="plakar__subcmd__token__subcmd__create"
                ;;
            *)
                ;;
        esac
    done

    case "${cmd}" in
        plakar)
            opts="-configdir -config -cachedir -datadir -cpu -concurrency -limit-upload -limit-download -keyfile -quiet -silent -stdio -json -trace -time -retry-timeout -profile-cpu -profile-mem -accept-changed-store -disable-security-check -enable-security-check archive backup cat check create destination diff digest dup help info locate login logout ls maintenance mount pkg policy prune ptar repair restore rm server source status store sync token ui version diag"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 1 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -configdir)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -cachedir)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -datadir)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -cpu)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -concurrency)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -limit-upload)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -limit-download)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -keyfile)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -trace)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -retry-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -profile-cpu)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -profile-mem)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__archive)
            opts="-output -format -rebase"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -output)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -format)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__backup)
            opts="-tag -name -category -environment -perimeter -job -ignore -ignore-file -check -dry-run -force-timestamp -packfiles -cache -no-progress -no-xattr -o -report"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -tag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -name)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -category)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -environment)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -perimeter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -job)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -ignore)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -ignore-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -force-timestamp)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -packfiles)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -cache)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -o)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -report)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__cat)
            opts="-decompress -highlight"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__check)
            opts="-fast -no-verify -name -category -environment -perimeter -job -tag -dataset -root -origin -type -data-class -before -since -latest -minutes -per-minute -hours -per-hour -days -per-day -weeks -per-week -months -per-month -years -per-year -mondays -per-monday -tuesdays -per-tuesday -wednesdays -per-wednesday -thursdays -per-thursday -fridays -per-friday -saturdays -per-saturday -sundays -per-sunday -group-by -report"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -name)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -category)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -environment)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -perimeter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -job)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -dataset)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -root)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -origin)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -data-class)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -before)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -since)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -minutes)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-minute)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -hours)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-hour)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -days)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-day)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -weeks)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-week)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -months)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-month)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -years)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-year)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -mondays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-monday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tuesdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-tuesday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -wednesdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-wednesday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -thursdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-thursday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -fridays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-friday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -saturdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-saturday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -sundays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-sunday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -group-by)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -report)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__create)
            opts="-plaintext -hashing -no-compression -weak-passphrase"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -hashing)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__destination)
            opts="add check import ping rm set show unset"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__destination__subcmd__add)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__destination__subcmd__check)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__destination__subcmd__import)
            opts="-config -overwrite -rclone"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__destination__subcmd__ping)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__destination__subcmd__rm)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__destination__subcmd__set)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__destination__subcmd__show)
            opts="-yaml -json -ini -secrets"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__destination__subcmd__unset)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag)
            opts="snapshot state packfile object blob blobsearch vfs xattr contenttype search dirpack locks"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__blob)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__blobsearch)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__contenttype)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__dirpack)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__locks)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__object)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__packfile)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__search)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__snapshot)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__state)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__vfs)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diag__subcmd__xattr)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__diff)
            opts="-recursive -highlight"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__digest)
            opts="-hashing"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -hashing)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__dup)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__help)
            opts="-style"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -style)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__info)
            opts="-errors"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__locate)
            opts="-snapshot -name -category -environment -perimeter -job -tag -dataset -root -origin -type -data-class -before -since -latest"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -snapshot)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -name)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -category)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -environment)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -perimeter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -job)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -dataset)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -root)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -origin)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -data-class)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -before)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -since)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__login)
            opts="-github -email -env -status -no-spawn"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -email)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__logout)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__ls)
            opts="-uuid -tags -recursive -name -category -environment -perimeter -job -tag -dataset -root -origin -type -data-class -before -since -latest -minutes -per-minute -hours -per-hour -days -per-day -weeks -per-week -months -per-month -years -per-year -mondays -per-monday -tuesdays -per-tuesday -wednesdays -per-wednesday -thursdays -per-thursday -fridays -per-friday -saturdays -per-saturday -sundays -per-sunday -group-by"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -name)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -category)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -environment)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -perimeter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -job)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -dataset)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -root)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -origin)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -data-class)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -before)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -since)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -minutes)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-minute)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -hours)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-hour)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -days)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-day)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -weeks)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-week)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -months)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-month)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -years)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-year)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -mondays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-monday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tuesdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-tuesday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -wednesdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-wednesday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -thursdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-thursday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -fridays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-friday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -saturdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-saturday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -sundays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-sunday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -group-by)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__maintenance)
            opts="-dry-run -repack"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__mount)
            opts="-to -allow-others -name -category -environment -perimeter -job -tag -dataset -root -origin -type -data-class -before -since -latest"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -to)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -name)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -category)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -environment)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -perimeter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -job)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -dataset)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -root)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -origin)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -data-class)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -before)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -since)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__pkg)
            opts="add build create list prefer rm"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__pkg__subcmd__add)
            opts="-u -u"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__pkg__subcmd__build)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__pkg__subcmd__create)
            opts="-out"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -out)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__pkg__subcmd__list)
            opts="-long -available"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__pkg__subcmd__prefer)
            opts="-built-in"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__pkg__subcmd__rm)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__policy)
            opts="add rm set show unset"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__policy__subcmd__add)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__policy__subcmd__rm)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__policy__subcmd__set)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__policy__subcmd__show)
            opts="-yaml -json"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__policy__subcmd__unset)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__prune)
            opts="-apply -policy -name -category -environment -perimeter -job -tag -dataset -root -origin -type -data-class -before -since -latest -minutes -per-minute -hours -per-hour -days -per-day -weeks -per-week -months -per-month -years -per-year -mondays -per-monday -tuesdays -per-tuesday -wednesdays -per-wednesday -thursdays -per-thursday -fridays -per-friday -saturdays -per-saturday -sundays -per-sunday -group-by"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -policy)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -name)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -category)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -environment)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -perimeter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -job)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -dataset)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -root)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -origin)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -data-class)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -before)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -since)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -minutes)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-minute)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -hours)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-hour)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -days)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-day)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -weeks)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-week)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -months)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-month)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -years)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-year)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -mondays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-monday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tuesdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-tuesday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -wednesdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-wednesday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -thursdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-thursday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -fridays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-friday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -saturdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-saturday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -sundays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-sunday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -group-by)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__ptar)
            opts="-plaintext -no-compression -hashing -overwrite -kloset -o"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -hashing)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -kloset)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -o)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__repair)
            opts="-apply"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__restore)
            opts="-to -skip-permissions -strict -o -report -name -category -environment -perimeter -job -tag"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -to)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -o)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -report)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -name)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -category)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -environment)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -perimeter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -job)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__rm)
            opts="-apply -name -category -environment -perimeter -job -tag -dataset -root -origin -type -data-class -before -since -latest"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -name)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -category)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -environment)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -perimeter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -job)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -dataset)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -root)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -origin)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -data-class)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -before)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -since)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__server)
            opts="-listen -allow-delete -cert -key -token-file"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -listen)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -cert)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -token-file)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__source)
            opts="add check import ping rm set show unset"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__source__subcmd__add)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__source__subcmd__check)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__source__subcmd__import)
            opts="-config -overwrite -rclone"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__source__subcmd__ping)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__source__subcmd__rm)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__source__subcmd__set)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__source__subcmd__show)
            opts="-yaml -json -ini -secrets"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__source__subcmd__unset)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__status)
            opts="-max-age -name -category -environment -perimeter -job -tag -dataset -root -origin -type -data-class -before -since -latest"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -max-age)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -name)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -category)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -environment)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -perimeter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -job)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -dataset)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -root)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -origin)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -data-class)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -before)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -since)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__store)
            opts="add check import ping rm set show unset"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__store__subcmd__add)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__store__subcmd__check)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__store__subcmd__import)
            opts="-config -overwrite -rclone"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -config)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__store__subcmd__ping)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__store__subcmd__rm)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__store__subcmd__set)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__store__subcmd__show)
            opts="-yaml -json -ini -secrets"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__store__subcmd__unset)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__sync)
            opts="-packfiles -cache -report -name -category -environment -perimeter -job -tag -dataset -root -origin -type -data-class -before -since -latest -minutes -per-minute -hours -per-hour -days -per-day -weeks -per-week -months -per-month -years -per-year -mondays -per-monday -tuesdays -per-tuesday -wednesdays -per-wednesday -thursdays -per-thursday -fridays -per-friday -saturdays -per-saturday -sundays -per-sunday -group-by"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -packfiles)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -cache)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -report)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -name)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -category)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -environment)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -perimeter)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -job)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tag)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -dataset)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -root)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -origin)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -type)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -data-class)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -before)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -since)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -minutes)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-minute)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -hours)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-hour)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -days)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-day)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -weeks)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-week)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -months)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-month)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -years)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-year)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -mondays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-monday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -tuesdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-tuesday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -wednesdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-wednesday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -thursdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-thursday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -fridays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-friday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -saturdays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-saturday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -sundays)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -per-sunday)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -group-by)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__token)
            opts="create"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__token__subcmd__create)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 3 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__ui)
            opts="-addr -cors -no-auth -no-spawn -no-refresh -cert -key"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                -addr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -cert)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -key)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        plakar__subcmd__version)
            opts=""
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
    esac
}

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

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _plakar_with_names -o nosort -o bashdefault -o default plakar
else
    complete -F _plakar_with_names -o bashdefault -o default plakar
fi
