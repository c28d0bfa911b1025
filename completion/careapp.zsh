#compdef careapp
# Zsh: eval "$(./careapp completion zsh)", in ~/.zshrc after compinit, with the script's full path.
_careapp() {
  local -a found
  local kind value text
  if (( CURRENT == 2 )); then
    found=("${(@f)$("$words[1]" completion words | tr '\t' ':')}")
    _describe command found
    return
  fi
  while IFS= read -r kind && IFS= read -r value && IFS= read -r text; do
    case $kind in
      plain) found+=("$value:${text#_}") ;;
      dir) _path_files -/ ;;
      file) _path_files -f ;;
    esac
  done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) _CAREAPP_COMPLETE=zsh_complete \
    "$words[1]" "$words[2]" 2>/dev/null)
  (( $#found )) && _describe -V value found
}
compdef _careapp careapp
