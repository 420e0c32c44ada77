"""A camera that is added on the page of a running product is looked through, changed and left without a restart."""

from __future__ import annotations

import re
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import yaml

from simulator.clips import Scene, compose_clip
from storage.access.accounts import Accounts
from storage.database import Database, default_url
from tests.app.running import Served, serving
from tests.app.test_cameras import STORE, observations, rows, until
from web.access import csrf_of

pytestmark = [pytest.mark.video, pytest.mark.timeout(200)]
PASSWORD = "a password of a test"  # noqa: S105 - of a product that is thrown away
CAMERA = f"{STORE}-1-1"


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry with a till and no camera, and in its folder the film of an empty counter."""
    compose_clip(tmp_path / "registry" / "counter.avi", [Scene(None, 20)], fps=5)
    till = {"till_id": "1", "name_zh": "台", "name_en": "Till"}
    store = {"institution_id": STORE, "kind": "pharmacy", "name_zh": "店", "name_en": "Shop", "tills": [till]}
    file = tmp_path / "registry" / "registry.yaml"
    file.write_text(yaml.safe_dump({"institutions": [store]}))
    return file


def entered(product: Served) -> httpx.Client:
    """Returns somebody who may add cameras, at the product's pages."""
    database = Database.open(default_url(product.data))
    Accounts(database).put_account("ada", PASSWORD, "administrator", int(time.time() * 1000))
    database.close()
    client = httpx.Client(base_url=product.address, timeout=60, headers={"Accept-Language": "en"})
    client.get("/login")
    form = {"username": "ada", "password": PASSWORD, "csrf": csrf_of(client.cookies["swipewatch_form"])}
    assert client.post("/login", data=form).status_code == 303
    return client


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    answer = client.post(path, data={"csrf": csrf_of(client.cookies["swipewatch_session"]), **fields})
    assert answer.status_code in {200, 303}, answer.text
    return answer


def changes(product: Served) -> list[str]:
    """Returns how many cameras there were at each change that the product has obeyed."""
    said = product.data.with_suffix(".err").read_text()
    return re.findall(r'"cameras": (\d+), "restarted": \d+, "event": "cameras\.changed"', said)


def test_a_camera_is_added_zoned_and_switched_off_while_the_product_runs(tmp_path, registry):
    with serving(tmp_path / "data", "--registry", str(registry)) as product, closing(entered(product)) as page:
        tried = post(page, "/cameras/try", address="counter.avi").json()
        assert tried["told"] == "640 × 360 · MJPEG · 5 frames a second"
        post(page, "/cameras/add", till=f"{STORE}/1", address="counter.avi")
        until(lambda: rows(product.data, "SELECT state FROM camera_state") == [("ok",)], lambda: changes(product))
        until(lambda: {one["camera_id"] for one in observations(product.data)} == {CAMERA}, lambda: changes(product))
        assert re.search(r'camera-ok">OK<', page.get("/cameras").text)

        zone = "[[0.1,0.2],[0.9,0.2],[0.5,0.9]]"
        post(page, "/cameras/change", camera_id=CAMERA, zone=zone, clock_offset_s="-7")
        until(
            lambda: any(one["clock_offset_ms"] == -7_000 for one in observations(product.data)),
            lambda: list(observations(product.data)),
        )
        post(page, "/cameras/disable", camera_id=CAMERA)
        until(lambda: changes(product)[-1:] == ["0"], lambda: changes(product))
        assert product.process.poll() is None
