"""What the user's AWS account has and the local cloud must be given: secrets, prefix lists, a client of the login."""

import json
import ssl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx

from careapp.settings.settings import Settings
from ecs_gate.facts.elb import CALLBACK_PATH
from ecs_gate.facts.secrets import secret_arn, secret_key
from ecs_gate.parts.login import CLIENT_SECRET_FILE
from ecs_gate.text import Text, t
from local_cloud.calls import Calls
from local_cloud.run.client import RunningCloud

Say = Callable[[Text], None]
MADE_UP = "made-up-in-the-rehearsal"
LISTED = "192.0.2.0/24"
"""The made-up content of a prefix list (an address range reserved for documentation)."""


def make_secrets(settings: Settings, calls: Calls, say: Say) -> Iterator[tuple[str, str]]:
    """Create a local secret for each of ``appSecrets``, and yield the settings with its ARN.

    The secrets of the settings exist only in the user's AWS account. Each local value is made up and has
    every key that the settings name.
    """
    named = settings.service.secrets
    keys: dict[str, list[str]] = {}
    for value in named.values():
        keys.setdefault(secret_arn(value), []).append(secret_key(value))
    for arn, wanted in keys.items():
        text = json.dumps(dict.fromkeys(filter(None, wanted), MADE_UP)) if any(wanted) else MADE_UP
        name = arn.rpartition(":")[2].rpartition("-")[0]
        secret = calls("secretsmanager", "create_secret", {"Name": name, "SecretString": text})
        for variable, value in named.items():
            if secret_arn(value) == arn:
                yield f"appSecrets.{variable}", value.replace(arn, secret["ARN"])
        say(t("The secret {name} has a made-up value here.", name=name))


def make_prefix_lists(settings: Settings, calls: Calls, say: Say) -> Iterator[tuple[str, str]]:
    """Create a local prefix list for each of ``allowedCidrs``, and yield the setting with its id.

    Those of the settings exist only in the user's AWS account.
    """
    allowed = settings.allowed
    text = str(allowed)
    for each in allowed.prefix_lists:
        clients = {"MaxEntries": 1, "AddressFamily": "IPv4", "Entries": [{"Cidr": LISTED}]}
        named = {"PrefixListName": each, **clients}
        new = calls("ec2", "create_managed_prefix_list", named)["PrefixList"]["PrefixListId"]
        text = text.replace(each, new)
        say(t("The prefix list {id} is {made} here, with {cidr}.", id=each, made=new, cidr=LISTED))
    if allowed.prefix_lists:
        yield "allowedCidrs", text


def register_login(
    settings: Settings, calls: Calls, facts: RunningCloud, urls: Iterable[str], folder: Path
) -> dict[str, str]:
    """Let users of these URLs log in at the local cloud's provider: that of the settings does not know them.

    The secret of its client takes the name of the settings', and stands in a file of the project's folder, as a
    person has it who reads it from the provider's page.
    """
    if not settings.login.enabled:
        return {}
    issuer = str(facts.state["issuer"])
    trust = ssl.create_default_context(cafile=facts.environment["SSL_CERT_FILE"])
    wanted = {"redirect_uris": [f"{url}{CALLBACK_PATH}" for url in urls]}
    answer = httpx.post(f"{issuer}/register", json=wanted, verify=trust, trust_env=False)
    client = answer.raise_for_status().json()
    name = secret_arn(settings.login.secret_arn).rpartition(":")[2].rpartition("-")[0]
    secret = {"Name": name, "SecretString": client["client_secret"]}
    created = calls("secretsmanager", "create_secret", secret)
    file = folder / CLIENT_SECRET_FILE
    file.touch(mode=0o600)
    file.write_text(client["client_secret"])
    return {
        "loginIssuer": issuer,
        "loginClientId": client["client_id"],
        "loginSecretArn": created["ARN"],
    }
