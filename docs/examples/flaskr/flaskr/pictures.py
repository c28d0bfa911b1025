"""Pictures in the stack's bucket (uploadsEnabled): a form stores them, the page shows them."""

import os
import uuid
from functools import cache

import boto3
from flask import Blueprint, Response, abort, redirect, render_template_string, request, url_for

KINDS = {"image/gif", "image/jpeg", "image/png", "image/webp"}
LARGEST = 5_000_000
"""In bytes. A task of 512 MiB reads several at the same time."""
PAGE = """<!doctype html>
<title>Pictures</title>
<form method="post" enctype="multipart/form-data">
  <input type="file" name="picture" accept="image/*" required>
  <button>Keep it</button>
</form>
{% for name in names %}<img src="{{ url_for('pictures.show', name=name) }}" alt="{{ name }}" width="200">{% endfor %}
"""

views = Blueprint("pictures", __name__, url_prefix="/pictures")


@cache
def s3():
    """Make the client once. ECS tells it the region, and gives it the task role's credentials, which change."""
    return boto3.client("s3")


def place(name=""):
    return {"Bucket": os.environ["UPLOADS_BUCKET"], **({"Key": f"pictures/{name}"} if name else {})}


@views.get("/")
def index():
    found = s3().list_objects_v2(**place(), Prefix="pictures/", MaxKeys=50).get("Contents", [])
    return render_template_string(PAGE, names=[each["Key"].rpartition("/")[2] for each in found])


@views.post("/")
def keep():
    request.max_content_length = LARGEST
    picture = request.files["picture"]
    if picture.mimetype not in KINDS:
        abort(415)
    # Not the name that a browser sends: it can be any text, and another picture's.
    s3().upload_fileobj(
        picture.stream, *place(str(uuid.uuid4())).values(), {"ContentType": picture.mimetype}
    )
    return redirect(url_for("pictures.index"))


@views.get("/<uuid:name>")
def show(name):
    try:
        found = s3().get_object(**place(str(name)))
    except s3().exceptions.NoSuchKey:
        abort(404)
    answer = Response(found["Body"].iter_chunks(64_000), mimetype=found["ContentType"])
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
