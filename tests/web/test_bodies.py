from __future__ import annotations

import pytest

from storage.access.accounts import Token
from web.bodies import foreign_institutions, split_body

NDJSON = "application/x-ndjson"
JSON = "application/json"


def sender(*institution_ids: str) -> Token:
    return Token(kind="sender", name="his", institution_ids=institution_ids, till_id=None)


def test_lines_keep_their_bytes_without_the_line_end() -> None:
    body = b'{"a": 1}\n  {"b":2} \r\n\n\t\nnot json\n{"c":3}'
    assert split_body(body, NDJSON) == [b'{"a": 1}', b'  {"b":2} ', b"not json", b'{"c":3}']


def test_an_array_keeps_each_element_as_it_was_written() -> None:
    body = b' [ {"a" : 1.50, "b":"\\u4e2d"},  2 , {"type": "x", "type": "y"} ] '
    assert split_body(body, JSON) == [b'{"a" : 1.50, "b":"\\u4e2d"}', b"2", b'{"type": "x", "type": "y"}']


@pytest.mark.parametrize(
    "body", [b"", b"hello", b'{"a":', b"[1, 2", b"[{]", b"\xff\xfe{}", b"[" * 100_000, b'{"a":1}\n{"b":2}']
)
def test_what_is_no_json_is_one_event_with_all_its_bytes(body: bytes) -> None:
    assert split_body(body, JSON) == [body]


def test_one_object_is_one_event() -> None:
    assert split_body(b'\n{"a":1}\n', "") == [b'{"a":1}']


def test_an_empty_array_and_empty_lines_hold_no_event() -> None:
    assert split_body(b"[]", JSON) == []
    assert split_body(b"\n \n", f"{NDJSON}; charset=utf-8") == []


def test_an_event_of_another_institution_is_foreign() -> None:
    events = [b'{"type":"swipe","institution_id":"P1"}', b'{"type":"swipe","institution_id":"P2"}']
    assert foreign_institutions(events, sender("P1")) == {"P2"}
    assert foreign_institutions(events, sender("P1", "P2")) == set()
    assert foreign_institutions(events, sender("*")) == set()


def test_the_institution_is_read_as_the_decoder_reads_it_the_last_of_two_holding() -> None:
    event = b'{"type":"swipe","institution_id":"P1","institution_id":"P2"}'
    assert foreign_institutions([event], sender("P1")) == {"P2"}


@pytest.mark.parametrize("kind", ["person", "drug", "account_injection", "cross_region_filing", "visitor_correction"])
def test_a_reference_event_without_an_institution_needs_a_token_for_all(kind: str) -> None:
    event = f'{{"type":"{kind}"}}'.encode()
    assert foreign_institutions([event], sender("P1")) == {f"any {kind}"}
    assert foreign_institutions([event], sender("*")) == set()


@pytest.mark.parametrize(
    "event", [b"", b"[1]", b"{", b'{"type":["person"]}', b'{"type":"swipe"}', b'{"institution_id":7}']
)
def test_what_will_be_set_aside_speaks_for_nobody(event: bytes) -> None:
    assert foreign_institutions([event], sender("P1")) == set()
