"""The AWS API of the local cloud: moto's server in this process, on loopback."""

from __future__ import annotations

import os

from rehearsal.control import hooks

SETTINGS = {
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "MOTO_ACM_VALIDATION_WAIT": "1",
    "MOTO_ACCOUNT_ID": hooks.ACCOUNT,
    # moto itself calls boto3 in places; it must never meet the user's real credentials.
    "AWS_ACCESS_KEY_ID": "rehearsal",
    "AWS_SECRET_ACCESS_KEY": "rehearsal",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NEVER = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


class Api:
    """moto with the rehearsal's hooks, answering on one loopback port."""

    def __init__(self, region: str) -> None:
        hooks.registry.region = region
        self._region = region
        self.endpoint = ""

    def start(self, port: int = 0) -> None:
        """Answer from now on at ``endpoint``. Port 0 takes any that is free."""
        for name in NEVER:
            os.environ.pop(name, None)
        os.environ.update(SETTINGS | {"AWS_DEFAULT_REGION": self._region})
        from moto.server import ThreadedMotoServer

        from rehearsal.control import (
            backups,
            bucket_policies,
            capacity,
            certificates,
            contract,
            group_rules,
            in_use,
            insights,
            log_rules,
            logs,
            metrics,
            quotas,
            rules,
            scaling,
            service_roles,
        )
        from rehearsal.control.metrics import alarms

        contract.check()
        _forget_other_regions(self._region)
        for part in (
            hooks,
            rules,
            group_rules,
            in_use,
            backups,
            insights,
            bucket_policies,
            logs,
            metrics,
            alarms,
            quotas,
            log_rules,
            capacity,
            certificates,
            scaling,
            service_roles,
        ):
            part.install()
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        self._server.start()
        host, bound = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{bound}"

    def stop(self) -> None:
        """Close the port."""
        self._server.stop()


def _forget_other_regions(region: str) -> None:
    """Let go of what moto has read of EC2's instance types elsewhere: a third of its memory."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    for offerings in INSTANCE_TYPE_OFFERINGS.values():
        for other in set(offerings) - {region}:
            del offerings[other]
