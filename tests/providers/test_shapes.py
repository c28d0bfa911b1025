"""Pulumi's inputs in AWS's words."""

from __future__ import annotations

import pytest

from rehearsal.providers.calls import UnknownInput, to_parameters, to_shape


def test_names_are_matched_by_the_operations_own_shape(calls):
    model = calls.model("ec2", "create_subnet")
    sent, taken = to_parameters(model, {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/24", "more": 1})
    assert sent == {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"}
    assert taken == {"vpcId", "cidrBlock"}


def test_a_map_becomes_a_list_of_pairs_where_aws_wants_one(calls):
    model = calls.model("elbv2", "create_target_group")
    sent, _ = to_parameters(model, {"tags": {"b": "2", "a": "1"}})
    assert sent == {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}


def test_a_map_stays_one_where_aws_takes_it(calls):
    sent, _ = to_parameters(calls.model("logs", "create_log_group"), {"tags": {"a": "1"}})
    assert sent == {"tags": {"a": "1"}}


def test_nested_names_are_converted_and_numbers_are_whole(calls):
    model = calls.model("elbv2", "create_listener")
    action = {
        "type": "fixed-response",
        "fixedResponse": {"contentType": "text/html", "statusCode": 503.0},
    }
    sent, _ = to_parameters(model, {"defaultActions": [action], "port": 80.0})
    assert sent == {
        "Port": 80,
        "DefaultActions": [
            {
                "Type": "fixed-response",
                "FixedResponseConfig": {"ContentType": "text/html", "StatusCode": "503"},
            }
        ],
    }


def test_a_nested_name_that_aws_lacks_is_refused(calls):
    shape = calls.model("elbv2", "create_target_group").input_shape.members["Matcher"]
    with pytest.raises(UnknownInput, match="Matcher has no 'httpCodes2'"):
        to_shape(shape, {"httpCodes2": "200"})


def test_an_input_that_the_operation_does_not_take_is_refused(calls):
    with pytest.raises(UnknownInput, match=r"ec2.create_vpc takes no shape"):
        calls.convert("ec2", "create_vpc", {"cidrBlock": "10.0.0.0/16", "shape": "round"})
