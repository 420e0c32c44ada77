from __future__ import annotations

import pytest

from storage.cameras.sources import SourceRefused, checked_source, shown_source


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "counter.avi").write_bytes(b"film")
    (tmp_path / "secret.avi").write_bytes(b"film")
    (tmp_path / "films" / "way-out.avi").symlink_to(tmp_path / "secret.avi")
    return tmp_path / "films"


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "empty"),
        ("ftp://10.0.0.1/x", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("concat://a|b", "scheme"),
        ("rtsp://", "address"),
        ("rtsp://admin:pa#ss@10.0.0.1/x", "address"),
        ("rtsp://10.0.0.1:port/x", "address"),
        ("http://10.0.0.1/a b", "address"),
        ("http://10.0.0.1/a\r\nHost: x", "address"),
        ("../secret.avi", "outside"),
        ("/etc/passwd", "outside"),
        ("way-out.avi", "outside"),
        ("nothing.avi", "absent"),
    ],
)
def test_an_address_that_no_camera_may_have_is_refused_without_being_told(folder, address, problem):
    with pytest.raises(SourceRefused) as caught:
        checked_source(address, folder)
    assert caught.value.problem == problem
    assert not address or address not in str(caught.value)


def test_without_a_folder_no_file_is_a_camera():
    with pytest.raises(SourceRefused) as caught:
        checked_source("counter.avi", None)
    assert caught.value.problem == "no_folder"


def test_a_film_of_the_folder_is_named_by_its_whole_path(folder):
    assert checked_source(" counter.avi ", folder) == str(folder / "counter.avi")
    assert shown_source(str(folder / "counter.avi")) == "counter.avi"


def test_a_password_is_put_into_the_address_as_addresses_want_it():
    made = checked_source("rtsp://old:one@10.0.0.1:554/ch/1?x=y", None, username="admin", password="p@s:s/#1")  # noqa: S106
    assert made == "rtsp://admin:p%40s%3As%2F%231@10.0.0.1:554/ch/1?x=y"
    assert checked_source("RTSP://10.0.0.1/x", None) == "rtsp://10.0.0.1/x"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://admin:s3cret@10.0.0.1:554/live/s3cret?password=s3cret", "rtsp://10.0.0.1:554"),
        ("http://[fe80::1]:8080/s3cret", "http://[fe80::1]:8080"),
        ("https://camera.example/s3cret", "https://camera.example"),
        ("rtsp://admin:s3cret@10.0.0.1:port/", "?"),
    ],
)
def test_people_see_how_and_where_and_no_more(source, shown):
    assert shown_source(source) == shown
