"""The centre, as a store's agent reaches it: five requests, all outwards, each by the agent's token."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

from app.camera_agents import AgentOrders
from events.errors import ConfigError, TransientError
from storage.cameras.agents import AgentReport
from video.messages import VisitorAsked, VisitorNamed, encode_message, encode_some

CONNECTS_WITHIN_S: Final = 5.0
ANSWERS_WITHIN: Final = httpx.Timeout(30.0, connect=CONNECTS_WITHIN_S)
NAMES_WITHIN: Final = httpx.Timeout(0.6, connect=0.4)
"""A verdict does not wait for longer; connecting is seldom needed, as the connection stays open."""
KEPT_OPEN_S: Final = 25.0
SILENT_FOR_S: Final = 30.0
"""A stream that says nothing for so long, not even that it is there, is cut off and begun anew."""
NEVER: Final[dict[int, str]] = {
    httpx.codes.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    httpx.codes.FORBIDDEN: "foreign_camera",
    httpx.codes.UNPROCESSABLE_ENTITY: "bad_message",
}
HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class CentreAway(TransientError):
    """The centre cannot be reached, or takes nothing now; `retry_after_s` is what it asked for."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class TokenRefused(TransientError):
    """The centre does not know the token, or it was revoked; a new one may be put in its place."""


class NeverTaken(Exception):
    """The centre will not take these messages, however often they are sent."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the centre's stream."""

    event: str
    data: str
    event_id: str | None


class Centre:
    """One connection to the centre; each thread has its own."""

    def __init__(self, address: str, token: Callable[[], str]) -> None:
        """Args: `token` is read anew for each request. Raises: ConfigError for an address that no token may go to."""
        self._token = token
        self._client = httpx.Client(
            base_url=checked_address(address),
            timeout=ANSWERS_WITHIN,
            limits=httpx.Limits(keepalive_expiry=KEPT_OPEN_S),
        )

    def close(self) -> None:
        """The connection is closed."""
        self._client.close()

    def orders(self) -> AgentOrders:
        """Returns what to look through, and how. Raises: CentreAway, TokenRefused."""
        try:
            return msgspec.json.decode(self._ask("GET", "/v1/cameras").content, type=AgentOrders)
        except msgspec.MsgspecError as error:
            raise CentreAway(f"the centre's answer is not understood: {error}") from error

    def send(self, messages: Sequence[bytes]) -> None:
        """Afterwards the centre has the messages. Raises: CentreAway, TokenRefused, NeverTaken."""
        headers = {"Content-Type": "application/msgpack"}
        self._ask("POST", "/v1/cameras/messages", content=encode_some(messages), headers=headers)

    def report(self, report: AgentReport) -> None:
        """The centre has heard how this agent is. Raises: CentreAway, TokenRefused, NeverTaken."""
        headers = {"Content-Type": "application/json"}
        self._ask("POST", "/v1/cameras/report", content=msgspec.json.encode(report), headers=headers)

    def name_visitor(self, asked: VisitorAsked) -> VisitorNamed:
        """Returns who a visitor is, within a second. Raises: CentreAway, also where it will never say; TokenRefused."""
        headers = {"Content-Type": "application/msgpack"}
        try:
            answer = self._ask(
                "POST", "/v1/cameras/visitor", content=encode_message(asked), headers=headers, timeout=NAMES_WITHIN
            )
            return msgspec.msgpack.decode(answer.content, type=VisitorNamed)
        except (NeverTaken, msgspec.MsgspecError) as error:
            raise CentreAway(f"no visitor: {error}") from error

    @contextmanager
    def stream(self, last_event_id: str | None) -> Iterator[Iterator[Told]]:
        """Opens the stream of swipes, to go on after an id. Raises: CentreAway, TokenRefused."""
        headers = self._headers() | ({} if last_event_id is None else {"Last-Event-ID": last_event_id})
        timeout = httpx.Timeout(SILENT_FOR_S, connect=CONNECTS_WITHIN_S)
        try:
            with self._client.stream("GET", "/v1/cameras/swipes", headers=headers, timeout=timeout) as answer:
                if not answer.is_success:
                    answer.read()
                    _check(answer)
                yield messages(answer.iter_lines())
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise CentreAway(f"{type(error).__name__}: {error}") from error

    def _ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: httpx.Timeout = ANSWERS_WITHIN,
    ) -> httpx.Response:
        headers = self._headers() | (headers or {})
        try:
            answer = self._client.request(method, path, content=content, headers=headers, timeout=timeout)
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise CentreAway(f"{type(error).__name__}: {error}") from error
        _check(answer)
        return answer

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}


def checked_address(address: str) -> str:
    """Returns the centre's address. Raises: ConfigError unless it is https, or this very machine's."""
    parts = urlsplit(address)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)
    if not is_safe or not parts.hostname or parts.username or parts.password:
        shown = f"{parts.scheme}://{parts.hostname}"
        raise ConfigError(
            "command line", "--to", shown, "https://HOST[:PORT] of the centre; http to this machine alone"
        )
    return address.rstrip("/")


def messages(lines: Iterator[str]) -> Iterator[Told]:
    """Yields the messages of a stream of server-sent events; comments and empty ones are left out."""
    event, data, event_id = "", [], None  # type: str, list[str], str | None
    for line in lines:
        if not line:
            if data:
                yield Told(event=event, data="\n".join(data), event_id=event_id)
            event, data, event_id = "", [], None
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            event_id = value


def _check(answer: httpx.Response) -> None:
    """Raises: CentreAway, TokenRefused or NeverTaken unless the centre has done what it was asked."""
    if answer.is_success:
        return
    problem = f"HTTP {answer.status_code}"
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise TokenRefused("the centre does not take the token")
    code = NEVER.get(answer.status_code)
    if code is not None and code == _code_of(answer):
        raise NeverTaken(f"{problem}: {code}")
    raise CentreAway(problem, _seconds(answer.headers.get("Retry-After", "")))


def _code_of(answer: httpx.Response) -> str | None:
    """Returns why our own centre refuses; what stands between says something else, and may think better of it."""
    try:
        return str(msgspec.json.decode(answer.content)["error"]["code"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return None


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 0.0
