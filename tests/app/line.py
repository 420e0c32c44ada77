"""A line between a store and its centre that a test can cut: a TCP relay on this machine."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Line:
    """Passes bytes on to a port while it is up; where it is cut, connections end and none is taken."""

    def __init__(self, to_port: int) -> None:
        """The line is up."""
        self._to_port = to_port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listening = self._listen(0)
        self.port = self._listening.getsockname()[1]
        self.carried_bytes = 0

    @property
    def address(self) -> str:
        """Where the store calls."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_what: object) -> None:
        self.cut()

    def cut(self) -> None:
        """Whatever was on its way is gone."""
        with self._lock:
            ending = [self._listening, *self._open]
            self._open.clear()
        for one in ending:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def mend(self) -> None:
        """The line is up again, at the same place."""
        self._listening = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listening = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()
        return listening

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                near, _ = listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:
                return
            with self._lock:
                self._open |= {near, far}
            for here, there in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(here, there), daemon=True).start()

    def _pass(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while some := here.recv(65_536):
                self.carried_bytes += len(some)
                there.sendall(some)
        for one in (here, there):
            with self._lock:
                self._open.discard(one)
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
