from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database, default_url


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(default_url(tmp_path / "data"))
    yield opened
    opened.close()
