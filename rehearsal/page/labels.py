"""The page's own words, by the name under which its templates use them."""

from __future__ import annotations

from i18n import Text, t
from ops.render.diagnosis import KINDS

LABELS: dict[str, Text] = {
    "skip": t("Skip to the state"),
    "rehearsal": t("Rehearsal on this machine"),
    "no_aws": t("no AWS account, nothing is billed"),
    "languages": t("Language"),
    "stacks": t("Stacks"),
    "open_page": t("Open the app"),
    "lost": t(
        "The local cloud does not answer any more: it has ended, or starts anew. "
        "This page goes on by itself as soon as it is back."
    ),
    "chain": t("The way of a request"),
    "supplies": t("What a task needs from AWS before it starts"),
    "browser": t("Browser"),
    "browser_words": t("on this machine"),
    "balancer": t("Load balancer"),
    "tasks": t("Tasks"),
    "database": t("Database"),
    "image": t("Image"),
    "secrets": t("Secrets"),
    "log": t("Log"),
    "none_yet": t("not there yet"),
    "doctor": t("The doctor"),
    "doctor_healthy": t("Nothing is wrong."),
    "doctor_waits": t("The doctor looks as soon as something is up."),
    "doctor_building": t("The doctor looks as soon as Pulumi is done."),
    "doctor_unfinished": t(
        "No cause found, but the roll-out has not ended yet: nobody knows how it ends."
    ),
    "doctor_unsure": t("No cause found, but not all could be looked at: this is not a clean bill."),
    "checked": t("What was checked"),
    "seen": t("Seen"),
    "evidence": t("What AWS and the app said"),
    "more_findings": t("What follows from it, and what else there is"),
    "other_ways": t("Other ways"),
    "copy_it": t("Copy"),
    "copied": t("Copied"),
    "copy_command": t("Copy the commands"),
    "not_looked": t("Not looked at:"),
    "rollout": t("Roll-out"),
    "rollout_none": t("No deployment yet: ECS is off."),
    "desired": t("desired"),
    "running": t("running"),
    "pending": t("starting"),
    "failed": t("failed"),
    "took": t("took"),
    "timeline": t("Timeline"),
    "timeline_empty": t("Nothing has happened yet."),
    "clock": t("AWS's time, in this machine's time zone; it passes faster here"),
    "show": t("Show"),
    "all": t("everything"),
    "events": t("events"),
    "logs": t("log lines"),
    "parts": t("The parts"),
    "name": t("Name"),
    "status": t("Status"),
    "address": t("Address"),
    "rules": t("Rules"),
    "priority": t("Priority"),
    "when": t("When"),
    "then": t("Then"),
    "group": t("Target group"),
    "check": t("Health check"),
    "targets": t("Targets"),
    "target": t("Target"),
    "reason": t("Reason"),
    "no_targets": t("No target is registered."),
    "task": t("Task"),
    "health": t("Container"),
    "revision": t("Revision"),
    "ended": t("Ended tasks"),
    "time": t("Time"),
    "exit": t("Exit code"),
    "version": t("Version"),
    "class": t("Class"),
    "storage": t("Storage"),
    "tls": t("TLS"),
    "tls_must": t("a must (rds.force_ssl)"),
    "tls_may": t("not a must"),
    "platform": t("Platform"),
    "stores": t("Image, secrets, log"),
    "alarms": t("Alarms"),
    "alarms_quiet": t("none rings"),
    "no_alarms": t("none"),
    "begin": t("Put the stack up:"),
    "wordless": t("This page renews itself every few seconds; with JavaScript it is live."),
}
STATES: dict[str, Text] = {
    "open": t("works"),
    "blocked": t("broken"),
    "warned": t("careful"),
    "waiting": t("waiting"),
    "off": t("off"),
    "unseen": t("unknown"),
}
GLYPHS = {"open": "✓", "blocked": "✕", "warned": "!", "waiting": "…", "off": "-", "unseen": "?"}
TONES = {"good": "✓", "bad": "✕", "busy": "…", "calm": "-"}


def spoken(lang: str) -> dict[str, str]:
    """The labels in a language."""
    return {name: text.to(lang) for name, text in LABELS.items()}


def states(lang: str) -> dict[str, str]:
    """The words for the states of places."""
    return {name: text.to(lang) for name, text in STATES.items()}


def kinds(lang: str) -> dict[str, str]:
    """The words for the kinds of findings."""
    return {name: text.to(lang) for name, text in KINDS.items()}
