"""Which inputs force a replacement: checked against CloudFormation's schemas, which AWS itself publishes.

Of the types that have the same name there, and of the inputs whose name is theirs, or its end. The provider itself
says it of all that a program declares, in a plan.
"""

import importlib
import re

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER as SCHEMAS

from local_cloud.providers.aws import KINDS
from local_cloud.tests.providers.conftest import REGION, kind

SERVICES = {
    "appautoscaling": "ApplicationAutoScaling",
    "acm": "CertificateManager",
    "lb": "ElasticLoadBalancingV2",
}
TYPES = {name.lower(): name for name in SCHEMAS.get_resource_types(REGION)}


def cloudformation(short):
    module, _, name = short.partition("/")
    return TYPES.get(f"aws::{SERVICES.get(module, module)}::{name}".lower())


COMPARED = sorted(filter(cloudformation, (token.split(":")[1] for token in KINDS)))


def arguments(short):
    """The input names of a type, as Pulumi writes them."""
    module, name = short.split("/")
    found = getattr(
        importlib.import_module(f"pulumi_aws.{module}"), f"{name[0].upper()}{name[1:]}Args"
    )
    snake = [key for key, value in vars(found).items() if isinstance(value, property)]
    return {re.sub(r"_(\w)", lambda letter: letter[1].upper(), key) for key in snake}


def create_only(short):
    """CloudFormation's createOnlyProperties of a type, under Pulumi's names, as far as Pulumi has them."""
    schema = SCHEMAS.get_resource_schema(REGION, cloudformation(short)).schema
    known = arguments(short)

    def name(own):
        """Its name in Pulumi: its own, or without the type's, as ``name`` is of ``RoleName``."""
        words = re.findall(r"[A-Z]+[a-z0-9]*", own)
        for start in range(len(words)):
            ending = re.sub(r"^[A-Z]", lambda letter: letter[0].lower(), "".join(words[start:]))
            if ending in known and "".join(words[:start]) in cloudformation(short):
                return ending
        return None

    # The schema of an internet gateway has none, so the key may be missing.
    return {name(each.split("/")[2]) for each in schema.get("createOnlyProperties", [])} - {None}


def test_most_types_are_compared():
    assert len(COMPARED) > 20


@pytest.mark.parametrize("short", COMPARED)
def test_inputs_replace_the_resource_as_in_cloudformation(short):
    stand_in = kind(short)
    sent = {key for setting in stand_in.settings for key in setting.inputs}
    # An input that the stand-in does not know at all is refused when it is used.
    used = sent | set(stand_in.outputs) | set(stand_in.scope.values())
    missed = (create_only(short) - stand_in.replaces - set(stand_in.ignored)) & used
    assert missed == set(), f"AWS cannot change these of {short}: they belong into its `replaces`"
