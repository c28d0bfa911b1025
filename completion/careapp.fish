# Fish: ./careapp completion fish | source, in ~/.config/fish/config.fish with the script's full path.
function __careapp
    set -l words (commandline -opc)
    if test (count $words) -eq 1
        $words[1] completion words
        return
    end
    for item in (env COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -ct) \
            _CAREAPP_COMPLETE=fish_complete $words[1] $words[2] 2>/dev/null)
        switch $item
            case 'plain,*'
                string replace -r '^plain,' '' -- $item
            case 'dir,*'
                __fish_complete_directories (commandline -ct)
            case 'file,*'
                __fish_complete_path (commandline -ct)
        end
    end
end
complete --command careapp --no-files --arguments '(__careapp)'
