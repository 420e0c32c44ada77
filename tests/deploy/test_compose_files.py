"""Compose files and Dockerfile by themselves: their form, what they forbid, and that what they name is there."""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
import yaml

from config.settings import load_registry, load_settings
from events.topics import DEFAULT_PARTITIONS
from tests.app.running import run
from tests.deploy.composed import (
    CHECKOUT,
    CITY,
    CLUSTER_FILE,
    DOCKERFILE,
    FILES,
    OURS,
    SERVICES,
    is_one_shot,
    mounts,
)


class Written(NamedTuple):
    """A service as a file says it."""

    file: str
    name: str
    service: dict[str, Any]


ALL = [Written(file, name, service) for file, whole in FILES.items() for name, service in whole["services"].items()]
EACH = pytest.mark.parametrize("one", ALL, ids=[f"{one.file}: {one.name}" for one in ALL])


# ------------------------------------------------------------------------------------------------------------- form


@pytest.fixture(scope="module")
def form() -> jsonschema.Draft202012Validator:
    found = next((CHECKOUT / ".cache" / "compose-spec").glob("*/compose-spec.json"), None)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the form of compose files is not there: `make setup-test` fetches it", pytrace=False)
        pytest.skip("the form of compose files is not there: `make setup-test` fetches it")
    return jsonschema.Draft202012Validator(json.loads(found.read_text()))


@pytest.mark.parametrize("file", FILES)
def test_a_compose_file_has_the_form_of_one(form: jsonschema.Draft202012Validator, file: str) -> None:
    assert [error.message for error in form.iter_errors(FILES[file])] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("mem_limits", "1g"), ("restart", 3), ("healthcheck", {"test": "x", "every": "5s"}), ("ports", 80)],
)
def test_a_fault_of_form_is_noticed(form: jsonschema.Draft202012Validator, key: str, value: object) -> None:
    faulty = copy.deepcopy(CITY)
    faulty["services"]["swipewatch"][key] = value
    assert not form.is_valid(faulty)


# -------------------------------------------------------------------------------------------------- every container


@EACH
def test_a_service_restarts_is_watched_and_is_bounded(one: Written) -> None:
    assert one.service["mem_limit"]
    if is_one_shot(one.service):
        return
    assert one.service["restart"] == "unless-stopped"
    assert one.service["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(one.service["healthcheck"])


@EACH
def test_a_service_may_do_little(one: Written) -> None:
    assert one.service["cap_drop"] == ["ALL"]
    assert one.service["security_opt"] == ["no-new-privileges:true"]
    assert one.service.get("read_only", False) == (one.name != "kafka"), "Kafka's image writes its own settings"
    assert one.service.get("cap_add", []) == (["CHOWN"] if one.name == "secrets" else [])
    assert not {"privileged", "pid", "ipc", "devices"} & set(one.service)


@EACH
def test_a_port_is_open_to_this_machine_alone(one: Written) -> None:
    assert all(port.startswith("127.0.0.1:") for port in one.service.get("ports", []))


def test_only_what_people_open_reaches_beyond_the_services() -> None:
    outside = {name for name, service in SERVICES.items() if "outside" in service.get("networks", [])}
    assert outside == {name for name, service in SERVICES.items() if "ports" in service}
    published = [port.rsplit(":", 1)[0] for service in SERVICES.values() for port in service.get("ports", [])]
    assert sorted(published) == sorted(set(published))


@EACH
def test_an_image_is_ours_or_of_one_version(one: Written) -> None:
    if one.service["image"] == OURS:
        assert one.service["build"] == "."
    else:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?", one.service["image"])


def test_the_broker_is_the_one_that_the_tests_run_on() -> None:
    pom = (CHECKOUT / "tests" / "kafka" / "pom.xml").read_text()
    assert SERVICES["kafka"]["image"].rsplit(":", 1)[1] in pom


@EACH
def test_what_is_mounted_is_there(one: Written) -> None:
    for mount in mounts(one.service):
        if mount.source.startswith("."):
            assert (CHECKOUT / mount.source).exists(), mount
            assert mount.is_read_only, mount
        else:
            assert mount.source in FILES[one.file]["volumes"], mount


@pytest.mark.parametrize("file", FILES)
def test_every_volume_and_network_is_used(file: str) -> None:
    whole = FILES[file]
    services = whole["services"].values()
    assert {mount.source for one in services for mount in mounts(one) if not mount.source.startswith(".")} == set(
        whole["volumes"]
    )
    assert {network for one in services for network in one.get("networks", [])} == set(whole.get("networks", {}))


def test_what_a_service_waits_for_can_come_true() -> None:
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...] = ()) -> None:
        assert name not in above, (*above, name)
        for other, how in SERVICES[name].get("depends_on", {}).items():
            wanted = "service_completed_successfully" if is_one_shot(SERVICES[other]) else "service_healthy"
            assert how == {"condition": wanted}, (name, other)
            visit(other, (*above, name))
        order.append(name)

    for name in SERVICES:
        visit(name)
    first = order.index
    assert first("secrets") < first("postgres") < first("web") < first("ingestion")
    assert first("kafka") < first("topics") < first("worker-1")


# ------------------------------------------------------------------------------------------- commands and variables


@pytest.mark.slow
@pytest.mark.parametrize(
    "one", [pytest.param(one, id=f"{one.file}: {one.name}") for one in ALL if one.service["image"] == OURS]
)
def test_a_command_of_ours_knows_its_options(one: Written) -> None:
    words = one.service["command"]
    command = words[:2] if words[0] == "topics" else words[:1]
    said = run(*command, "--help").stdout
    options = {word for word in words if word.startswith("--")}
    assert options
    assert {option for option in options if f"{option} " not in said} == set()


