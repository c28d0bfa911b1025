"""careapp/delivery/template.yaml as CloudFormation would deploy it: parameters put in, conditions decided."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

from careapp.delivery import cli

TEMPLATE = Path(cli.__file__).with_name("template.yaml")
ACCOUNT, REGION = "123456789012", "ap-northeast-1"
REPOSITORY = "octo-org/careapp"
NOTHING = object()
"""What `AWS::NoValue` stands for: the property or the item is left out."""


@dataclass(frozen=True)
class Delivery:
    """The template deployed for one stack."""

    stack: str
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, stack: str, **more: str) -> Delivery:
        """With the template's defaults for all but the project, the stack, the repository and `more`."""
        named = {"Project": "careapp", "Stack": stack, "Repository": REPOSITORY}
        return cls(stack, {**named, **more})

    @property
    def project(self) -> str:
        return self.parameters["Project"]

    @cached_property
    def _template(self) -> Any:
        return cfn_yaml.load(str(TEMPLATE))

    @cached_property
    def resources(self) -> dict[str, Any]:
        """The properties of each resource that is made, by logical name."""
        return {
            name: self._value(resource.get("Properties", {}))
            for name, resource in self._template["Resources"].items()
            if "Condition" not in resource or self._holds({"Condition": resource["Condition"]})
        }

    @cached_property
    def outputs(self) -> dict[str, str]:
        return {
            name: self._value(output["Value"]) for name, output in self._template["Outputs"].items()
        }

    @property
    def variables(self) -> dict[str, str]:
        """GitHub's variables, as `gh variable set -f -` reads them."""
        lines = self.outputs["Variables"].splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def bucket(self) -> str:
        return str(self._reference("StateBucket"))

    @property
    def key_arn(self) -> str:
        return str(self._attribute("StateKey.Arn"))

    def role(self, name: str) -> dict[str, Any]:
        [found] = [each for each in self.resources.values() if each.get("RoleName") == name]
        return dict(found)

    def documents(self, name: str) -> list[Any]:
        role = self.role(name)
        held = [resource for resource in self.resources.values() if "ManagedPolicyName" in resource]
        by_arn = {_policy_arn(each["ManagedPolicyName"]): each["PolicyDocument"] for each in held}
        own = [policy["PolicyDocument"] for policy in role.get("Policies", [])]
        return [by_arn[arn] for arn in role["ManagedPolicyArns"]] + own

    @property
    def deploy(self) -> list[Any]:
        return self.documents(f"{self.project}-delivery-{self.stack}")

    @property
    def boundary(self) -> Any:
        return self.resources["Boundary"]["PolicyDocument"]

    def _value(self, given: Any) -> Any:
        if isinstance(given, dict):
            if len(given) == 1:
                [(function, argument)] = given.items()
                if function == "Ref" or function.startswith("Fn::"):
                    return self._function(function, argument)
            made = {key: self._value(member) for key, member in given.items()}
            return {key: member for key, member in made.items() if member is not NOTHING}
        if isinstance(given, list):
            return [member for member in map(self._value, given) if member is not NOTHING]
        return str(given) if isinstance(given, str) else given

    def _function(self, function: str, argument: Any) -> Any:
        match function:
            case "Ref":
                return self._reference(argument)
            case "Fn::Sub":
                return re.sub(r"\$\{([\w:.]+)\}", lambda found: self._named(found[1]), argument)
            case "Fn::GetAtt":
                parts = argument if isinstance(argument, list) else [argument]
                return self._attribute(".".join(parts))
            case "Fn::If":
                name, yes, no = argument
                return self._value(yes if self._holds({"Condition": name}) else no)
        raise AssertionError(f"the test cannot resolve {function}")

    def _named(self, name: str) -> str:
        return str(self._attribute(name) if "." in name else self._reference(name))

    def _reference(self, name: str) -> Any:
        pseudo = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::NoValue": NOTHING}
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        if name in self._template["Parameters"]:
            return self._template["Parameters"][name]["Default"]
        properties = self._template["Resources"][name]["Properties"]
        if "ManagedPolicyName" in properties:
            return _policy_arn(self._value(properties["ManagedPolicyName"]))
        own = [properties[key] for key in ("BucketName", "AliasName") if key in properties]
        return self._value(own[0]) if own else f"{self.stack}-key"

    def _attribute(self, name: str) -> str:
        resource, attribute = name.split(".")
        assert attribute == "Arn", name
        properties = self._template["Resources"][resource]["Properties"]
        if "RoleName" in properties:
            return f"arn:aws:iam::{ACCOUNT}:role/{self._value(properties['RoleName'])}"
        if "BucketName" in properties:
            return f"arn:aws:s3:::{self._reference(resource)}"
        return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{self._reference(resource)}"

    def _holds(self, condition: Any) -> bool:
        [(function, argument)] = condition.items()
        match function:
            case "Condition":
                return self._holds(self._template["Conditions"][argument])
            case "Fn::Not":
                return not self._holds(argument[0])
            case "Fn::Equals":
                first, second = map(self._value, argument)
                return bool(first == second)
        raise AssertionError(f"the test cannot decide {function}")


def deploy_to(calls: Any, delivery: Delivery) -> None:
    """Make in the local cloud what a stack's deploy needs of the template: bucket, key and boundary."""
    key = calls("kms", "create_key", {})["KeyMetadata"]["KeyId"]
    alias = delivery.resources["StateKeyAlias"]["AliasName"]
    calls("kms", "create_alias", {"AliasName": alias, "TargetKeyId": key})
    place = {"LocationConstraint": REGION}
    bucket = {"Bucket": delivery.bucket}
    calls("s3", "create_bucket", {**bucket, "CreateBucketConfiguration": place})
    versioning = delivery.resources["StateBucket"]["VersioningConfiguration"]
    calls("s3", "put_bucket_versioning", {**bucket, "VersioningConfiguration": versioning})
    bound = delivery.resources["Boundary"]
    document = json.dumps(bound["PolicyDocument"])
    name = bound["ManagedPolicyName"]
    calls("iam", "create_policy", {"PolicyName": name, "PolicyDocument": document})


def _policy_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


def arn(service: str, resource: str) -> str:
    """The ARN of something in the region."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def iam(resource: str) -> str:
    """The ARN of something of IAM, which knows no region."""
    return f"arn:aws:iam::{ACCOUNT}:{resource}"
