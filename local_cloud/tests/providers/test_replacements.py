"""Which inputs force a replacement: checked against CloudFormation's schemas, which AWS itself publishes."""

import importlib
import re

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER as SCHEMAS

from local_cloud.providers.aws import KINDS
from local_cloud.tests.providers.conftest import REGION, kind, recorded

TABLES = recorded("replacements")
NO_SCHEMA = TABLES["no schema"]
TYPES = {name.lower(): name for name in SCHEMAS.get_resource_types(REGION)}
ALL = {token.split(":")[1] for token in KINDS}
COMPARED = sorted(ALL - NO_SCHEMA.keys())


def cloudformation(short):
    module, _, name = short.partition("/")
    own = TABLES["otherwise"].get(short, f"{TABLES['services'].get(module, module)}::{name}")
    return TYPES.get(f"aws::{own}".lower())


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
        """Its name in Pulumi: that of the table, or its own, or without the type's, as ``name`` is of ``RoleName``."""
        words = re.findall(r"[A-Z]+[a-z0-9]*", own)
        for start in range(len(words)):
            ending = re.sub(r"^[A-Z]", lambda letter: letter[0].lower(), "".join(words[start:]))
            if ending in known and "".join(words[:start]) in cloudformation(short):
                return TABLES["renamed"].get(f"{short} {own}", ending)
        return TABLES["renamed"].get(f"{short} {own}")

    # The schema of an internet gateway has none, so the key may be missing.
    pointers = schema.get("createOnlyProperties", [])
    return {name(pointer.split("/")[2]) for pointer in pointers} - {None}


def named(table, short):
    """The inputs of a type that a table has."""
    return {name for key, name in map(str.split, TABLES[table]) if key == short}


def test_every_type_is_compared_or_its_reason_given():
    assert NO_SCHEMA.keys() <= ALL
    assert [short for short in COMPARED if cloudformation(short) is None] == [], (
        "these have another name in CloudFormation, or none: recorded/replacements.yaml"
    )


@pytest.mark.parametrize("short", COMPARED)
def test_inputs_replace_the_resource_as_in_cloudformation(short):
    stand_in, only = kind(short), create_only(short)
    changeable = named("in place", short)
    sent = {key for setting in stand_in.settings for key in setting.inputs}
    # An input that the stand-in does not know at all is refused when it is used.
    used = sent | set(stand_in.outputs) | set(stand_in.scope.values())
    missed = (only - changeable - stand_in.replaces - set(stand_in.ignored)) & used
    assert missed == set(), f"AWS cannot change these of {short}: they belong into its `replaces`"
    provider = named("provider only", short)
    prefix = {"namePrefix"}  # changing it changes the name
    assert stand_in.replaces - only - provider <= prefix
