"""gunicorn's settings for a server that waits for nothing longer than half a second."""

import runpy
import struct

from webapp import peers, server

globals().update(runpy.run_path("webapp/gunicorn.conf.py"))
wsgi_app = "tests.webapp.slow:app"
peers.READING = server.HEAD = server.MAX_WAIT = 0.5
server.SENDING = struct.pack("ll", 0, 500_000)
