"""Which controls a stack does not meet, and why. A test holds every entry against the stack."""

from __future__ import annotations

from collections.abc import Mapping

END_TO_END = (
    "TLS ends at the load balancer: from there it is the VPC, one security group to another, and a certificate in each "
    "container would have to be renewed"
)
ENDPOINT = "what needs it gets there by NAT and TLS; an endpoint costs $10 a month and zone"
UNUSED = "nothing in the VPC calls it; an endpoint costs $10 a month and zone"
EVERYWHERE: Mapping[str, str] = {
    "ELB.21": END_TO_END,
    "ELB.22": END_TO_END,
    "RDS.23": "who may connect is decided by security groups, tools expect 5432, and a scan finds any port",
    "RDS.25": "the hand-over's commands say `-U postgres`; the name is no secret and opens nothing",
    "EC2.10": UNUSED,
    "EC2.55": ENDPOINT,
    "EC2.56": ENDPOINT,
    "EC2.57": ENDPOINT,
    "EC2.58": UNUSED,
    "EC2.60": UNUSED,
}
"""What no stack meets, whatever its settings."""

POC: Mapping[str, str] = {
    "ECS.12": "billed by the metric; `containerInsights` turns it on",
    "ELB.1": "has no domain, and so no certificate",
    "ELB.5": "the app's own log has each request",
    "ELB.6": "has to go in one `pulumi destroy`; `protect` turns it on",
    "ELB.18": "has no domain, and so no certificate",
    "RDS.5": "doubles the price; `databaseMultiAz` turns it on",
    "RDS.6": "the free metrics, by the minute, are enough to try things",
    "RDS.8": "has to go in one `pulumi destroy`; `protect` turns it on",
    "RDS.9": "RDS shows the last three days of its logs itself",
    "RDS.10": "the app logs in by the rotated password",
    "RDS.11": "nothing in it is worth a week; `databaseBackupDays` says how long",
    "RDS.36": "RDS shows the last three days of its logs itself",
    "EC2.6": "billed by the gigabyte",
    "CloudWatch.16": "a trial's log is read within days; `logRetentionDays` says how long",
}

LEFT_OUT: Mapping[str, Mapping[str, str]] = {"poc": {**EVERYWHERE, **POC}}
"""The reasons, by stack: the stacks that the project ships."""
