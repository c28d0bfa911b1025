"""Runs the command line."""

import gc

from careapp.cli import main
from careapp.command_line import run

if __name__ == "__main__":
    # The garbage collector would take 0.2 s to scan botocore's models, which are never freed.
    gc.set_threshold(500_000)
    run(main)
