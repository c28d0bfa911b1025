"""A Flask app for the stack: what it must read, and what it must answer."""

import json
import os

import boto3
import psycopg
from flask import Flask, session

from flaskr import pictures


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
    app.secret_key = os.environ["SECRET_KEY"]  # appSecrets
    greeting = os.environ["GREETING"]  # appVariables
    if "UPLOADS_BUCKET" in os.environ:  # uploadsEnabled
        app.register_blueprint(pictures.views)

    @app.get("/up")
    def up():
        return "up"  # healthPath: without the database, which may be away

    @app.get("/")
    def index():
        session["visits"] = session.get("visits", 0) + 1
        with connect() as database:
            version = database.execute("SHOW server_version").fetchone()[0]
        return f"{greeting}: visit {session['visits']}, PostgreSQL {version}\n"

    return app
