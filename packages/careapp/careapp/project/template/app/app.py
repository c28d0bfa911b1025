"""A page that counts its visits in the database, and the health check, which does not ask it."""

import json
import os

import boto3
import psycopg
from flask import Flask, render_template

app = Flask(__name__)


def connect() -> psycopg.Connection:
    """Connect to the database. RDS changes the password every 7 days: then the secret is read again."""
    place = {name: os.environ[f"DB_{name.upper()}"] for name in ("host", "port", "user")}
    place |= {"dbname": os.environ["DB_NAME"], "connect_timeout": "3"}
    try:
        return psycopg.connect(**place, password=os.environ["DB_PASSWORD"])
    except psycopg.OperationalError as problem:
        if "authentication failed" not in str(problem):
            raise
        secrets = boto3.client("secretsmanager")
        secret = secrets.get_secret_value(SecretId=os.environ["DB_SECRET_ARN"])["SecretString"]
        return psycopg.connect(**place, password=json.loads(secret)["password"])


@app.cli.command()
def init_db() -> None:
    """Create the table; `deployCommand` runs this once before each new version."""
    with connect() as database:
        database.execute("CREATE TABLE IF NOT EXISTS visits (at timestamptz DEFAULT now())")


@app.get("/health")
def health() -> str:
    return "ok"


@app.get("/")
def home() -> str:
    with connect() as database:
        database.execute("INSERT INTO visits DEFAULT VALUES")
        [visits] = database.execute("SELECT count(*) FROM visits").fetchone()
    return render_template("home.html", visits=visits, version=os.environ.get("APP_VERSION"))
