"""A Flask app in the layout of cookiecutter-flask: supervisor runs gunicorn, and npm builds the style sheet."""

import json
import os

import boto3
import psycopg
from flask import Flask, render_template


def connect():
    """Connect to the database. RDS changes the password every 7 days: then the secret is read again."""
    place = {name: os.environ[f"DB_{name.upper()}"] for name in ("host", "port", "user")}
    place["dbname"] = os.environ["DB_NAME"]
    try:
        return psycopg.connect(**place, password=os.environ["DB_PASSWORD"], connect_timeout=5)
    except psycopg.OperationalError:
        secrets = boto3.client("secretsmanager")
        secret = secrets.get_secret_value(SecretId=os.environ["DB_SECRET_ARN"])["SecretString"]
        return psycopg.connect(**place, password=json.loads(secret)["password"], connect_timeout=5)


def create_app():
    app = Flask(__name__)

    @app.get("/up")
    def up():
        return "up"  # healthPath: without the database, which may be away

    @app.get("/")
    def index():
        with connect() as database:
            version = database.execute("SHOW server_version").fetchone()[0]
        return render_template("index.html", version=version)

    return app
