# shellcheck shell=bash
# Bash: eval "$(./careapp completion bash)", in ~/.bashrc with the script's full path.
_careapp() {
  local item words command=${COMP_WORDS[1]} IFS=$'\n'
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    # shellcheck disable=SC2207 # names of commands hold no blanks
    COMPREPLY=($(compgen -W "$("$1" completion words | cut -f 1)" -- "$command"))
    return
  fi
  words=${COMP_WORDS[*]}
  for item in $(COMP_WORDS=$words COMP_CWORD=$COMP_CWORD _CAREAPP_COMPLETE=bash_complete \
    "$1" "$command" 2>/dev/null); do
    case $item in
      plain,*) COMPREPLY+=("${item#plain,}") ;;
      dir,*) compopt -o dirnames ;;
      file,*) compopt -o default ;;
    esac
  done
}
complete -F _careapp careapp
