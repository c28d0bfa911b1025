"""What tests of the delivery share."""

import boto3

from ops.delivery.items import Delivery
from ops.delivery.names import Account, Repository

ALIAS = "alias/careapp-delivery"
ACCOUNT = Account(number="123456789012", region="ap-northeast-1")
KEY = "arn:aws:kms:ap-northeast-1:123456789012:key/0f0f0f0f-0000-4000-8000-000000000000"


def client(service):
    return boto3.client(service, region_name=ACCOUNT.region)


def of_stacks(*stacks):
    return Delivery(account=ACCOUNT, repository=Repository(name="octo-org/careapp"), stacks=stacks)
