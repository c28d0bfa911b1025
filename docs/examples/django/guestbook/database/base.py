"""PostgreSQL with a password that RDS changes every 7 days: when it is refused, the secret is read again."""

import json
import os

import boto3
from django.db.backends.postgresql import base
from django.db.utils import OperationalError


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params):
        with self.wrap_database_errors:
            try:
                return super().get_new_connection(conn_params)
            except (OperationalError, base.Database.OperationalError):
                secrets = boto3.client("secretsmanager")
                secret = secrets.get_secret_value(SecretId=os.environ["DB_SECRET_ARN"])
                password = json.loads(secret["SecretString"])["password"]
                return super().get_new_connection({**conn_params, "password": password})
