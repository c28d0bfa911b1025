"""A program that uses more memory than it may, and how its container ends."""

from local_cloud.aws.ecs.containers import OUT_OF_MEMORY

EATER = """
import os, sys, time
if os.fork():
    _, status = os.wait()
    print("child", os.waitstatus_to_exitcode(status), flush=True)
    if sys.argv[1] == "both":
        held = b"x" * (200 << 20)
        time.sleep(60)
else:
    held = b"x" * (200 << 20)
    time.sleep(60)
"""
"""Its child uses 200 MiB; once that was killed, with "both" its first process, too."""
EATEN = [("child", 0, None), ("both", 137, OUT_OF_MEMORY)]
"""Who uses the memory, the container's exit code, and the reason that ECS gives."""
