"""One face that pays with many cards, as an object of its own: its pictures, cards, stores, times and tiers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from io import BytesIO

import msgspec
from PIL import Image

from events.codec import decode_event
from events.durations import duration_ms
from events.findings import SEVERITIES, Finding
from events.types import Swipe
from storage.alerts.search import AlertFilter
from storage.queries.alerts import AlertQueries
from storage.queries.evidence import LoggedEvent, Still
from storage.queries.summaries import AlertFinding, AlertSummary
from web.observations import Observation, ObservedFace, observation_of
from web.ports import RulesInForce

RULE = "one_face_many_cards"
MAX_ALERTS = 60
MAX_SWIPES = 120
MARKS_ALERTS = 20
DEFAULT_WINDOW_MS = 7 * 86_400_000
# A face with its shoulders: how many times its box's height the picture around it has, and its shape.
AROUND_FACE = 2.0
SHAPE = 16 / 9
CROP_QUALITY = 88
_TIER = re.compile(r"tiers\[(?P<number>\d+)\]\.(?P<field>window|buyers|institutions|severity)")


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One card that the face has used; cards are numbered in the order in which they came."""

    number: int
    person_id: str
    swipes: int
    total_fen: int
    institution_ids: tuple[str, ...]
    first_ms: int
    last_ms: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One swipe of the face; `counted` while a finding that stands counts it, `still_id` its picture if one is kept.

    `gap_ms` is the time since the swipe before, None for the first.
    """

    swipe: Swipe
    card: int
    counted: bool
    still_id: str | None
    gap_ms: int | None


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """A tier of the rule: so many cards over so many stores within a window, and whether the face stands at it.

    `buyers` and `institutions` are the most that a finding which stands has measured there, None where none does.
    """

    window_ms: int
    least_buyers: int
    least_institutions: int
    severity: str
    buyers: int | None
    institutions: int | None


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known of one visitor who pays with many cards, of the newest alerts and swipes."""

    visitor_id: str
    severity: str
    cards: tuple[Card, ...]
    steps: tuple[Step, ...]
    institution_ids: tuple[str, ...]
    tiers: tuple[Tier, ...]
    alerts: tuple[AlertSummary, ...]
    last_withdrawn: AlertFinding | None
    more: bool

    @property
    def stands(self) -> bool:
        """Whether a finding about the face stands."""
        return bool(self.severity)

    @property
    def total_fen(self) -> int:
        """The sum of the swipes shown."""
        return sum(card.total_fen for card in self.cards)


class FaceMark(msgspec.Struct, frozen=True, kw_only=True):
    """A face in a list; `severity` is the gravest that stands, empty once none does."""

    visitor_id: str
    severity: str
    cards: int
    institution_ids: tuple[str, ...]
    swipes: int
    last_ms: int
    still_id: str | None
    opened_at_ms: int


def face_of(visitor_id: str, queries: AlertQueries, rules: RulesInForce) -> Face | None:
    """Returns the face behind a visitor's id, or None when no alert is about it."""
    alerts = queries.search(AlertFilter(visitor_id=visitor_id), MAX_ALERTS)
    findings = about(visitor_id, queries.findings_of([one.alert_id for one in alerts]).values())
    if not findings:
        return None
    standing = [one.finding for one in findings if one.standing]
    swipes, left_out = _swipes_of(findings, queries)
    stills = stills_of(visitor_id, [one.settlement_id for one in swipes], queries)
    cards = _cards_of(swipes)
    counted = {each for finding in standing for each in finding.evidence}
    gone = [one for one in findings if not one.standing]
    return Face(
        visitor_id=visitor_id,
        severity=gravest(standing),
        cards=tuple(cards.values()),
        steps=tuple(_steps(swipes, cards, counted, {one: still.still_id for one, still in stills.items()})),
        institution_ids=tuple(dict.fromkeys(one.institution_id for one in swipes)),
        tiers=tuple(_tiers(standing, rules)),
        alerts=tuple(alerts),
        last_withdrawn=max(gone, key=lambda one: one.decided_at_ms, default=None),
        more=left_out or len(alerts) == MAX_ALERTS,
    )


