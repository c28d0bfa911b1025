"""`./careapp doctor`."""

from __future__ import annotations

from careapp.additions.owner import inquiry_of
from careapp.additions.target import session_of
from careapp.command_line import print_json, raise_if_blind, settings_to_look
from ecs_gate.diagnosis.screen import as_dict, lines
from ecs_gate.doctor import diagnose
from ecs_gate.screen import display


def run(stack: str, as_json: bool) -> int:
    """Diagnose a stack, print the diagnosis and return its exit code."""
    settings = settings_to_look(stack)
    diagnosis = diagnose(inquiry_of(settings, session_of(settings)))
    raise_if_blind(part.problem for part in diagnosis.unread)
    if as_json:
        print_json(as_dict(diagnosis))
    else:
        display(lines(diagnosis))
    return diagnosis.exit_code
