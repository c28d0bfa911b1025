"""The tables that settings are checked against agree with what others publish about AWS."""

import gzip
import json
import re
from pathlib import Path

import botocore
import cfnlint
import pytest
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

from stack.network import ZONE_LETTERS
from stack.service import LOG_DAYS, MEMORY_BY_CPU

SCHEMA = "data/schemas/extensions/aws_ecs_taskdefinition/fargate_cpu_memory.json"


def memories(rule):
    """The sizes that one branch of cfn-lint's schema allows, as numbers of MiB."""
    if "enum" in rule:
        return tuple(rule["enum"])
    return tuple(range(rule["minimum"], rule["maximum"] + 1, rule["multipleOf"]))


def test_task_sizes_are_those_that_cfn_lint_knows():
    schema = json.loads((Path(cfnlint.__file__).parent / SCHEMA).read_text())
    pairs = [branch["properties"] for branch in schema["then"]["anyOf"]]
    published = {
        int(pair["Cpu"]["then"]["enum"][0]): memories(pair["Memory"]["then"]) for pair in pairs
    }
    assert dict(MEMORY_BY_CPU) == published


@pytest.mark.parametrize("region", ZONE_LETTERS)
def test_zones_are_among_those_that_moto_knows(region):
    known = {zone.name for zone in RegionsAndZonesBackend.zones[region]}
    assert {region + letter for letter in ZONE_LETTERS[region]} <= known


def test_days_of_log_retention_are_those_of_the_logs_api():
    [model] = (Path(botocore.__file__).parent / "data/logs").glob("*/service-2.json.gz")
    text = json.loads(gzip.decompress(model.read_bytes()))["shapes"]["Days"]["documentation"]
    [published] = re.findall(r"Possible values are: ([^<.]*)\.", text)
    assert tuple(map(int, re.findall(r"\d+", published))) == LOG_DAYS
