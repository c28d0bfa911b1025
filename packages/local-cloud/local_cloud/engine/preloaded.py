"""Imports Pulumi's packages for the forks that run programs: in a new process that is most of a program's time."""

import gc
from contextlib import suppress
from importlib import import_module

# The garbage collector would scan a million objects that are never freed, again and again: a fifth of the time.
gc.set_threshold(500_000)

# pulumi_aws loads its packages lazily: only the import of something in a package loads it.
AWS = (
    *("acm", "appautoscaling", "cloudwatch", "ec2", "ecr", "ecs", "iam", "kms", "lb", "rds"),
    *("route53", "s3", "ssm", "vpc"),
)
OTHERS = ("docker", "pulumi_aws.sns.topic", "pulumi_awsx.ec2", "pulumi_docker")
for name in (*OTHERS, *(f"pulumi_aws.{package}.outputs" for package in AWS)):
    with suppress(ImportError):  # A package without outputs is loaded all the same.
        import_module(name)
