"""Static files under names that carry their content's hash, so that they may be kept for ever."""

import hashlib
import re
from pathlib import Path

from flask import Blueprint, Response, abort

FOLDER = Path(__file__).with_name("static")
FOR_EVER = "public, max-age=31536000, immutable"
HASHED = re.compile(r"(?P<stem>[^.]+)\.[0-9a-f]{16}(?P<suffix>\.[a-z]+)")
TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png"}


class StaticFiles:
    """The files of a folder, held in memory: they are few and small."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._names: dict[str, str] = {}
        self._files: dict[str, tuple[bytes, str]] = {}
        for path in folder.iterdir():
            if path.suffix in TYPES:
                content = path.read_bytes()
                digest = hashlib.sha256(content).hexdigest()[:16]
                self._names[path.name] = f"{path.stem}.{digest}{path.suffix}"
                self._files[self._names[path.name]] = (content, TYPES[path.suffix])

    def url(self, name: str) -> str:
        """The path of a file. Raises KeyError if there is none of that name."""
        return f"/static/{self._names[name]}"

    def blueprint(self) -> Blueprint:
        """The route that serves them."""
        blueprint = Blueprint("statics", __name__)
        blueprint.add_url_rule("/static/<name>", "file", self.serve)
        return blueprint

    def serve(self, name: str) -> Response:
        """A file by its full name; its plain name is not found.

        During a roll-out another version's page may ask this one for a file by another hash. It gets
        what there is; only what has its own hash may be kept.
        """
        if name in self._files:
            return self._response(name, {"Cache-Control": FOR_EVER})
        other = HASHED.fullmatch(name)
        ours = self._names.get(other["stem"] + other["suffix"]) if other else None
        if ours is None:
            abort(404)
        return self._response(ours, {})

    def _response(self, name: str, headers: dict[str, str]) -> Response:
        content, content_type = self._files[name]
        return Response(content, content_type=content_type, headers=headers)
