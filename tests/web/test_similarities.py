"""What the pages say of a similarity: how many strangers are as much alike, and who says so."""

from __future__ import annotations

import httpx
import msgspec
import numpy as np
import pytest

from tests.web.test_alert_page import ENGLISH, alert_page
from tests.web.world import CAMERA, World, log_in, observation_bytes, swipe_event
from video.calibration import count_similarities, trim_counts
from video.calibration_file import GENERAL, read_calibration
from video.messages import PairsCounted

VERSION = read_calibration(GENERAL / "sface.yaml").engine_version


def gathered(pairs: int) -> PairsCounted:
    alike = np.random.default_rng(3).normal(0.12, 0.1, pairs)
    first, counts = trim_counts(count_similarities(alike))
    return PairsCounted(
        camera_id=CAMERA,
        engine_version=VERSION,
        day="2026-03-02",
        begun_at_ms=0,
        oldest_day="2026-03-02",
        people=80,
        spread=1.0,
        first=first,
        counts=counts,
    )


def face(similarity: float, verdict: str = "match") -> dict[str, object]:
    return {"quality": 0.8, "verdict": verdict, "similarity": similarity, "frames": 5}


def seen(world: World, similarity: float = 0.45, **changes: object) -> None:
    settlement, at_ms = world.settlement(), world.now_ms()
    looked = {"engine": "sface", "engine_version": VERSION, "faces": [face(similarity)], **changes}
    world.log(msgspec.json.encode(swipe_event(settlement)))
    world.log(observation_bytes(f"fo-{settlement}", settlement, at_ms, **looked))
    world.raise_alert(settlement=settlement, evidence=[settlement, f"fo-{settlement}"])


def test_a_similarity_is_how_many_strangers_are_as_much_alike(client: httpx.Client, world: World) -> None:
    seen(world)
    page = alert_page(log_in(client), world)
    worth = world.calibrations.false_match(None, "sface", VERSION, 0.45)
    assert worth is not None
    assert f"1 stranger in {worth.one_in:,} is this much like the holder, or more" in page
    assert "general, not calibrated at this camera · 0.450 sface" in page
    assert "1 holder in" not in page


def test_a_mismatch_says_how_many_holders_are_as_unlike_themselves(client: httpx.Client, world: World) -> None:
    seen(world, faces=[face(0.2, "mismatch")])
    page = alert_page(log_in(client), world)
    worth = world.calibrations.false_match(None, "sface", VERSION, 0.2)
    assert worth is not None
    assert f"1 holder in {worth.holders_one_in} is this unlike their own reference, or more" in page


def test_whoever_is_as_unlike_as_anybody_is_said_to_be(client: httpx.Client, world: World) -> None:
    seen(world, -0.1)
    assert "no more like the holder than any stranger is" in alert_page(log_in(client), world)


def test_an_engine_version_without_a_calibration_shows_its_number_and_says_so(
    client: httpx.Client, world: World
) -> None:
    seen(world, engine_version="another")
    page = alert_page(log_in(client), world)
    assert "0.450<br>" in page
    assert "no calibration for this engine version" in page
    assert "stranger in" not in page.replace("One stranger in so many", "")


def test_a_camera_with_enough_pairs_of_its_own_says_so_at_once(client: httpx.Client, world: World) -> None:
    seen(world)
    world.calibrations.count(gathered(2_000))
    assert "general, not calibrated" in alert_page(log_in(client), world)
    cameras = client.get("/cameras", headers=ENGLISH).text
    assert "gathered here so far: 2,000 pairs of 80 people or more" in cameras
    world.calibrations.count(gathered(5_000))
    assert "calibrated at this camera from 5,000 pairs · 0.450 sface" in alert_page(client, world)
    assert "calibrated here from 5,000 pairs of 80 people or more" in client.get("/cameras", headers=ENGLISH).text
    edit = log_in(client, "administrator").get(f"/cameras/edit?camera_id={CAMERA}", headers=ENGLISH).text
    assert "calibrated here from 5,000 pairs of 80 people or more" in edit
    world.calibrations.roll_back(CAMERA, None)
    assert "general, not calibrated" in alert_page(log_in(client), world)


@pytest.mark.parametrize(("vote", "said"), [("either", "either engine"), ("both", "both engines have to agree")])
def test_a_verdict_of_two_engines_says_how_they_voted(client: httpx.Client, world: World, vote: str, said: str) -> None:
    seen(world, vote=vote)
    assert said in alert_page(log_in(client), world)


def test_counts_that_there_cannot_be_are_no_message() -> None:
    with pytest.raises(ValueError, match="steps"):
        msgspec.structs.replace(gathered(2_000), first=399)
