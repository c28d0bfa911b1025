"""One choke point through which every call to the AWS API passes, and where the rehearsal adds to moto."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from moto.backends import get_backend
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

log = logging.getLogger(__name__)
Params = dict[str, Any]
Call = tuple[str, str]
Before = Callable[[Params], None]
H = TypeVar("H", bound=Callable[..., Any])

ACCOUNT = "123456789012"
GLOBAL = ("iam", "route53", "s3")
LOCK = threading.RLock()
"""Held around every API call; moto itself takes none. Hold it around every change to moto's state."""


class Refused(Exception):
    """The call breaks one of AWS's rules. ``code`` and ``message`` are what the caller is told."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


Instead = Callable[[Params], "Params"]
Caller = Callable[[str, str, "Params"], None]
"""Judges a call of one access key by the service's name in IAM, the action and the parameters.

Raises ``Refused``.
"""


@dataclass
class Registry:
    """What is hooked to which call, and the region whose backends the rehearsal looks into.

    ``callers`` are the access keys whose calls are judged; all others may do everything.
    """

    before: dict[Call, list[Before]]
    instead: dict[Call, Instead]
    after: dict[Call, list[Before]]
    unsupported: set[Call]
    callers: dict[str, Caller]
    region: str = "ap-northeast-1"


registry = Registry({}, {}, {}, set(), {})


def before(service: str, action: str) -> Callable[[H], H]:
    """Look at a call before moto does; raise ``Refused`` to refuse it."""
    return _adder(registry.before, (service, action))


def after(service: str, action: str) -> Callable[[H], H]:
    """Act on a call that moto has carried out."""
    return _adder(registry.after, (service, action))


def instead(service: str, action: str) -> Callable[[H], H]:
    """Answer a call in moto's place, with a dictionary in botocore's shape."""

    def add(handler: H) -> H:
        if (service, action) in registry.instead:
            raise ValueError(f"{service}:{action} is already answered by another hook")
        registry.instead[service, action] = handler
        return handler

    return add


def _adder(table: dict[Call, list[Before]], call: Call) -> Callable[[H], H]:
    def add(handler: H) -> H:
        table.setdefault(call, []).append(handler)
        return handler

    return add


def backend(service: str) -> Any:
    """moto's state of one service, in the rehearsal's account and region; that of some is global."""
    region = "aws" if service in GLOBAL else registry.region
    return get_backend(service)[ACCOUNT][region]  # type: ignore[call-overload]


def service_error(service: str, code: str, message: str) -> ServiceException:
    """An error that moto serializes by ``service``'s own model, which it finds by the module's name."""
    module = f"moto.{service.replace('-', '')}.exceptions"
    kind = type("RehearsalError", (ServiceException,), {"__module__": module})
    error: ServiceException = kind(code, message)
    return error


_call_action = BaseResponse.call_action


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
        except NotImplementedError:
            registry.unsupported.add(call)
            words = f"the rehearsal does not implement {call[0]}:{call[1]}"
            problem = service_error(call[0], "UnsupportedOperation", words)
        except Exception as bug:
            # moto would answer an HTML page, of which a client can only say that it is no XML.
            log.exception("%s:%s failed", *call)
            words = f"the rehearsal's {call[0]}:{call[1]} failed: {type(bug).__name__}: {bug}"
            problem = service_error(call[0], "InternalFailure", words)
        return _refusal(self, problem)


def _refusal(response: BaseResponse, problem: ServiceException) -> Any:
    with warnings.catch_warnings():
        # AWS, too, answers codes that its models do not list.
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
        caller(service, action, _botocore_shaped(response.params))


def _answer(response: BaseResponse, call: Call) -> Any:
    hooked = call in registry.before or call in registry.instead or call in registry.after
    if not hooked:
        return _call_action(response)
    response.parse_parameters(response.normalized_request)
    params: Params = _botocore_shaped(response.params)
    for look in registry.before.get(call, []):
        look(params)
    if call in registry.instead:
        return response.serialized(ActionResult(registry.instead[call](params)))
    answer = _call_action(response)
    if not _failed(answer):
        for act in registry.after.get(call, []):
            act(params)
    return answer


def _botocore_shaped(value: Any) -> Any:
    """moto's RDS parser gives mappings that list their keys in snake case."""
    if hasattr(value, "original_dict"):
        value = value.original_dict()
    if isinstance(value, Mapping):
        return {key: _botocore_shaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_botocore_shaped(each) for each in value]
    return value


def _failed(answer: Any) -> bool:
    return isinstance(answer, tuple) and isinstance(answer[0], int) and answer[0] >= 400


def install() -> None:
    """Put the hooks into moto. Calling it twice does nothing more."""
    BaseResponse.call_action = _hooked  # type: ignore[method-assign]


Handler = Callable[[Params], Any]


class Hooking:
    """What one data plane has put into the shared registry and into moto's classes."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def before(self, service: str, action: str, handler: Handler) -> None:
        """Look at a call before moto does."""
        self._add(registry.before, (service, action), handler)

    def after(self, service: str, action: str, handler: Handler) -> None:
        """Act on a call that moto has carried out."""
        self._add(registry.after, (service, action), handler)

    def instead(self, service: str, action: str, handler: Handler) -> None:
        """Answer a call in moto's place."""
        instead(service, action)(handler)
        self._undo.append(lambda: registry.instead.pop((service, action), None) and None)

    def patch(self, owner: type, name: str, value: object) -> None:
        """Replace an attribute of one of moto's classes."""
        original = owner.__dict__[name]
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, original))

    def remove(self) -> None:
        """Take everything out again; a second call does nothing."""
        with LOCK:
            while self._undo:
                self._undo.pop()()

    def _add(self, table: dict[Call, list[Before]], call: Call, handler: Handler) -> None:
        table.setdefault(call, []).append(handler)
        self._undo.append(lambda: table[call].remove(handler))
