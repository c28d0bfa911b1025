"""What `nc -z HOST PORT` does in scripts that wait for a database, for images whose netcat cannot be installed here."""

import socket
import sys

UNKNOWN_HOST = 'nc: getaddrinfo for host "{}" port {}: {}'
"""As OpenBSD's netcat says it, which is silent about a connection that fails."""


def main() -> int:
    """Return 0 when the port takes connections, 1 when it does not, 2 for another use of nc."""
    words, seconds, waits = [], 5.0, False
    arguments = iter(sys.argv[1:])
    for word in arguments:
        if word == "-w":
            seconds = float(next(arguments, "5"))
        elif word.startswith("-"):
            waits = waits or "z" in word
        else:
            words.append(word)
    if not waits or len(words) != 2:
        print("nc: without Docker only `nc -z HOST PORT` works", file=sys.stderr)
        return 2
    try:
        socket.create_connection((words[0], int(words[1])), seconds).close()
    except (socket.gaierror, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else problem
        print(UNKNOWN_HOST.format(*words, why), file=sys.stderr)
        return 1
    except OSError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
