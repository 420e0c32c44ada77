"""What the compose files say, read once, and the places that stand for it outside Docker."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
CLUSTER_FILE, CITY_FILE = CHECKOUT / "docker-compose.yml", CHECKOUT / "docker-compose.city.yml"
CLUSTER: dict[str, Any] = yaml.safe_load(CLUSTER_FILE.read_text())
CITY: dict[str, Any] = yaml.safe_load(CITY_FILE.read_text())
FILES = {CLUSTER_FILE.name: CLUSTER, CITY_FILE.name: CITY}
SERVICES: dict[str, dict[str, Any]] = CLUSTER["services"]
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
OURS = "swipewatch:0.1.0"


def is_one_shot(service: Mapping[str, Any]) -> bool:
    """Returns whether the service does something once and ends."""
    return service.get("restart") == "no"


@dataclass(frozen=True)
class Mount:
    """A mount of a service; `source` is a volume's name or a path of the checkout."""

    source: str
    target: str
    is_read_only: bool


def mounts(service: Mapping[str, Any]) -> list[Mount]:
    """Returns where a service's volumes and files are."""
    found = []
    for written in service.get("volumes", []):
        source, target, *options = written.split(":")
        found.append(Mount(source, target, options == ["ro"]))
    return found


def listening_port(name: str) -> int:
    """Returns the port that a service of ours listens on, as its command says."""
    command: list[str] = SERVICES[name]["command"]
    return int(command[command.index("--port") + 1])


@dataclass(frozen=True)
class Places:
    """What stands for the hosts, ports and folders of the containers.

    `ports` are those of services on this machine, by host and port as the file says them; `folder` has the volumes.
    """

    folder: Path
    ports: Mapping[tuple[str, int], int]

    def command(self, name: str) -> list[str]:
        """Returns how a service of ours is started here."""
        own = listening_port(name) if "--port" in SERVICES[name]["command"] else None
        words = [self.here(name, word) for word in SERVICES[name]["command"]]
        if own is not None:
            words[words.index(str(own))] = str(self.ports[name, own])
        return [sys.executable, "-m", "app", *("127.0.0.1" if word == "0.0.0.0" else word for word in words)]  # noqa: S104

    def environment(self, name: str) -> dict[str, str]:
        """Returns the variables that a service has here, and no other of ours."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SWIPEWATCH", "PG"))}
        given: dict[str, str] = SERVICES[name]["environment"]
        return kept | {key: self.here(name, value) for key, value in given.items()}

    def health_command(self, name: str) -> list[str]:
        """Returns how a service is asked whether it is well, here."""
        kind, *words = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        words = [sys.executable if word == "python" else word for word in words]
        return [self._at_own_ports(name, word) for word in words]

    def here(self, name: str, text: str) -> str:
        """Returns the text with the hosts, ports and folders of this machine."""
        for (host, port), own in self.ports.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(host)}:{port}\b", f"127.0.0.1:{own}", text)
        for mount in mounts(SERVICES[name]):
            text = re.sub(rf"{re.escape(mount.target)}(?=/|$)", str(self.folder_of(mount)), text)
        return text

    def folder_of(self, mount: Mount) -> Path:
        """Returns what stands for a volume or a mounted path."""
        return CHECKOUT / mount.source if mount.source.startswith(".") else self.folder / mount.source

    def _at_own_ports(self, name: str, word: str) -> str:
        for (host, port), own in self.ports.items():
            if host == name:
                word = re.sub(rf"127\.0\.0\.1([:/]){port}\b", rf"127.0.0.1\g<1>{own}", word)
        return word


def words_after(option: str, words: Sequence[str]) -> list[str]:
    """Returns what stands behind each occurrence of an option."""
    return [words[place + 1] for place, word in enumerate(words) if word == option]
