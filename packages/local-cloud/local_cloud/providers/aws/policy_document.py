"""The function ``aws.iam.get_policy_document``, which the provider computes without a call of AWS.

It writes what terraform-provider-aws writes (policy_document_data_source.go and policy_model.go).
"""

import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from local_cloud.aws.hooks import twice
from local_cloud.calls import Calls, Values

LISTS = {
    "actions": "Action",
    "notActions": "NotAction",
    "resources": "Resource",
    "notResources": "NotResource",
}
"""The elements of a statement with one value or several, by the function's arguments."""
PRINCIPALS = {"principals": "Principal", "notPrincipals": "NotPrincipal"}
OLD, NEW = "2008-10-17", "2012-10-17"
"""The versions of policies."""


def policy_document(_calls: Calls, asked: Values) -> Values:
    """Answer it. Raises ValueError in the provider's words, and NotImplementedError where documents are merged."""
    for name in ("sourcePolicyDocuments", "overridePolicyDocuments"):
        if asked.get(name):
            raise NotImplementedError(f"the local cloud's get_policy_document has no {name}")
    version = asked.get("version") or NEW
    _choose("version", version, (OLD, NEW))
    statements = [_statement(each) for each in asked.get("statements") or ()]
    if sid := twice(each["Sid"] for each in statements if "Sid" in each):
        raise ValueError(f"writing IAM Policy Document: duplicate Sid ({sid}). Remove the Sid")
    found = {"Version": version, "Id": asked.get("policyId"), "Statement": statements}
    whole = _with_variables({name: each for name, each in found.items() if each}, version)
    text = json.dumps(whole, indent=2, ensure_ascii=False)
    return {
        **asked,
        "id": str(zlib.crc32(text.encode())),
        "json": text,
        "minifiedJson": json.dumps(whole, separators=(",", ":"), ensure_ascii=False),
        "version": version,
    }


def _choose(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"expected {name} to be one of {json.dumps(known)}, got {value}")


def _statement(given: Values) -> Values:
    effect, sid = given.get("effect") or "Allow", given.get("sid") or ""
    _choose("effect", effect, ("Allow", "Deny"))
    if not re.fullmatch("[a-zA-Z0-9]*", sid):
        raise ValueError(f"sid {sid} must only include alphanumeric characters")
    found = {
        "Sid": sid,
        "Effect": effect,
        **{name: _one_or_more(_sorted(given.get(key) or ())) for key, name in LISTS.items()},
        **{name: _principals(given.get(key) or ()) for key, name in PRINCIPALS.items()},
        "Condition": _conditions(given.get("conditions") or ()),
    }
    return {name: each for name, each in found.items() if each}


def _sorted(given: Iterable[str]) -> list[str]:
    return sorted({*given}, reverse=True)


def _one_or_more(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _principals(given: Iterable[Values]) -> str | dict[str, str | list[str]]:
    found = defaultdict[str, list[str]](list)
    for each in given:
        found[each["type"]] += _sorted(each["identifiers"])
    if found == {"*": ["*"]}:
        return "*"
    return {kind: _one_or_more(each) for kind, each in sorted(found.items())}


def _conditions(given: Iterable[Values]) -> dict[str, dict[str, str | list[str]]]:
    found = defaultdict[str, dict[str, list[str]]](dict)
    for each in given:
        found[each["test"]].setdefault(each["variable"], []).extend(each["values"])
    return {
        test: {variable: _one_or_more(each) for variable, each in sorted(variables.items())}
        for test, variables in sorted(found.items())
    }


def _with_variables(value: Any, version: str) -> Any:
    """Write ``&{…}``, which Terraform does not take for its own, as IAM's ``${…}``."""
    if isinstance(value, dict):
        return {name: _with_variables(each, version) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_variables(each, version) for each in value]
    if "&{" in value and version == OLD:
        raise ValueError(
            f"found &{{ sequence in ({value}), which is not supported in document version {OLD}"
        )
    return value.replace("&{", "${")
