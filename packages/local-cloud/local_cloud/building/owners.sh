#!/bin/sh
# Whose the files of an image are. Here all belong to the account that runs tasks; what AWS would refuse is only said.
# /.machine/owners has a line for each file that is not root's: its owner and its path. The last one of a path counts.
noted=/.machine/owners
all() { find / -xdev \( -path /.machine -o -path /proc -o -path /dev -o -path /root -o -path '*/tmp' \) -prune -o "$@"; }
case $1 in
made) # by a user, since a moment
    all -newerct "@$3" -printf "$2 %p\n" >>$noted
    ;;
closed) # to a user and a group: prints some files and folders with their owners
    all \( -type d ! -perm -005 -o -type f ! -perm -004 \) -printf '%y 000%m %p\n' | awk -v user="$2" -v group="$3" '
        function number(name) { return name in id ? id[name] : name }
        function readable(digit, kind) { return digit >= 4 && (kind == "f" || digit % 2) }
        BEGIN {
            while ((getline line <"/etc/passwd") > 0) { split(line, part, ":"); id[part[1]] = part[3] }
            while ((getline line <"/.machine/owners") > 0) {
                space = index(line, " ")
                owner[substr(line, space + 1)] = substr(line, 1, space - 1)
            }
        }
        {
            path = substr($0, length($1) + length($2) + 3)
            if (closed && index(path, closed) == 1) next
            split(path in owner ? owner[path] : "root", whose, ":")
            digits = substr($2, length($2) - 2)
            if (number(whose[1]) == number(user) && readable(substr(digits, 1, 1), $1)) next
            if ((whose[2] ? whose[2] : whose[1]) == group && readable(substr(digits, 2, 1), $1)) next
            print whose[1], path
            if ($1 == "d") closed = path "/"
        }' | head -5
    ;;
esac
