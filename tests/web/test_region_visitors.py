"""One memory of visitors for a region, asked over real HTTP: by stores' agents, and by the parts of a cluster."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from structlog.testing import capture_logs

from app.at_store.centre import Centre, CentreAway, TokenRefused
from app.configuration import Configuration, read_configuration, visitor_settings
from app.visitors.line import FIRST_PAUSE_S, LONGEST_PAUSE_S, Circuit, VisitorLine
from app.visitors.region import (
    Answering,
    RegionVisitors,
    _key_of,
    _question_seal,
    _reply_seal,
    visitors_of,
)
from app.visitors.service import VisitorService
from app.visitors.shared import NoVisitors, SharedVisitors, VisitorsAway
from events.errors import ConfigError
from tests.alerts.builders import OTHER_STORE, STORE
from tests.app.line import Line
from tests.app.running import free_port
from tests.video.test_visitors import NOW_MS, person
from tests.web.world import World, bearer, poll, serving
from video.messages import VisitorAsked, VisitorNamed, encode_message
from video.settings import SecretBytes, VisitorSettings
from video.visitors.journal import NotKept
from video.visitors.salts import DAY_MS
from web.visitor_questions import MOST_BYTES, PATH

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - a test's own
SOON_S = 1.5
"""A second, and what this machine has to do beside."""


def asked(seed: int = 1, institution_id: str = STORE, number: int = 1) -> VisitorAsked:
    embeddings = [face.tolist() for face in person(seed)]
    return VisitorAsked(number=number, institution_id=institution_id, embeddings=embeddings, at_ms=10**15)


# ------------------------------------------------------------------------------------------------- a store's agent asks


def test_agents_of_two_stores_ask_the_centre_at_once_and_have_one_id_for_one_face(world: World) -> None:
    with serving(world) as address:
        agents = [Centre(address, lambda: World.agent), Centre(address, lambda: World.agent_elsewhere)]
        stores = (STORE, OTHER_STORE)

        def ask(number: int) -> VisitorNamed:
            return agents[number % 2].name_visitor(asked(number // 2 % 3, stores[number % 2], number))

        with ThreadPoolExecutor(4) as several:
            named = list(several.map(ask, range(24)))
        for agent in agents:
            agent.close()
    assert [one.number for one in named] == list(range(24))
    by_face = [{one.visitor_id for one in named if one.number // 2 % 3 == face} for face in range(3)]
    assert [len(ids) for ids in by_face] == [1, 1, 1]
    assert len(set.union(*by_face) - {None}) == 3


def test_an_agent_asks_for_its_own_stores_and_with_faces_alone(client: httpx.Client) -> None:
    def code(question: bytes, token: str = World.agent) -> int:
        return client.post("/v1/cameras/visitor", content=question, headers=bearer(token)).status_code

    assert code(encode_message(asked())) == 200
    assert code(encode_message(asked(institution_id=OTHER_STORE))) == 403
    assert code(encode_message(asked()), World.sender_for_all) == 401
    no_faces = [[], [0.0] * 128, [1.0] * 127, [float("nan")] * 128, [float("inf"), *[0.0] * 127]]
    for face in no_faces:
        question = VisitorAsked(number=1, institution_id=STORE, embeddings=[face] * 2, at_ms=1)
        assert code(encode_message(question)) == 422
    assert code(b"no question") == 422


def test_while_the_line_is_down_nobody_is_named_at_once_and_afterwards_again(world: World) -> None:
    unnamed: list[int] = []
    with serving(world) as address, Line(int(address.rpartition(":")[2])) as line:
        centre = Centre(line.address, lambda: World.agent)
        visitors = VisitorLine(centre.name_visitor, on_unnamed=lambda: unnamed.append(1))
        first = visitors.answer(asked()).visitor_id
        assert first is not None
        line.cut()
        started = time.monotonic()
        for _ in range(20):
            assert visitors.answer(asked(number=7)) == VisitorNamed(number=7, visitor_id=None)
        assert time.monotonic() - started < SOON_S
        assert len(unnamed) == 20
        line.mend()
        assert poll(lambda: visitors.answer(asked()).visitor_id) == first
        centre.close()


def test_a_centre_that_says_no_or_nothing_names_nobody(world: World) -> None:
    with serving(world) as address:
        with closing(Centre(address, lambda: "swa_unknown")) as stranger, pytest.raises(TokenRefused):
            stranger.name_visitor(asked())
        with closing(Centre(address, lambda: World.agent)) as agent, pytest.raises(CentreAway, match="foreign_camera"):
            agent.name_visitor(asked(institution_id=OTHER_STORE))
    with _silent() as address, closing(Centre(address, lambda: World.agent)) as agent:
        visitors = VisitorLine(agent.name_visitor, on_unnamed=lambda: None)
        started = time.monotonic()
        assert [visitors.answer(asked()).visitor_id for _ in range(20)] == [None] * 20
        assert 0.3 < time.monotonic() - started < SOON_S


@contextmanager
def _silent() -> Iterator[str]:
    """Somebody who takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


