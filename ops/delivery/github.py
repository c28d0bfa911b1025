"""What GitHub Actions offers a job: its summary, its outputs, and the pull request's comments."""

from __future__ import annotations

import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.refused import Refused
from ops.texts import t

BOT = "github-actions[bot]"
"""Whom GITHUB_TOKEN speaks as: of all comments only this one's are ours."""
PAGE = 100
SECONDS = 30


def summarize(text: str) -> None:
    """Add to the job's summary; where there is no job, to the screen."""
    file = os.environ.get("GITHUB_STEP_SUMMARY")
    if not file:
        print(text)
        return
    with Path(file).open("a") as out:
        out.write(f"{text}\n")


def put_out(name: str, text: str) -> None:
    """Set an output of the step, where there is one. Its end is marked by what nobody can foresee."""
    file = os.environ.get("GITHUB_OUTPUT")
    if file:
        end = secrets.token_hex(16)
        with Path(file).open("a") as out:
            out.write(f"{name}<<{end}\n{text}\n{end}\n")


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """A pull request as GitHub's REST API knows it."""

    repository: str
    number: int
    token: str = field(repr=False)
    api: str = "https://api.github.com"

    @classmethod
    def of_job(cls, environ: Mapping[str, str]) -> PullRequest:
        """The one that the job runs for. Raises Refused elsewhere."""
        try:
            event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text())
            return cls(
                repository=environ["GITHUB_REPOSITORY"],
                number=int(event["pull_request"]["number"]),
                token=environ["GITHUB_TOKEN"],
                api=environ.get("GITHUB_API_URL", cls.api),
            )
        except KeyError as missing:
            raise Refused(
                t(
                    "{name} is missing: this comments on the pull request of a GitHub Actions job, "
                    "and here is none.",
                    name=str(missing).strip("'"),
                )
            ) from None

    def comment(self, mark: str, text: str) -> str:
        """Write the comment that begins with `mark`, or rewrite it; its address. Raises Refused."""
        body = {"body": f"{mark}\n{text}"}
        for each in self._comments():
            if each["user"]["login"] == BOT and str(each["body"]).startswith(mark):
                return str(self._ask("PATCH", f"comments/{each['id']}", body)["html_url"])
        return str(self._ask("POST", f"{self.number}/comments", body)["html_url"])

    def _comments(self) -> Iterator[Any]:
        page = 1
        while found := self._ask("GET", f"{self.number}/comments?per_page={PAGE}&page={page}"):
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - GitHub's own address
            f"{self.api}/repos/{self.repository}/issues/{path}",
            data=json.dumps(body).encode() if body else None,
            method=method,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            why = f"{problem.code} {problem.reason}"
        except OSError as problem:
            why = str(problem)
        raise Refused(
            t("GitHub refused {method} of a comment: {why}", method=method, why=why)
        ) from None
