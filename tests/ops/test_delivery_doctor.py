"""The summary of a failed deploy comes from the doctor, who looks by the deploy's own role."""

from botocore.client import BaseClient

from ops.delivery import deploying
from ops.doctor import diagnose
from ops.names import StackNames
from tests.ops.delivery import ACCOUNT, KEY
from tests.support.iam_policies import UNKNOWN, Call, action, allowed


def test_the_deploy_role_lets_the_doctor_see_all_that_it_looks_at(stack, folder, monkeypatch):
    asked, original = set(), BaseClient._make_api_call

    def recorded(client, operation, params):
        service = client.meta.service_model.service_name
        name = params.get("RoleName")
        resource = ACCOUNT.iam(f"role/{name}") if name else UNKNOWN
        asked.add(Call(action(service, operation), resource))
        return original(client, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", recorded)
    diagnose(StackNames.of("poc"), stack.session, folder=folder)
    # This stack has neither a certificate nor a log that is longer than what is read of it.
    group = ACCOUNT.arn("logs", f"log-group:{StackNames.of('poc').log_group}:*")
    asked |= {Call("acm:DescribeCertificate", UNKNOWN), Call("logs:FilterLogEvents", group)}
    documents = list(deploying.documents(ACCOUNT, KEY, "poc").values())
    assert len(asked) > 20
    assert sorted(call.action for call in asked if not allowed(documents, call)) == []
