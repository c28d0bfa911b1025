"""The process of careapp's local cloud: ``python -m careapp.rehearsal``, which `local_cloud.run.client` starts."""

import sys

from careapp.rehearsal.careapp import CAREAPP
from local_cloud.run import cloud

sys.exit(cloud.run(CAREAPP))
