"""Imports Pulumi's packages for the forks that run programs: in a new process that is most of a program's time."""

import functools
import gc
from contextlib import suppress
from importlib import import_module

import botocore.session
from botocore.exceptions import DataNotFoundError

# The garbage collector would scan a million objects that are never freed, again and again: a fifth of the time.
gc.set_threshold(200_000, 50, 50)

# pulumi_aws loads its packages lazily: only the import of something in a package loads it.
AWS = (
    *("acm", "appautoscaling", "cloudwatch", "ec2", "ecr", "ecs", "iam", "kms", "lb", "rds"),
    *("route53", "s3", "ssm", "vpc"),
)
OTHERS = ("boto3", "docker", "httpx", "pulumi_aws.sns.topic", "pulumi_awsx.ec2", "pulumi_docker")
for name in (*OTHERS, *(f"pulumi_aws.{each}.outputs" for each in AWS)):
    with suppress(ImportError):  # A package without outputs is loaded all the same.
        import_module(name)

# A program that waits for its roll-out calls these; each process would parse their models again.
CALLED = ("cloudwatch", "ec2", "ecr", "ecs", "elbv2", "iam", "logs", "rds", "secretsmanager", "sts")
create_loader = botocore.session.create_loader = functools.cache(botocore.session.create_loader)
for name in CALLED:
    for part in ("service-2", "paginators-1", "endpoint-rule-set-1"):
        with suppress(DataNotFoundError):
            create_loader(None).load_service_model(name, part)
