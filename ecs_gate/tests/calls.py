"""What AWS's calls in a file make: each a service, an operation, parameters, and the ids that it names."""

import json

import jmespath


def make(client, file, made, **names):
    """Make what the calls of a file make; the ids that it names become attributes of ``made``.

    In parameters ``$name`` stands for an attribute, and ``{name}`` for one of ``names``.
    """

    def filled(value):
        match value:
            case str() if value.startswith("$"):
                return getattr(made, value.removeprefix("$"))
            case str():
                return value.format(**names)
            case list():
                return [filled(member) for member in value]
            case dict():
                return {key: filled(each) for key, each in value.items()}
        return value

    for service, operation, params, *kept in json.loads(file.read_text()):
        answer = getattr(client(service), operation)(**filled(params))
        for name, path in (kept[0] if kept else {}).items():
            setattr(made, name, jmespath.search(path, answer))
