"""The order of a new VPC's gateways, which awsx leaves open and EC2 does not forgive."""

from __future__ import annotations

import time

import pytest

from rehearsal.providers import lifecycle
from tests.support.local_stack import local_stack

HELD_BACK = 3
"""Seconds, in which all that a NAT gateway needs by its inputs is made."""


@pytest.fixture
def slow_internet_gateway(monkeypatch):
    """EC2 takes its time with the internet gateway."""
    create = lifecycle.create

    def late(calls, kind, inputs, cancel):
        if kind.token.endswith(":InternetGateway"):
            time.sleep(HELD_BACK)
        return create(calls, kind, inputs, cancel)

    monkeypatch.setattr(lifecycle, "create", late)


@pytest.mark.usefixtures("slow_internet_gateway")
def test_every_nat_gateway_waits_for_the_internet_gateway(tmp_path):
    with local_stack(tmp_path) as stack:
        stack.up(natStrategy="onePerAz")
        gateways = stack.calls("ec2", "describe_nat_gateways", {})["NatGateways"]
        assert [gateway["State"] for gateway in gateways] == ["available", "available"]
