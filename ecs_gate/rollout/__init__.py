"""The roll-out gate of `pulumi up`, and `./careapp retry`, `./careapp rollback`."""