# ----------------------------------------------------------------------------------------------- parts of a cluster ask


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Configuration]:
    """Returns what a part of a cluster is told."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)

    def configuration(port: int, *, url: str | None = None, **other: object) -> Configuration:
        settings = {"host": "127.0.0.1", "port": port, "secret_file": str(secret), "url": url, **other}
        file = tmp_path / "settings.yaml"
        lines = [f"  {key}: {'null' if value is None else value}" for key, value in settings.items()]
        file.write_text("\n".join(["visitors:", *lines]))
        return read_configuration(file)

    return configuration


@contextmanager
def answering(configuration: Configuration, data: Path) -> Iterator[str]:
    """Gives the address of a running `swipewatch visitors`."""
    service = VisitorService(configuration, data)
    service.start()
    address = f"http://127.0.0.1:{configuration.effective.settings.visitors.port}"
    try:
        poll(lambda: _is_up(address))
        yield address
    finally:
        service.stop()


def _is_up(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz").is_success
    except httpx.ConnectError:
        return False


def test_parts_of_a_cluster_have_one_memory_that_survives_a_restart(configured, tmp_path: Path) -> None:
    port = free_port()
    configuration = configured(port)
    unnamed: list[int] = []
    with answering(configuration, tmp_path / "data") as address:
        parts = [visitors_of(configured(port, url=address), None, lambda: unnamed.append(1)) for _ in range(2)]
        with ThreadPoolExecutor(4) as several:
            named = list(several.map(lambda n: parts[n % 2].answer(asked(n // 2 % 3, number=n)).visitor_id, range(24)))
        assert len(set(named) - {None}) == 3
        assert all(named[n] == named[n + 6 * (n < 18)] for n in range(24))
        text = httpx.get(f"{address}/metrics").text
        assert 'swipewatch_visitor_questions_total{result="named"} 24.0' in text
        assert "swipewatch_visitors 3.0" in text
        with pytest.raises(ConfigError, match="no other swipewatch"):
            VisitorService(configuration, tmp_path / "data")
    started = time.monotonic()
    assert [parts[0].answer(asked()).visitor_id for _ in range(20)] == [None] * 20
    assert time.monotonic() - started < SOON_S
    assert len(unnamed) == 20
    with pytest.raises(VisitorsAway):
        parts[1].forget("v-1")
    with answering(configuration, tmp_path / "data"):
        assert poll(lambda: parts[0].answer(asked(0)).visitor_id) == named[0]
    for part in parts:
        part.stop()
    key = tmp_path / "data" / "keys" / "visitors.key"
    key.rename(key.with_suffix(".lost"))
    with pytest.raises(ConfigError, match="restore it"):
        VisitorService(configuration, tmp_path / "data")
    key.write_bytes(b"x" * 32)
    key.chmod(0o600)
    with pytest.raises(ConfigError, match="restore the key"):
        VisitorService(configuration, tmp_path / "data")


def test_what_others_say_of_visitors_reaches_the_memory(configured, tmp_path: Path) -> None:
    port = free_port()
    with answering(configured(port), tmp_path / "data") as address:
        part = RegionVisitors(address, SECRET.encode(), on_unnamed=lambda: None)
        one, two = (str(part.answer(asked(seed)).visitor_id) for seed in (1, 2))
        assert part.join(one, two)
        assert not part.join(one, two)
        assert part.answer(asked(2)).visitor_id == one
        assert part.forget(one)
        assert not part.forget(one)
        assert part.answer(asked(2)).visitor_id not in {one, two, None}
        part.stop()


def test_who_does_not_know_the_secret_is_neither_answered_nor_believed(configured, tmp_path: Path) -> None:
    port = free_port()
    with answering(configured(port), tmp_path / "data") as address:
        stranger = RegionVisitors(address, b"x" * 32, on_unnamed=lambda: None)
        assert stranger.answer(asked()).visitor_id is None
        with pytest.raises(VisitorsAway, match="401"):
            stranger.forget("v-1")
        stranger.stop()
        assert httpx.post(f"{address}{PATH}", content=encode_message(asked())).status_code == 401
        assert httpx.post(f"{address}{PATH}", content=bytes(MOST_BYTES + 1)).status_code == 413
        assert httpx.post(f"{address}{PATH}", content=iter([b"of unknown length"])).status_code == 413
        assert "swipewatch_visitors 0.0" in httpx.get(f"{address}/metrics").text


def test_a_question_shows_no_embedding_and_a_reply_opens_for_its_own_question_alone() -> None:
    memory = SharedVisitors(VisitorSettings(), clock_ms=lambda: 10**15)
    key, plain = _key_of(SECRET.encode()), encode_message(asked())
    sealed = [_question_seal(key).seal(plain) for _ in range(2)]
    face = np.float64(asked().embeddings[0][0]).tobytes()[::-1]
    assert face in plain
    assert face not in sealed[0] + sealed[1]
    replies = [Answering(memory, SECRET.encode()).answer(question) or b"" for question in sealed]
    assert b"v-" in _reply_seal(key, sealed[0]).unseal(replies[0])
    with pytest.raises(ValueError, match="altered"):
        _reply_seal(key, sealed[0]).unseal(replies[1])


def test_whom_to_ask_is_configured_once(configured, tmp_path: Path) -> None:
    here = SharedVisitors(VisitorSettings(), clock_ms=lambda: 1)
    assert visitors_of(configured(1), here, lambda: None) is here
    nobody = visitors_of(configured(1), None, lambda: None)
    assert isinstance(nobody, NoVisitors)
    assert nobody.answer(asked()).visitor_id is None
    with pytest.raises(VisitorsAway, match=r"set visitors\.url"):
        nobody.forget("v-1")
    with pytest.raises(VisitorsAway, match=r"set visitors\.url"):
        nobody.join("v-1", "v-2")
    asking = visitors_of(configured(1, url="http://127.0.0.1:1"), here, lambda: None)
    assert isinstance(asking, RegionVisitors)
    asking.stop()
    for wrong in ({"secret_file": None}, {"secret_file": str(tmp_path / "absent")}):
        with pytest.raises(ConfigError, match=r"secret_file|absent"):
            visitors_of(configured(1, url="http://127.0.0.1:1", **wrong), None, lambda: None)
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(ConfigError, match="0600"):
        visitors_of(configured(1, url="http://127.0.0.1:1"), None, lambda: None)
    for wrong_setting in ({"similarity": 0.49}, {"ttl": "8d"}, {"url": "visitors:8004"}):
        with pytest.raises(ConfigError, match="visitors"):
            configured(1, **wrong_setting)


def test_with_an_engine_whose_strangers_are_more_alike_more_is_asked_of_a_visitor(configured, tmp_path: Path) -> None:
    assert visitor_settings(configured(1), tmp_path, b"").similarity == 0.5
    assert visitor_settings(configured(1, similarity=0.6), tmp_path, b"").similarity == 0.6
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SWIPEWATCH__VIDEO__ENGINE", "dlib")
        assert visitor_settings(configured(1), tmp_path, b"").similarity == 0.92


# -------------------------------------------------------------------------------------------- the circuit by itself


def test_whoever_is_away_is_asked_again_ever_more_seldom_until_there_is_an_answer() -> None:
    times = [0.0]
    circuit = Circuit(lambda: times[0])
    attempts: list[float] = []
    while times[0] < 300:
        if circuit.is_closed:
            attempts.append(times[0])
            circuit.failed()
        times[0] += 0.01
    pauses = np.diff(attempts)
    assert FIRST_PAUSE_S / 2 - 0.01 <= pauses[0] <= FIRST_PAUSE_S + 0.02
    assert LONGEST_PAUSE_S / 2 - 0.01 <= pauses[-1] <= LONGEST_PAUSE_S + 0.02
    assert len(attempts) < 25
    circuit.succeeded()
    assert circuit.is_closed
    circuit.failed()
    times[0] += FIRST_PAUSE_S
    assert circuit.is_closed


def test_six_that_were_in_flight_together_are_one_failure() -> None:
    times = [0.0]
    circuit = Circuit(lambda: times[0])
    for _ in range(6):
        circuit.failed()
    times[0] += FIRST_PAUSE_S
    assert circuit.is_closed
    circuit.failed()
    times[0] += 2 * FIRST_PAUSE_S
    assert circuit.is_closed


def test_what_is_no_face_is_refused_before_a_cluster_is_asked_and_the_next_is_named(
    client: httpx.Client, world: World, configured, tmp_path: Path
) -> None:
    port = free_port()
    with answering(configured(port), tmp_path / "data") as address:
        part = RegionVisitors(address, SECRET.encode(), on_unnamed=lambda: None)
        world.camera_agents._visitors = part
        no_face = VisitorAsked(number=1, institution_id=STORE, embeddings=[[0.0]], at_ms=1)
        refused, named = (
            client.post("/v1/cameras/visitor", content=encode_message(one), headers=bearer(World.agent))
            for one in (no_face, asked())
        )
        assert refused.status_code == 422
        assert msgspec.msgpack.decode(named.content, type=VisitorNamed).visitor_id is not None
        part.stop()


def test_files_of_before_there_was_a_folder_are_deleted(tmp_path: Path) -> None:
    for name in ("visitors.enc", "visitors-0123.enc", "visitorless.txt"):
        (tmp_path / name).write_bytes(b"faces")
    memory = SharedVisitors(VisitorSettings(folder=str(tmp_path / "visitors"), key=None), clock_ms=lambda: 1)
    memory.start()
    assert [path.name for path in tmp_path.iterdir()] == ["visitorless.txt"]
    memory.stop()


def test_while_the_disk_gives_nothing_nobody_is_named_and_afterwards_all_are(tmp_path: Path) -> None:
    folder = tmp_path / "visitors"
    folder.write_bytes(b"in the folder's place")
    memory = SharedVisitors(VisitorSettings(folder=str(folder), key=SecretBytes(b"k" * 32)), clock_ms=lambda: NOW_MS)
    assert memory.answer(asked()).visitor_id is None
    with pytest.raises(NotKept):
        memory.forget("v-1")
    folder.unlink()
    assert memory.answer(asked()).visitor_id is not None
    memory.stop()


def test_trouble_of_our_own_does_not_end_the_tidying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.visitors.shared.TIDY_EVERY_S", 0.01)
    rounds: list[int] = []

    def clock_ms() -> int:
        rounds.append(1)
        raise RuntimeError("no time")

    memory = SharedVisitors(VisitorSettings(), clock_ms=clock_ms)
    with capture_logs() as logs:
        memory.start()
        poll(lambda: len(rounds) >= 2)
        memory.stop()
    assert logs[0]["event"] == "visitors.failed"


def test_who_is_forgotten_goes_from_the_disk_also_where_nobody_asks(tmp_path: Path) -> None:
    settings = VisitorSettings(folder=str(tmp_path / "visitors"), key=SecretBytes(b"k" * 32))
    times = [NOW_MS]
    before = SharedVisitors(settings, clock_ms=lambda: times[0])
    before.tidy()
    assert list(tmp_path.iterdir()) == []
    before.answer(asked())
    before.stop()
    segment, size = _only_segment(tmp_path)
    times[0] += 8 * DAY_MS
    after = SharedVisitors(settings, clock_ms=lambda: times[0])
    after.tidy()
    assert after.sizes == (0, 0)
    after.stop()
    assert not segment.exists()
    assert sum(path.stat().st_size for path in segment.parent.iterdir()) < size


def _only_segment(data: Path) -> tuple[Path, int]:
    (segment,) = (data / "visitors").iterdir()
    return segment, segment.stat().st_size
