"""The settings of single sign-on, as `serve` and `check-config` read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.configuration import read_configuration, sign_on
from events.errors import ConfigError

GOOD = {
    "issuer": "https://id.centre.example/realm",
    "client_secret_file": "SECRET",
    "roles": "[staff=operator, it-admins=administrator]",
}


def written(folder: Path, **changes: str) -> Path:
    (folder / "secret").write_text("from the provider\n")
    entries = {**GOOD, **changes}
    lines = [f"  {key}: {value.replace('SECRET', str(folder / 'secret'))}" for key, value in entries.items()]
    file = folder / "settings.yaml"
    file.write_text("\n".join(["sign_on:", *lines]))
    return file


def test_there_is_none_unless_it_is_set() -> None:
    assert sign_on(read_configuration()) is None


def test_the_settings_are_read_and_the_secret_is_not_shown(tmp_path: Path) -> None:
    found = sign_on(read_configuration(written(tmp_path)))
    assert found is not None
    assert found.client_secret == "from the provider"  # noqa: S105 - a test's own
    assert found.roles == {"staff": "operator", "it-admins": "administrator"}
    assert "from the provider" not in repr(found)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("issuer", "http://id.centre.example", "https"),
        ("client_secret_file", "null", "the file with the provider's secret"),
        ("client_secret_file", "/no/such/file", "cannot be read"),
        ("roles", "[staff=root]", "VALUE=ROLE"),
        ("roles", "[staff]", "roles"),
    ],
)
def test_a_mistake_names_key_and_what_is_allowed(tmp_path: Path, key: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        sign_on(read_configuration(written(tmp_path, **{key: value})))
