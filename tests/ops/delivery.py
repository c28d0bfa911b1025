"""What tests of the delivery share."""

import boto3

from ops.delivery.names import Account

ALIAS = "alias/careapp-delivery"
ACCOUNT = Account(number="123456789012", region="ap-northeast-1")
KEY = "arn:aws:kms:ap-northeast-1:123456789012:key/0f0f0f0f-0000-4000-8000-000000000000"


def client(service):
    return boto3.client(service, region_name=ACCOUNT.region)
