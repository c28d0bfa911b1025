"""Controls of IAM, KMS and Secrets Manager."""

from __future__ import annotations

from tests.controls.control import Control, Elsewhere, Service, Wrong, said
from tests.controls.graph import Graph, Resource
from tests.controls.policies import Statement, open_to_all, statements

POLICY = "aws:iam/policy:Policy"
INLINE = ("aws:iam/rolePolicy:RolePolicy", "aws:iam/role:Role")
USER = ("aws:iam/user:User",)
SECRET = "aws:secretsmanager/secret:Secret"
INSTANCE = "aws:rds/instance:Instance"
ROTATION = "aws:secretsmanager/secretRotation:SecretRotation"
KEY = "aws:kms/key:Key"
ACCOUNT = "as it is the account's, and no stack here has users"
DECRYPTING = {"kms:*", "kms:decrypt", "kms:reencryptfrom", "kms:reencrypt*"}
RDS_DAYS = 7
"""How often RDS rotates the password that it manages (RDS User Guide, rds-secrets-manager)."""


def full_rights(policy: Resource, _: Graph) -> bool:
    return any("*" in one.actions and one.allows for one in statements(policy))


def whole_service(policy: Resource, _: Graph) -> bool:
    actions = [action for one in statements(policy) if one.allows for action in one.actions]
    return any(action.endswith(":*") or action == "*" for action in actions)


def decrypts_all(policy: Resource, _: Graph) -> bool:
    return any(_on_all_keys(one) for one in statements(policy))


def _on_all_keys(statement: Statement) -> bool:
    actions = {action.lower() for action in statement.actions}
    every = any(one == "*" or one.endswith(":key/*") for one in statement.resources)
    return statement.allows and every and bool(actions & {"*", *DECRYPTING})


def is_public(resource: Resource, _: Graph) -> bool:
    return any(open_to_all(one) for one in statements(resource))


def seldom_rotated(days: int) -> Wrong:
    """Of RDS: where it does not manage the password. Of others: without a rotation that often."""

    def wrong(resource: Resource, graph: Graph) -> bool:
        if resource.kind == INSTANCE:
            return said(resource, "manageMasterUserPassword") is not True or days < RDS_DAYS
        rotations = graph.pointing_at(resource, ROTATION, "secretId")
        every = [said(one, "rotationRules.automaticallyAfterDays", 999) for one in rotations]
        return not every or min(every) > days

    return wrong


def _all_policies(id_: str, title: str, wrong: Wrong) -> Control:
    """Security Hub judges customer managed policies; ours are inline, and judged as well."""
    kinds = (POLICY, *INLINE)
    return Control(id_, title, "IAM policy", kinds, wrong, lambda one: bool(statements(one)))


def _rotation(id_: str, title: str, days: int) -> Control:
    wrong = seldom_rotated(days)
    return Control(id_, title, "secret", (SECRET, INSTANCE), wrong)


IAM = Service(
    "IAM",
    "iam",
    (
        _all_policies("IAM.1", "No policy allows all actions", full_rights),
        Elsewhere("IAM.2", "Users have no policies of their own", ACCOUNT, USER),
        Elsewhere("IAM.3", "Access keys are rotated in 90 days", ACCOUNT, USER),
        Elsewhere("IAM.4", "The root user has no access key", ACCOUNT),
        Elsewhere("IAM.5", "Users with a password have MFA", ACCOUNT, USER),
        Elsewhere("IAM.6", "The root user has hardware MFA", ACCOUNT),
        Elsewhere(
            "IAM.7",
            "Users' passwords are strong",
            ACCOUNT,
            ("aws:iam/accountPasswordPolicy:AccountPasswordPolicy",),
        ),
        Elsewhere("IAM.8", "Unused credentials are removed", ACCOUNT, USER),
        _all_policies("IAM.21", "No policy allows all actions of a service", whole_service),
    ),
    ("iam",),
    "Security Hub judges customer managed policies; the stacks' policies are inline, and judged all the same.",
)

KMS = Service(
    "KMS",
    "kms",
    (
        Control(
            "KMS.1",
            "Managed policies do not allow decryption with all keys",
            "customer managed policy",
            (POLICY,),
            decrypts_all,
        ),
        Control(
            "KMS.2",
            "Inline policies do not allow decryption with all keys",
            "inline policy",
            INLINE,
            decrypts_all,
            lambda one: bool(statements(one)),
        ),
        Elsewhere(
            "KMS.3",
            "Keys are not scheduled for deletion",
            "as it is seen at run time only; a key goes with its stack, after its waiting time",
        ),
        Control("KMS.5", "Keys are not publicly accessible", "KMS key", (KEY,), is_public),
    ),
    ("kms",),
)

SECRETS = Service(
    "Secrets Manager",
    "secretsmanager",
    (
        _rotation("SecretsManager.1", "Secrets rotate by themselves", 366),
        Elsewhere(
            "SecretsManager.2",
            "Rotations succeed",
            "as it is seen at run time only; the app survives a rotation (tests/webapp/test_password_rotation.py)",
        ),
        Elsewhere(
            "SecretsManager.3",
            "Unused secrets are removed",
            "as it is seen at run time only; RDS removes its secret with the database",
        ),
        _rotation("SecretsManager.4", "Secrets rotate at least every 90 days", 90),
    ),
    ("secretsmanager",),
    "The one secret is the database's: RDS makes it and rotates it every 7 days. It is no resource of the stack: its "
    "instance is judged.",
)