def marks(places: Iterable[tuple[int, str]], queries: AlertQueries) -> list[FaceMark]:
    """Returns the faces of a list, each with what its newest alerts say."""
    found = []
    for opened_at_ms, visitor_id in places:
        alerts = queries.search(AlertFilter(visitor_id=visitor_id), MARKS_ALERTS)
        findings = about(visitor_id, queries.findings_of([one.alert_id for one in alerts]).values())
        standing = [one for one in findings if one.standing]
        swipes, _ = _swipes_of(standing or findings, queries)
        found.append(
            FaceMark(
                visitor_id=visitor_id,
                severity=gravest([one.finding for one in standing]),
                cards=len({one.person_id for one in swipes}),
                institution_ids=tuple(dict.fromkeys(one.institution_id for one in swipes)),
                swipes=len(swipes),
                last_ms=max((one.occurred_at_ms for one in swipes), default=opened_at_ms),
                still_id=next((one.still_id for one in alerts if one.still_id is not None), None),
                opened_at_ms=opened_at_ms,
            )
        )
    return found


def about(visitor_id: str, findings: Iterable[Iterable[AlertFinding]]) -> list[AlertFinding]:
    """Returns the findings that are about the visitor, each once, the newest first."""
    mine = {
        one.finding.finding_id: one
        for some in findings
        for one in some
        if one.finding.key.get("visitor_id") == visitor_id
    }
    return sorted(mine.values(), key=lambda one: (one.finding.occurred_at_ms, one.finding.finding_id), reverse=True)


def gravest(findings: Iterable[Finding]) -> str:
    """Returns the greatest severity of the findings, empty without any."""
    return max((one.severity for one in findings), key=SEVERITIES.index, default="")


def stills_of(visitor_id: str, settlement_ids: Collection[str], queries: AlertQueries) -> dict[str, Still]:
    """Returns the picture of each swipe that has one: that which shows the visitor best, else any of the swipe's."""
    stills = queries.stills(settlement_ids)
    observed = _observations(queries.events({one.observation_id for one in stills}))
    best: dict[str, tuple[float, Still]] = {}
    for still in stills:
        if still.settlement_id is None:
            continue
        place = place_of(visitor_id, observed.get(still.observation_id))
        quality = -1.0 if place is None else place[0].quality
        if still.settlement_id not in best or quality > best[still.settlement_id][0]:
            best[still.settlement_id] = (quality, still)
    return {settlement_id: still for settlement_id, (_, still) in best.items()}


def place_of(
    visitor_id: str, observation: Observation | None
) -> tuple[ObservedFace, tuple[float, float, float, float] | None] | None:
    """Returns the visitor's best face in an observation with its box, if that is known; None where it is not there."""
    if observation is None:
        return None
    mine = [(face, number) for number, face in enumerate(observation.faces) if face.visitor_id == visitor_id]
    if not mine:
        return None
    face, number = max(mine, key=lambda one: one[0].quality)
    return face, observation.boxes[number] if number < len(observation.boxes) else None


def cut_out(jpeg: bytes, visitor_id: str, observation: Observation | None) -> bytes:
    """Returns the part of the picture around the visitor's face, or the picture as it is where its place is unknown."""
    place = place_of(visitor_id, observation)
    size = observation.frame_size if observation is not None else None
    if place is None or place[1] is None or size is None or 0 in size:
        return jpeg
    with Image.open(BytesIO(jpeg)) as opened:
        picture = opened.convert("RGB")
    across, down = picture.width / size[0], picture.height / size[1]
    x1, y1, x2, y2 = place[1]
    part = _around((x1 * across, y1 * down, x2 * across, y2 * down), picture.size)
    out = BytesIO()
    picture.crop(part).save(out, "JPEG", quality=CROP_QUALITY)
    return out.getvalue()


