"""The summary of a failed deploy comes from the doctor, who looks by the deploy's own role."""

from botocore.client import BaseClient

from ops.doctor.diagnose import diagnose
from stack.names import StackNames
from tests.support.delivery import Delivery, arn, iam
from tests.support.iam_policies import Call, allowed, calls_of


def test_the_deploy_role_lets_the_doctor_see_all_that_it_looks_at(stack, folder, monkeypatch):
    asked, original = [], BaseClient._make_api_call
    role = iam("role/careapp-delivery-poc")

    def recorded(client, operation, params):
        asked.extend(calls_of(client.meta.service_model.service_name, operation, params, role))
        return original(client, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", recorded)
    diagnose(StackNames.of("poc"), stack.session, folder=folder)
    # This stack has neither a certificate nor a log that is longer than what is read of it.
    group = arn("logs", f"log-group:{StackNames.of('poc').log_group}")
    asked += [
        Call("acm:DescribeCertificate", arn("acm", "certificate/1")),
        Call("logs:FilterLogEvents", group),
    ]
    documents = Delivery.of("poc").deploy
    assert len({call.action for call in asked}) > 20
    assert sorted({call.action for call in asked if not allowed(documents, call)}) == []
