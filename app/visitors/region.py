"""The visitors of a region, asked over HTTP: what parts of a cluster say to `swipewatch visitors`, and it to them.

Whoever asks and who answers share a secret. It never travels: questions and answers are sealed under a key made of it
(AES-256-GCM), so that no embedding is in clear on a line between machines, and whoever does not know it is neither
answered nor believed. An answer opens only for the question that it belongs to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import httpx
import msgspec

from app.configuration import Configuration, visitor_secret
from app.visitors.line import VisitorLine
from app.visitors.shared import NoFaces, NoVisitors, RegionMemory, SharedVisitors, VisitorsAway
from events.errors import ConfigError, TransientError
from video.messages import VisitorAsked, VisitorNamed
from video.sealing import Seal, SealBroken, seal_with
from web.visitor_questions import PATH

NAMES_WITHIN: Final = httpx.Timeout(0.5, connect=0.3)
DOES_WITHIN: Final = httpx.Timeout(10.0, connect=2.0)
KEPT_OPEN_S: Final = 25.0


class Forget(msgspec.Struct, frozen=True, kw_only=True, tag="forget"):
    """This visitor is to be unknown."""

    visitor_id: str


class Join(msgspec.Struct, frozen=True, kw_only=True, tag="join"):
    """These two are one."""

    kept_id: str
    gone_id: str


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """Whether there was anything to do; it is done."""

    is_done: bool


class NotDone(msgspec.Struct, frozen=True, kw_only=True, tag="not_done"):
    """Why nothing was done."""

    reason: str


Question = VisitorAsked | Forget | Join
Reply = VisitorNamed | Done | NotDone

_ENCODER = msgspec.msgpack.Encoder()
_QUESTION: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_REPLY: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


class Answering:
    """The answering end."""

    def __init__(self, visitors: SharedVisitors, secret: bytes) -> None:
        self._visitors, self._key = visitors, _key_of(secret)

    def answer(self, sealed: bytes) -> bytes | None:
        """Returns the sealed reply, None to somebody who does not know the secret or asks nothing."""
        try:
            question = _QUESTION.decode(_question_seal(self._key).unseal(sealed))
        except (SealBroken, msgspec.MsgspecError):
            return None
        return _reply_seal(self._key, sealed).seal(_ENCODER.encode(self._reply(question)))

    def _reply(self, question: Question) -> Reply:
        visitors = self._visitors
        try:
            match question:
                case VisitorAsked():
                    return visitors.ask(question)
                case Forget():
                    return Done(is_done=visitors.forget(question.visitor_id))
                case Join():
                    return Done(is_done=visitors.join(question.kept_id, question.gone_id))
        except (TransientError, ConfigError, NoFaces) as error:
            return NotDone(reason=str(error))


class RegionVisitors:
    """The asking end: a `RegionMemory`."""

    def __init__(self, url: str, secret: bytes, *, on_unnamed: Callable[[], None]) -> None:
        """Args: `on_unnamed` counts the faces of which nobody could say a visitor."""
        self._key = _key_of(secret)
        limits = httpx.Limits(keepalive_expiry=KEPT_OPEN_S)
        self._client = httpx.Client(base_url=url, timeout=DOES_WITHIN, limits=limits)
        self._line = VisitorLine(self._named, on_unnamed=on_unnamed)

    def start(self) -> None:
        """Nothing is to be started here."""

    def stop(self) -> None:
        """Nobody is asked any more."""
        self._client.close()

    def open(self) -> None:
        """Nothing is to be opened here."""

    def answer(self, asked: VisitorAsked) -> VisitorNamed:
        """Returns who it is; nobody while whoever knows is away."""
        return self._line.answer(asked)

    def forget(self, visitor_id: str) -> bool:
        """Returns whether there was such a visitor. Raises: VisitorsAway."""
        return self._do(Forget(visitor_id=visitor_id))

    def join(self, kept_id: str, gone_id: str) -> bool:
        """Returns whether both were known. Raises: VisitorsAway."""
        return self._do(Join(kept_id=kept_id, gone_id=gone_id))

    def _named(self, asked: VisitorAsked) -> VisitorNamed:
        match self._ask(asked, NAMES_WITHIN):
            case VisitorNamed() as named:
                return named
            case other:
                raise _unexpected(other)

    def _do(self, question: Forget | Join) -> bool:
        match self._ask(question, DOES_WITHIN):
            case Done(is_done=is_done):
                return is_done
            case other:
                raise _unexpected(other)

    def _ask(self, question: Question, within: httpx.Timeout) -> Reply:
        sealed = _question_seal(self._key).seal(_ENCODER.encode(question))
        try:
            answer = self._client.post(PATH, content=sealed, timeout=within)
            if not answer.is_success:
                raise VisitorsAway(f"visitors: HTTP {answer.status_code}")
            return _REPLY.decode(_reply_seal(self._key, sealed).unseal(answer.content))
        except (httpx.HTTPError, SealBroken, msgspec.MsgspecError) as error:
            raise VisitorsAway(f"visitors: {type(error).__name__}: {error}") from error


def visitors_of(
    configuration: Configuration, here: SharedVisitors | None, on_unnamed: Callable[[], None]
) -> RegionMemory:
    """Returns the memory that `visitors.url` names; without one that of this process, where it has one.

    Raises: ConfigError.
    """
    url = configuration.effective.settings.visitors.url
    if url is not None:
        return RegionVisitors(url, visitor_secret(configuration), on_unnamed=on_unnamed)
    return NoVisitors() if here is None else here


def _unexpected(reply: Reply) -> VisitorsAway:
    return VisitorsAway(reply.reason if isinstance(reply, NotDone) else f"an answer of another kind: {type(reply)}")


def _key_of(secret: bytes) -> bytes:
    return hashlib.sha256(b"swipewatch visitors of a region\x00" + secret).digest()


def _question_seal(key: bytes) -> Seal:
    return seal_with(key, "question")


def _reply_seal(key: bytes, question: bytes) -> Seal:
    return seal_with(key, f"reply to {hashlib.sha256(question).hexdigest()}")
