"""Hooks into moto: functions that run before, after or instead of an API call."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import DataNotFoundError
from moto.backends import get_backend
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_pagination_model, get_service_model

from local_cloud.aws import forms, models

if TYPE_CHECKING:
    from botocore.credentials import Credentials

    from local_cloud.aws.iam import TaskRole

log = logging.getLogger(__name__)
FILTER = re.compile("filter '.*?'")
"""What moto says of a filter that it lacks."""
LACKING = {("service-quotas", "ListServiceQuotas")}
"""Calls that moto answers otherwise than AWS. They are refused by name."""
READS = ("Describe", "Get", "List")
"""How the operations begin that change no service's state."""
PAGE = "page-"
"""How the tokens begin that name the first item of the next page."""
Params = dict[str, Any]
Call = tuple[str, str]
Before = Callable[[Params], None]
Broken = Callable[[Params], object]
"""Returns the value that breaks a rule, which stands for ``{}`` in the words; a false one where none does."""
Row = tuple[str, str, Broken]
"""One rule of AWS: the code of its error, the words, and when it is due."""
Refusals = Mapping[str, tuple[Row, ...]]
"""The rules of a service and its operations, which stand in one word each. Their source is the operation's API
reference, which documents no message, where no other is named."""
H = TypeVar("H", bound=Callable[..., Any])

ACCOUNT = "123456789012"
GLOBAL = ("iam", "route53", "s3", "sts")
LOCK = threading.RLock()
"""Held during every API call, since moto has no lock. Hold it for every change of moto's state."""


class Refused(Exception):
    """The call breaks one of AWS's rules. ``code`` and ``message`` are those of the error response."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


Instead = Callable[[Params], "Params"]
Handler = Callable[[Params], Any]


@dataclass
class Registry:
    """The hooks of each call, and the region whose backends the rehearsal reads.

    ``keys`` has the keys that this local cloud gave by itself. ``callers`` has those of them whose calls are checked
    against IAM policies. All others may call everything. ``changes`` counts the calls of each service that may have
    changed its state, also those that failed.
    """

    before: dict[Call, list[Before]]
    instead: dict[Call, Instead]
    after: dict[Call, list[Before]]
    callers: dict[str, TaskRole]
    keys: dict[str, Credentials]
    changes: Counter[str]
    region: str = "ap-northeast-1"


registry = Registry({}, {}, {}, {}, {}, Counter())


def _marker(kind: str, service: str, action: str) -> Callable[[H], H]:
    def mark(handler: H) -> H:
        handler.__dict__.setdefault("hooks", []).append((kind, (service, action)))
        return handler

    return mark


before = partial(_marker, "before")
"""Mark a function that runs before moto's and may raise ``Refused``. ``register`` makes it do so."""
after = partial(_marker, "after")
"""Mark a function that runs after moto's."""
instead = partial(_marker, "instead")
"""Mark a function that answers instead of moto, with a dictionary in botocore's shape."""


def register(*modules: ModuleType) -> None:
    """Hook the rows of modules' ``REFUSALS`` into the calls, then their marked functions.

    A second time changes nothing.
    """
    for module in modules:
        for calls, rows in getattr(module, "REFUSALS", {}).items():
            service, *operations = calls.split()
            for operation in operations:
                _add("before", (service, operation), refusing(rows))
        for handler in [each for each in vars(module).values() if isinstance(each, FunctionType)]:
            for kind, call in getattr(handler, "hooks", ()):
                if handler.__module__ == module.__name__:
                    _add(kind, call, handler)


@cache
def refusing(rows: tuple[Row, ...]) -> Before:
    """Return the hook that raises ``Refused`` for the first of the rules that a call breaks.

    A rule that finds no record of what the call names, a KeyError, is not broken: moto refuses the name.
    """

    def look(given: Params) -> None:
        for code, words, broken in rows:
            with suppress(KeyError):
                if value := broken(given):
                    raise Refused(code, words.format(value))

    return look


