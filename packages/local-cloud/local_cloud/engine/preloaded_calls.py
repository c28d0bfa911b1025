"""Imports what a program calls AWS and its page with while it waits, for the forks that run programs in an update."""

import functools
from contextlib import suppress
from importlib import import_module

import botocore.session
from botocore.exceptions import DataNotFoundError

for name in ("boto3", "httpx"):
    with suppress(ImportError):
        import_module(name)

# Each process would parse the models of these again.
CALLED = ("cloudwatch", "ec2", "ecr", "ecs", "elbv2", "iam", "logs", "rds", "secretsmanager", "sts")
create_loader = botocore.session.create_loader = functools.cache(botocore.session.create_loader)
for name in CALLED:
    for part in ("service-2", "paginators-1", "endpoint-rule-set-1"):
        with suppress(DataNotFoundError):
            create_loader(None).load_service_model(name, part)
