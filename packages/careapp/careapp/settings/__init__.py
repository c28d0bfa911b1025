"""The settings of a stack and what follows from them: keys, rules, records, names, IAM statements.

The package imports neither pulumi nor boto3. The program, the policy pack, the commands and the
rehearsal all read a stack's settings through it. It brings the Japanese of what careapp says.
"""

from pathlib import Path

from ecs_gate.text import add_catalogue

LOCALE = Path(__file__).with_name("locale")
LANGUAGE = "CAREAPP_LANG"
"""The environment variable that passes ``--lang`` to the processes that a command starts, like `pulumi up`."""

add_catalogue(LOCALE, "careapp", LANGUAGE)
