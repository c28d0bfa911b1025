"""Where the AWS API of a local cloud answers, and the key that signs what this machine's user asks of it."""

import secrets
from string import ascii_uppercase
from typing import NamedTuple


class Access(NamedTuple):
    """The address and region of a local cloud's API, with its owner's access key."""

    endpoint: str
    region: str
    key_id: str
    secret: str

    @property
    def profile(self) -> str:
        """Return the key as a file of AWS's clients for credentials."""
        key = f"aws_access_key_id = {self.key_id}\naws_secret_access_key = {self.secret}"
        return f"[default]\n{key}\n"


def new_key() -> tuple[str, str]:
    """Return the id and the secret of a new access key. A page that was written before cannot know them."""
    name = "".join(secrets.choice(ascii_uppercase) for _ in range(16))
    return f"AKIA{name}", secrets.token_hex(20)
