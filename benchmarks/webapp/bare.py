"""The least that a WSGI server can serve: what the app's rate is compared with."""


def app(_environ, start_response):  # type: ignore[no-untyped-def]
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
