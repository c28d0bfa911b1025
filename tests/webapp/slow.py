"""A Flask app behind the front of careapp, whose pages wait: for a time, or for the request's body."""

import time

from flask import Flask, request

from webapp.front import Front


def create_front() -> Front:
    app = Flask(__name__)

    @app.route("/")
    def slow() -> str:
        time.sleep(1.5)
        return "slow"

    @app.post("/body")
    def body() -> str:
        return str(len(request.get_data()))

    return Front(app, close=lambda: None)
