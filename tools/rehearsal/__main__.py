"""The process of careapp's local cloud: ``python -m tools.rehearsal``, which `local_cloud.run.client` starts."""

import sys

from local_cloud.run import cloud
from tools.rehearsal.careapp import CAREAPP

sys.exit(cloud.run(CAREAPP))
