"""What the user's AWS account has and the local cloud must be given: secrets, prefix lists, a client of the login."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import httpx

from local_cloud.calls import Calls
from stack.login import CALLBACK_PATH
from stack.statements import secret_arn, secret_key
from tools.i18n import t
from tools.snapshot.login import CLIENT_SECRET_FILE

if TYPE_CHECKING:
    from tools.rehearsal.app_page import Page
    from tools.rehearsal.stages import Rehearsal

MADE_UP = "made-up-in-the-rehearsal"
LISTED = "192.0.2.0/24"
"""The made-up content of a prefix list (an address range reserved for documentation)."""


def make_secrets(run: Rehearsal, calls: Calls) -> None:
    """Create a local secret for each of ``appSecrets``, and change the settings to its ARN.

    The secrets of the settings exist only in the user's AWS account. Each local value is made up and has
    every key that the settings name.
    """
    named = run.settings.service.secrets
    keys: dict[str, list[str]] = {}
    for value in named.values():
        keys.setdefault(secret_arn(value), []).append(secret_key(value))
    for arn, wanted in keys.items():
        text = json.dumps(dict.fromkeys(filter(None, wanted), MADE_UP)) if any(wanted) else MADE_UP
        name = arn.rpartition(":")[2].rpartition("-")[0]
        made = calls("secretsmanager", "create_secret", {"Name": name, "SecretString": text})
        for variable, value in named.items():
            if secret_arn(value) == arn:
                run.set(f"appSecrets.{variable}", value.replace(arn, made["ARN"]))
        run.say(t("The secret {name} has a made-up value here.", name=name))


def make_prefix_lists(run: Rehearsal, calls: Calls) -> None:
    """Create a local prefix list for each of ``allowedCidrs``, and change the setting to its id.

    Those of the settings exist only in the user's AWS account.
    """
    allowed = run.settings.allowed
    text = str(allowed)
    for each in allowed.prefix_lists:
        clients = {"MaxEntries": 1, "AddressFamily": "IPv4", "Entries": [{"Cidr": LISTED}]}
        named = {"PrefixListName": each, **clients}
        made = calls("ec2", "create_managed_prefix_list", named)["PrefixList"]["PrefixListId"]
        text = text.replace(each, made)
        words = t(
            "The prefix list {id} is {made} here, with {cidr}.", id=each, made=made, cidr=LISTED
        )
        run.say(words)
    if allowed.prefix_lists:
        run.set("allowedCidrs", text)


def register_login(run: Rehearsal, page: Page, calls: Calls) -> None:
    """Let users log in at the local cloud's provider: that of the settings knows no address of this machine.

    The secret of its client takes the name of the settings', and stands in a file of the project's folder, as a
    person has it who reads it from the provider's page.
    """
    settings = run.settings
    if not settings.login.enabled:
        return
    issuer = str(run.facts().state["issuer"])
    hosts = (page.url, f"https://{run.host(settings)}")
    trust = ssl.create_default_context(cafile=run.facts().environment["SSL_CERT_FILE"])
    wanted = {"redirect_uris": [f"{each}{CALLBACK_PATH}" for each in hosts]}
    answer = httpx.post(f"{issuer}/register", json=wanted, verify=trust, trust_env=False)
    client = answer.raise_for_status().json()
    name = secret_arn(settings.login.secret_arn).rpartition(":")[2].rpartition("-")[0]
    secret = {"Name": name, "SecretString": client["client_secret"]}
    made = calls("secretsmanager", "create_secret", secret)
    file = run.pulumi.folder / CLIENT_SECRET_FILE
    file.touch(mode=0o600)
    file.write_text(client["client_secret"])
    run.set("loginIssuer", issuer)
    run.set("loginClientId", client["client_id"])
    run.set("loginSecretArn", made["ARN"])
    run.say(t("Users log in at {issuer} here, with any e-mail address.", issuer=issuer))
