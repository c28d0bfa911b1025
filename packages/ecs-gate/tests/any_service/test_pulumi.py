"""`follow` in a program of Pulumi."""

import asyncio
from functools import partial

import pulumi
import pytest

from ecs_gate import following
from ecs_gate import pulumi as gate
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.discovery import Chosen, NoService
from ecs_gate.owner import Owner
from ecs_gate.pulumi_remedies import PULUMI, PulumiRemedies
from ecs_gate.text import t

KNOWN = {
    **{"id": "arn:aws:ecs:eu-west-1:1:service/goods/web", "service": "web"},
    "cluster": "arn:aws:ecs:eu-west-1:1:cluster/goods",
    "definition": "arn:aws:ecs:eu-west-1:1:task-definition/storefront:7",
    **{"page": "https://shop.example/", "region": "eu-west-1"},
}
GIVEN = {"minutes": 15, "profile": None}


class Outputs:
    def __init__(self, known):
        self.known = known

    async def future(self):
        return self.known


@pytest.fixture
def logged(monkeypatch):
    said = []
    for name in ("info", "warn"):
        monkeypatch.setattr(pulumi.log, name, lambda text, *_, **__: said.append(text))
    return said


@pytest.fixture
def ends(monkeypatch):
    """Have the roll-out end in one way; what it was asked to follow."""
    asked = []

    def end(why):
        def reader(wanted, *, acts):
            asked.append((wanted, acts))
            if isinstance(why, Exception):
                raise why
            return wanted

        async def follow(_reader, _log):
            return None, why

        monkeypatch.setattr(following, "reader_of", reader)
        monkeypatch.setattr(following, "follow", follow)
        return asked

    return end


def until_ended(known=KNOWN, roll_back=False):
    work = partial(gate._follow, expects="200", given=GIVEN, roll_back=roll_back)
    return asyncio.run(gate.until_ended(Outputs(known), None, work, t("not following any more")))


@pytest.mark.parametrize("roll_back", [False, True])
def test_version_that_runs_leaves_the_update_green(logged, ends, roll_back):
    asked = ends("")
    assert until_ended(roll_back=roll_back) is True
    [(wanted, acts)] = asked
    assert acts is roll_back
    assert wanted == following.Wanted(
        owner=Owner(remedies=PulumiRemedies, advice=PULUMI, apply=("pulumi up",)),
        cluster=KNOWN["cluster"],
        service="web",
        definition=KNOWN["definition"],
        page=Chosen("https://shop.example/", "200"),
        region="eu-west-1",
    )


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("The image is not in ECR", "^The image is not in ECR$"),
        (NoService(t("Cluster goods has no service")), "^Cluster goods has no service$"),
        (
            AwsProblem("denied", t("no right"), t("ask")),
            "it is not known whether storefront:7 runs(.|\n)*no right",
        ),
        (ZeroDivisionError("division"), "the roll-out gate itself failed: ZeroDivisionError"),
    ],
)
def test_all_else_makes_it_red(logged, ends, end, said):
    ends(end)
    with pytest.raises(gate.RolloutFailed, match=said):
        until_ended()


def test_service_that_is_no_part_of_the_update_is_not_followed(logged, ends):
    assert until_ended(known=None) is False
    assert (logged, ends("")) == (
        ["the service is not part of this update, so its roll-out was not checked"],
        [],
    )


def test_preview_follows_nothing(monkeypatch):
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    gate.follow(None, page="https://shop.example/")
