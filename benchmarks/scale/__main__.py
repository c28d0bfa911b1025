"""Print how long a roll-out takes and what it uses at its peak, from 1 to 1,000 tasks: ``python -m benchmarks.scale``.

Numbers as arguments are other sizes.
"""

from __future__ import annotations

import sys

from benchmarks.scale.table import HEAD, SIZES, line, rows
from rehearsal.console import Progress


def main() -> None:
    """Print the table on standard output, and the progress on standard error."""
    sizes = [int(each) for each in sys.argv[1:]] or SIZES
    found = [line(each) for each in rows(sizes, Progress(every=10))]
    print(HEAD, *found, sep="\n")


if __name__ == "__main__":
    main()
