"""Operations to which moto has no address, and services that it cannot load here, such as CloudFormation.

moto's server would answer them with an HTML page, which no client of AWS can read.
"""

from contextlib import suppress
from typing import Any

from flask import Flask
from moto.core.responses import BaseResponse
from moto.core.utils import convert_to_flask_response
from moto.moto_server import threaded_moto_server
from moto.moto_server.werkzeug_app import BackendRequest, create_backend_app

METHODS = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]


def install() -> None:
    """Answer such calls by their hooks, or with AWS's error UnsupportedOperation. A second call changes nothing."""
    threaded_moto_server.create_backend_app = create  # type: ignore[attr-defined]


def create(service: Any) -> Flask:
    """Return moto's application of the service, if it has one, with all other addresses."""

    class Absent(BaseResponse):
        def __init__(self) -> None:
            super().__init__(service_name=service)

    application = Flask(__name__)
    application.request_class = BackendRequest
    with suppress(ImportError):
        application = create_backend_app(service)
    answer = convert_to_flask_response(Absent.dispatch)
    for rule in ("/", "/<path:path>"):
        application.add_url_rule(rule, rule, answer, methods=METHODS)
    return application
