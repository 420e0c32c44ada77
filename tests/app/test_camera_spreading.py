"""Which process looks at which cameras: institutions stay together, and stay where they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.cameras.spreading import spread
from video.settings import CameraSettings

CITIES = st.dictionaries(st.integers(0, 12), st.integers(1, 5), max_size=8)


def cameras_of(city: dict[int, int]) -> list[CameraSettings]:
    return [
        CameraSettings(camera_id=f"{store}-{number}", institution_id=f"P{store:02}", till_id="1", source="-")
        for store, count in city.items()
        for number in range(count)
    ]


@given(city=CITIES, processes=st.integers(1, 4))
def test_each_camera_is_looked_at_by_one_process_and_an_institution_by_no_other(city, processes):
    shares = spread(cameras_of(city), processes)
    assert sorted(one.camera_id for share in shares for one in share) == sorted(
        one.camera_id for one in cameras_of(city)
    )
    assert len(shares) == min(processes, len(city))
    assert all(shares)
    institutions = [{one.institution_id for one in share} for share in shares]
    assert sum(map(len, institutions)) == len(city)


@given(before=CITIES, after=CITIES, processes=st.integers(1, 4))
def test_an_institution_stays_in_its_process_whatever_comes_and_goes(before, after, processes):
    first = spread(cameras_of(before), processes)
    then = spread(cameras_of(after), processes, first)
    assert sorted(one.camera_id for share in then for one in share) == sorted(
        one.camera_id for one in cameras_of(after)
    )
    for number, share in enumerate(first):
        for camera in share:
            if int(camera.institution_id[1:]) in after:
                assert camera.institution_id in {one.institution_id for one in then[number]}


def test_the_same_cameras_are_spread_the_same():
    cameras = cameras_of({1: 3, 2: 1, 3: 2, 4: 1})
    assert spread(cameras, 2) == spread(cameras[::-1], 2) == spread(cameras, 2, spread(cameras, 2))
    assert sorted(map(len, spread(cameras, 2))) == [3, 4]