def number_outside(given: Params, name: str, low: int, high: int) -> str | None:
    """Return a parameter that is not in its range; None for one that is, or is not given."""
    value = given.get(name)
    return str(value) if value is not None and not low <= int(value) <= high else None


def twice(values: Iterable[Any]) -> Any:
    """Return the first value that occurs more than once; None for none."""
    return next((value for value, count in Counter(values).items() if count > 1), None)


def other_than(pattern: str, value: object) -> str | None:
    """Return a value that does not have this form; None for one that has, or is not given."""
    fits = value is None or re.fullmatch(pattern, str(value), re.DOTALL)
    return None if fits else str(value) or "-"


def _add(kind: str, call: Call, handler: Handler) -> None:
    if kind == "instead":
        if registry.instead.setdefault(call, handler) is not handler:
            raise ValueError(f"{':'.join(call)} is already answered by another hook")
        return
    handlers = (registry.before if kind == "before" else registry.after).setdefault(call, [])
    if handler not in handlers:
        handlers.append(handler)


def backend(service: str) -> Any:
    """Return moto's state of one service in the rehearsal's account and region, or its global state."""
    region = "aws" if service in GLOBAL else registry.region
    return _backends(service)[ACCOUNT][region]


_backends = cache(get_backend)  # moto looks for the module each time.


def service_error(service: str, code: str, message: str) -> ServiceException:
    """Return an error that moto serializes by ``service``'s model, which moto finds by the module's name."""
    module = f"moto.{service.replace('-', '')}.exceptions"
    kind = type("RehearsalError", (ServiceException,), {"__module__": module})
    error: ServiceException = kind(code, message)
    return error


_call_action, _serialized = BaseResponse.call_action, BaseResponse.serialized


@cache
def _pagination(service: str) -> Mapping[str, Any]:
    """Return botocore's rules of a service's pages by operation."""
    with suppress(DataNotFoundError):
        return get_pagination_model(service)
    return {}


def _paged(self: BaseResponse, answer: ActionResult) -> Any:
    """Serialize one page of an answer, of the size that the request asks for; moto often answers with all items."""
    rule = _pagination(str(self.boto3_service_name)).get(self._get_action()) or {}
    found, key, more = answer.result, rule.get("result_key"), rule.get("output_token")
    items = found.get(key) if isinstance(found, dict) and isinstance(key, str) else None
    if isinstance(found, dict) and isinstance(items, list) and isinstance(more, str):
        params = _botocore_shaped(getattr(self, "params", {}))
        token = str(params.get(rule["input_token"]) or "")
        begin = int(token.removeprefix(PAGE)) if token.startswith(PAGE) else 0
        end = begin + int(params.get(rule.get("limit_key")) or len(items))
        if (begin or end < len(items)) and not found.get(more):
            rest = {more: f"{PAGE}{end}"} if end < len(items) else {}
            answer = ActionResult(found | {key: items[begin:end]} | rest)
    return _serialized(self, answer)


def _hooked(self: BaseResponse) -> Any:
    call = (str(self.boto3_service_name), self._get_action())
    with LOCK:
        try:
            _judge(self, call[1])
            return _answer(self, call)
        except ServiceException as refused:
            problem = refused
        except Refused as refused:
            problem = service_error(call[0], refused.code, refused.message)
        except NotImplementedError as lacking:
            words = f"the rehearsal does not implement {call[0]}:{call[1]}"
            if found := FILTER.search(str(lacking)):
                words += f" with the {found[0]}"
            problem = service_error(call[0], "UnsupportedOperation", words)
        except Exception as bug:
            # moto would answer with an HTML page, which a client cannot parse as XML.
            log.exception("%s:%s failed", *call)
            words = f"the local cloud's {call[0]}:{call[1]} failed: {type(bug).__name__}: {bug}"
            problem = service_error(call[0], "InternalFailure", words)
        finally:
            if not call[1].startswith(READS):
                registry.changes[call[0]] += 1
        return _refusal(self, problem)