@EACH
def test_a_variable_of_ours_is_a_setting(one: Written) -> None:
    given = {
        key: str(value) for key, value in one.service.get("environment", {}).items() if key.startswith("SWIPEWATCH")
    }
    effective = load_settings(None, given)
    assert all(effective.sources[key[12:].lower().replace("__", ".")] == key for key in given)


def test_the_settings_and_the_registry_that_are_mounted_are_valid() -> None:
    load_settings(CHECKOUT / "deploy" / "settings" / "settings.yaml", {})
    load_registry(CHECKOUT / "deploy" / "settings" / "registry.yaml")


def test_as_many_partitions_are_made_as_by_default() -> None:
    words = SERVICES["topics"]["command"]
    assert int(words[words.index("--partitions") + 1]) == DEFAULT_PARTITIONS


# ------------------------------------------------------------------------------------------------------------ secrets


def secrets_in(service: dict[str, Any]) -> list[str]:
    """Returns what stands in a service's variables or command where a secret may stand, unless it is a file's path."""
    given = {key: str(value) for key, value in service.get("environment", {}).items()}
    named = [value for key, value in given.items() if re.search("(?i)password|secret|token|passfile", key)]
    addresses = [
        word for word in (*given.values(), *service.get("command", [])) if re.search("://[^/@]*:[^/@]*@", word)
    ]
    return [value for value in named if not value.startswith("/run/secrets/")] + addresses


@EACH
def test_no_secret_stands_in_a_compose_file(one: Written) -> None:
    assert secrets_in(one.service) == []


@pytest.mark.parametrize(
    "given",
    [
        {"POSTGRES_PASSWORD": "swipewatch"},
        {"GF_SECURITY_ADMIN_PASSWORD": "admin"},
        {"SWIPEWATCH__DATABASE_URL": "postgresql://swipewatch:swipewatch@postgres/swipewatch"},
    ],
)
def test_a_secret_in_a_compose_file_is_noticed(given: dict[str, str]) -> None:
    assert secrets_in({"environment": given}) == list(given.values())


def test_no_secret_stands_in_the_dockerfile() -> None:
    assert re.findall(r"(?im)^(?:ENV|ARG)\b.*(?:password|secret|token|_key)", DOCKERFILE) == []


def test_each_service_sees_its_own_secret_alone() -> None:
    seen = {
        name: {mount.source for mount in mounts(service) if mount.source.startswith("secret-of-")}
        for name, service in SERVICES.items()
    }
    theirs = {"postgres": "secret-of-postgres", "grafana": "secret-of-grafana"}
    for name, service in SERVICES.items():
        if name == "secrets":
            assert len(seen[name]) == 3
        elif service["image"] == OURS and name != "topics":
            assert seen[name] == {"secret-of-swipewatch"}
        else:
            assert seen[name] == ({theirs[name]} if name in theirs else set())


def test_two_workers_keep_their_snapshots_apart_and_web_and_video_share_keys_and_pictures() -> None:
    data = {name: mount.source for name, one in SERVICES.items() for mount in mounts(one) if mount.target == "/data"}
    assert data == {
        "web": "shared",
        "ingestion": "shared",
        "video": "shared",
        "visitors": "visitors",
        "worker-1": "worker-1",
        "worker-2": "worker-2",
    }


# ---------------------------------------------------------------------------------------------------------- the image


def test_image_and_city_file_start_the_same_product() -> None:
    found = re.search(r"^CMD (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)
    assert found
    image = yaml.safe_load(found[1])
    assert CITY["services"]["swipewatch"]["command"][: len(image)] == image


def test_what_the_image_copies_is_sent_to_its_build() -> None:
    ignored = (CHECKOUT / ".dockerignore").read_text().split()
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", DOCKERFILE, flags=re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert names
    for name in names:
        assert (CHECKOUT / name).exists(), name
        allowed = [Path(name).match(pattern.lstrip("!")) for pattern in ignored if pattern.startswith("!")]
        assert name == "." or any(allowed), name


def test_what_the_image_installs_is_locked_and_what_it_removes_is_for_checks_alone() -> None:
    installed = re.findall(r"-r (\S+)", DOCKERFILE)
    assert installed == ["requirements.lock", "requirements-faces.lock"]
    assert DOCKERFILE.count("--require-hashes") == len(installed)
    asked = (CHECKOUT / "requirements.in").read_text().split("\n")
    removed = [line for line in (CHECKOUT / "requirements-dev.in").read_text().split("\n") if line[:1] not in ("", "#")]
    assert removed
    assert not set(asked) & set(removed)


def test_the_image_does_not_run_as_root() -> None:
    last_stage = DOCKERFILE.rsplit("\nFROM ", maxsplit=1)[1]
    assert "\nUSER swipewatch\n" in last_stage
    assert "--uid 10001 " in last_stage
    assert "SWIPEWATCH_USER_ID:-10001" in (CHECKOUT / "deploy" / "secrets.sh").read_text()


def test_the_memory_that_the_file_promises_is_the_sum_of_its_limits() -> None:
    units = {"m": 1, "g": 1024}
    limits = [service["mem_limit"] for service in SERVICES.values() if not is_one_shot(service)]
    total = sum(int(limit[:-1]) * units[limit[-1]] for limit in limits) / 1024
    said = re.search(r"about (\d+) GB of memory", CLUSTER_FILE.read_text())
    assert said
    assert abs(int(said[1]) - total) <= 0.5
