"""The process of the local cloud of the program in the current folder: ``python -m local_cloud.run``."""

import sys
from pathlib import Path

from local_cloud import starter
from local_cloud.run import cloud

sys.exit(cloud.run(starter.own(Path.cwd())))
