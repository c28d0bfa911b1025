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

NO_DOMAIN = "answers plain HTTP until it has a domain of yours, and so a certificate"

POC: Mapping[str, str] = {
    "ECS.12": "billed by the metric; `containerInsights` turns it on",
    "ELB.1": NO_DOMAIN,
    "ELB.5": "the app's own log has each request; `accessLogs` turns it on",
    "ELB.6": "has to go in one `pulumi destroy`; `protect` turns it on",
    "ELB.18": NO_DOMAIN,
    "RDS.5": "a standby doubles the database's price; `databaseMultiAz` turns it on",
    "RDS.6": "the free metrics, by the minute, will do; `databaseMonitoringInterval` turns it on",
    "RDS.8": "has to go in one `pulumi destroy`; `protect` turns it on",
    "RDS.9": "RDS shows the last days of its logs itself; `databaseLogs` turns it on",
    "RDS.10": "the app logs in by the rotated password; `databaseIamAuth` turns it on",
    "RDS.11": "its data can be made again; `databaseBackupDays` keeps more",
    "RDS.36": "RDS shows the last days of its logs itself; `databaseLogs` turns it on",
    "EC2.6": "billed by the gigabyte; `flowLogs` turns it on",
    "CloudWatch.16": "a trial's log is read within days; `logRetentionDays` keeps it longer",
}

PROD: Mapping[str, str] = {
    "ELB.1": NO_DOMAIN,
    "ELB.18": f"{NO_DOMAIN}; the listener that leads to HTTPS stays, and fails this one",
    "S3.9": "the bucket holds the load balancer's log and nothing else; a log of the log needs a second one",
}

LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "poc": {**EVERYWHERE, **POC},
    "prod": {**EVERYWHERE, **PROD},
}
"""The reasons, by stack: the stacks that the project ships."""
