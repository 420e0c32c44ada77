"""The centre's eye on its stores' camera agents: the cameras of one that says nothing are shown off-line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from app.camera_agents import CameraAgents
from events.errors import TransientError
from events.metrics import AGENTS_SILENT
from storage.access.accounts import Accounts, Token
from storage.cameras.agents import AgentContact
from video.messages import CameraStateChanged
from web.measurements import Measurements

LOOK_EVERY_S: Final = 2.0

_log = structlog.get_logger()


class AgentWatch:
    """A thread that looks every two seconds; `look` is one such look. It also keeps the list of cameras fresh.

    Silence counts from when this watch first knew of the agent: while the product was off nobody could be heard. Of
    several processes each looks, and the one whose duty it is (`is_mine`) puts it on record.
    """

    def __init__(
        self,
        agents: CameraAgents,
        accounts: Accounts,
        measurements: Measurements,
        *,
        clock_ms: Callable[[], int],
        silent_after_ms: int,
        is_mine: Callable[[], bool] = lambda: True,
    ) -> None:
        self._agents, self._contacts = agents, agents.contacts
        self._accounts, self._measurements = accounts, measurements
        self._clock_ms, self._silent_after_ms, self._is_mine = clock_ms, silent_after_ms, is_mine
        self._known_since: dict[str, int] = {}
        self._silent: dict[str, frozenset[str]] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera-agents", daemon=True)

    def start(self) -> None:
        """The thread looks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Afterwards who is silent is on record, with their cameras; what does not answer is asked again next time."""
        try:
            self._agents.refresh()
            self._contacts.keep()
            tokens = self._accounts.tokens("agent")
            if tokens or self._silent:
                self._judge(tokens)
        except TransientError as error:
            _log.warning("camera_agents.not_seen", error=str(error))

    def _run(self) -> None:
        while not self._ends.is_set():
            self.look()
            self._ends.wait(LOOK_EVERY_S)

    def _judge(self, tokens: list[Token]) -> None:
        now_ms, known = self._clock_ms(), self._contacts.known()
        heard_at_ms = {token.name: self._heard(token, known, now_ms) for token in tokens}
        silent = [token for token in tokens if now_ms - heard_at_ms[token.name] > self._silent_after_ms]
        if not self._is_mine():
            self._silent = {}
            self._measurements.set_level(AGENTS_SILENT, 0)
            return
        looked_after = {
            camera.camera_id
            for token in tokens
            if token not in silent
            for camera in self._agents.at(token.institution_ids)
        }
        for token in silent:
            self._say_silent(token, known.get(token.name), looked_after, now_ms)
        for name in sorted(self._silent.keys() - {token.name for token in silent}):
            _log.info("camera_agent.came_back", agent=name)
            del self._silent[name]
        for contact in known.values():
            if contact.silent_since_ms is not None and contact.agent not in self._silent:
                self._contacts.mark(contact.agent, None)
        self._measurements.set_level(AGENTS_SILENT, len(self._silent))

    def _heard(self, token: Token, known: Mapping[str, AgentContact], now_ms: int) -> int:
        contact = known.get(token.name)
        since_ms = self._known_since.setdefault(token.name, now_ms)
        return max(since_ms, contact.heard_at_ms if contact else 0)

    def _say_silent(self, token: Token, contact: AgentContact | None, looked_after: set[str], now_ms: int) -> None:
        """Says it once of the agent and of each of its cameras that no other agent looks through."""
        cameras = {camera.camera_id for camera in self._agents.at(token.institution_ids)} - looked_after
        said = self._silent.get(token.name)
        if said is None:
            _log.warning("camera_agent.silent", agent=token.name, heard_at_ms=contact.heard_at_ms if contact else None)
            if contact is not None and contact.silent_since_ms is None:
                self._contacts.mark(token.name, now_ms)
        for camera_id in sorted(cameras - (said or frozenset())):
            self._agents.say(
                CameraStateChanged(
                    camera_id=camera_id,
                    state="offline",
                    detail=f"nothing is heard of the store's camera agent {token.name}",
                    at_ms=now_ms,
                )
            )
        self._silent[token.name] = frozenset(cameras)