def _around(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Returns the part of the picture that has the box in its middle, as far as the picture goes."""
    high = min(size[1], (box[3] - box[1]) * AROUND_FACE)
    wide = min(size[0], high * SHAPE)
    high = min(high, wide / SHAPE)
    left = min(max(0.0, (box[0] + box[2] - wide) / 2), size[0] - wide)
    top = min(max(0.0, (box[1] + box[3] - high) / 2), size[1] - high)
    return round(left), round(top), round(left + wide), round(top + high)


def _observations(events: Iterable[LoggedEvent]) -> dict[str, Observation]:
    read = ((one.identity, observation_of(one.original)) for one in events if one.type == "face_observed")
    return {identity: observation for identity, observation in read if observation is not None}


def _swipes_of(findings: Sequence[AlertFinding], queries: AlertQueries) -> tuple[list[Swipe], bool]:
    """Returns the swipes that the findings count, in time order, and whether older ones were left out."""
    ids = list(dict.fromkeys(each for one in findings for each in reversed(one.finding.evidence)))
    events = queries.events(ids[:MAX_SWIPES])
    swipes = [event for one in events if isinstance(event := decode_event(one.original), Swipe)]
    return swipes, len(ids) > MAX_SWIPES


def _cards_of(swipes: Sequence[Swipe]) -> dict[str, Card]:
    by_person: dict[str, list[Swipe]] = {}
    for swipe in swipes:
        by_person.setdefault(swipe.person_id, []).append(swipe)
    return {
        person_id: Card(
            number=number,
            person_id=person_id,
            swipes=len(mine),
            total_fen=sum(one.total_fen for one in mine),
            institution_ids=tuple(dict.fromkeys(one.institution_id for one in mine)),
            first_ms=mine[0].occurred_at_ms,
            last_ms=mine[-1].occurred_at_ms,
        )
        for number, (person_id, mine) in enumerate(by_person.items(), 1)
    }


def _steps(
    swipes: Sequence[Swipe], cards: Mapping[str, Card], counted: Collection[str], stills: Mapping[str, str]
) -> Iterable[Step]:
    before_ms: int | None = None
    for swipe in swipes:
        yield Step(
            swipe=swipe,
            card=cards[swipe.person_id].number,
            counted=swipe.settlement_id in counted,
            still_id=stills.get(swipe.settlement_id),
            gap_ms=None if before_ms is None else swipe.occurred_at_ms - before_ms,
        )
        before_ms = swipe.occurred_at_ms


def _tiers(standing: Sequence[Finding], rules: RulesInForce) -> list[Tier]:
    """Returns the tiers in force and those that findings were measured by, the longest window last."""
    found = {}
    for wanted in {*_tiers_in_force(rules), *map(_tier_of, standing)}:
        here = [one for one in standing if _tier_of(one) == wanted]
        window_ms, buyers, institutions, severity = wanted
        found[wanted] = Tier(
            window_ms=window_ms,
            least_buyers=buyers,
            least_institutions=institutions,
            severity=severity,
            buyers=max((_number(one.measure, "buyers") for one in here), default=None),
            institutions=max((_number(one.measure, "institutions") for one in here), default=None),
        )
    return [found[key] for key in sorted(found)]


def _tier_of(finding: Finding) -> tuple[int, int, int, str]:
    value = finding.threshold
    return _number(value, "window_ms"), _number(value, "buyers"), _number(value, "institutions", 1), finding.severity


def _number(values: Mapping[str, object], name: str, otherwise: int = 0) -> int:
    value = values.get(name, otherwise)
    return value if isinstance(value, int) else otherwise


def longest_window_ms(rules: RulesInForce) -> int:
    """Returns how far back the rule counts at most."""
    return max((window_ms for window_ms, *_ in _tiers_in_force(rules)), default=DEFAULT_WINDOW_MS)


def _tiers_in_force(rules: RulesInForce) -> list[tuple[int, int, int, str]]:
    said: dict[int, dict[str, str]] = {}
    for rule in rules.rules:
        for key, value in rule.values if rule.detector == RULE else ():
            named = _TIER.fullmatch(key)
            if named is not None:
                said.setdefault(int(named["number"]), {})[named["field"]] = value
    return [
        (duration_ms(one["window"]), int(one["buyers"]), int(one["institutions"]), one["severity"])
        for one in said.values()
        if one.keys() == {"window", "buyers", "institutions", "severity"}
    ]