def _refusal(response: BaseResponse, problem: ServiceException) -> Any:
    with warnings.catch_warnings():
        # AWS also answers with codes that its models do not list.
        warnings.filterwarnings("ignore", message=".*does not match an error shape")
        status, headers, body = response.serialized(ActionResult(problem))
    headers["status"] = status
    return status, headers, body


def _judge(response: BaseResponse, action: str) -> None:
    caller = registry.callers.get(response.get_access_key())
    if caller is not None:
        # The credential's scope: KEY/DATE/REGION/SERVICE/aws4_request (Signature Version 4).
        service = response.headers["Authorization"].split(",")[0].split("/")[3]
        response.parse_parameters(response.normalized_request)
        caller.check(service, action, _botocore_shaped(response.params))


def _answer(response: BaseResponse, call: Call) -> Any:
    response.parse_parameters(response.normalized_request)
    params: Params = _botocore_shaped(response.params)
    judge(call, params)
    if call in LACKING:
        raise NotImplementedError
    if call in registry.instead:
        return response.serialized(ActionResult(registry.instead[call](params)))
    answer = _call_action(response)
    failed = isinstance(answer, tuple) and isinstance(answer[0], int) and answer[0] >= 400
    if not failed:
        for act in registry.after.get(call, []):
            act(params)
    elif get_service_model(call[0]).protocol == "json" and answer[0] < 500:
        # AWS's JSON protocol refuses with 400, moto in places with 404 (Secrets Manager).
        return 400, {**answer[1], "status": "400"}, answer[2]
    return answer


def check(call: Call, params: Params) -> None:
    """Raise ``Refused`` if the parameters break botocore's model, or have another form than the API reference says."""
    if (words := models.problem(*call, params)) is not None:
        raise Refused(models.code(*call), words)
    if (problem := forms.problem(*call, params)) is not None:
        raise Refused(*problem)


def judge(call: Call, params: Params) -> None:
    """Raise ``Refused`` if the parameters break any rule, and do what comes before the call."""
    check(call, params)
    for look in registry.before.get(call, []):
        look(params)


def _botocore_shaped(value: Any) -> Any:
    """Return parameters with botocore's names: moto's RDS parser writes those of some mappings in snake case."""
    if hasattr(value, "original_dict"):
        value = value.original_dict()
    if isinstance(value, Mapping):
        return {key: _botocore_shaped(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_botocore_shaped(member) for member in value]
    return value


def perform(service: str, action: str, params: Params) -> Params:
    """Return the answer to a call that AWS makes itself, for which there is an ``instead``. Raises Refused."""
    call = (service, action)
    with LOCK:
        judge(call, params)
        answer = registry.instead[call](params)
        for act in registry.after.get(call, []):
            act(params)
        return answer


def install() -> None:
    """Install the hooks in moto. A second call changes nothing."""
    BaseResponse.call_action = _hooked  # type: ignore[method-assign]
    BaseResponse.serialized = _paged  # type: ignore[assignment, method-assign]


class Hooking:
    """The hooks and patches that one data plane has installed, so that it can remove them."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def after(self, service: str, action: str, handler: Handler) -> None:
        _add("after", (service, action), handler)
        self._undo.append(lambda: registry.after[service, action].remove(handler))

    def instead(self, service: str, action: str, handler: Handler) -> None:
        """Make a function answer instead of moto."""
        _add("instead", (service, action), handler)
        self._undo.append(lambda: registry.instead.pop((service, action), None) and None)

    def patch(self, owner: type | ModuleType, name: str, value: object) -> None:
        """Replace an attribute of one of moto's classes or modules."""
        original = owner.__dict__[name]
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, original))

    def remove(self) -> None:
        """Remove all hooks and patches. A second call changes nothing."""
        with LOCK:
            while self._undo:
                self._undo.pop()()
