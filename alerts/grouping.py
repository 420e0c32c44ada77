"""Which findings make one alert: those of one subject at one institution, in one episode."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from events.findings import Finding, Key, Severity, severity_rank

_PLACE_FIELDS = ("institution_id", "till_id")


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that is to be placed; `revision` is the one it is placed at."""

    finding_id: str
    revision: int
    occurred_at_ms: int


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """The time an alert covers: from its first anchor to its last, both inclusive."""

    alert_id: str
    first_ms: int
    last_ms: int

    def reaches(self, at_ms: int, gap_ms: int) -> bool:
        """Whether an anchor at `at_ms` is at most `gap_ms` before the first or after the last."""
        return self.first_ms - gap_ms <= at_ms <= self.last_ms + gap_ms

    def with_anchor(self, at_ms: int) -> Episode:
        """Returns the episode stretched to an anchor."""
        return msgspec.structs.replace(self, first_ms=min(self.first_ms, at_ms), last_ms=max(self.last_ms, at_ms))


def subject_of(key: Key) -> str:
    """Returns whom or what a finding is about, as canonical JSON: its key without place; the till if that is all."""
    rest = {name: value for name, value in key.items() if name not in _PLACE_FIELDS}
    if not rest and "till_id" in key:
        rest = {"till_id": key["till_id"]}
    return msgspec.json.encode(rest, order="sorted").decode()


def episode_key_of(finding: Finding) -> str:
    """Returns what all alerts about one subject at one institution share."""
    return msgspec.json.encode([finding.institution_id, subject_of(finding.key)]).decode()


def alert_id_of(episode_key: str, founder: Anchor) -> str:
    """Returns the id of the alert that a finding founds; placing the same finding again gives the same id."""
    decision = msgspec.json.encode([episode_key, founder.finding_id, founder.revision])
    return hashlib.sha256(b"alert\x00" + decision).hexdigest()[:32]


def place_anchors(
    episode_key: str, anchors: Iterable[Anchor], episodes: Iterable[Episode], gap_ms: int
) -> dict[str, str]:
    """Returns the alert of each finding: one within reach, the one that began first, or a new one.

    What is placed together is placed in time order, so the order given does not matter. An anchor that lies between two
    alerts joins the earlier; the two are not merged, for both have been shown.
    """
    current = {episode.alert_id: episode for episode in episodes}
    placed: dict[str, str] = {}
    for anchor in sorted(anchors, key=lambda anchor: (anchor.occurred_at_ms, anchor.finding_id)):
        within = [episode for episode in current.values() if episode.reaches(anchor.occurred_at_ms, gap_ms)]
        episode = min(within, key=lambda episode: (episode.first_ms, episode.alert_id), default=None)
        if episode is None:
            at_ms = anchor.occurred_at_ms
            episode = Episode(alert_id=alert_id_of(episode_key, anchor), first_ms=at_ms, last_ms=at_ms)
        current[episode.alert_id] = episode.with_anchor(anchor.occurred_at_ms)
        placed[anchor.finding_id] = episode.alert_id
    return placed


def highest_severity(findings: Iterable[Finding]) -> Severity:
    """Returns the highest severity among the findings, `low` where there is none."""
    severities: list[Severity] = [finding.severity for finding in findings]
    return max(severities, key=severity_rank, default="low")


def latest_by_detector(findings: Sequence[Finding]) -> list[Finding]:
    """Returns, of each detector, the finding at the latest anchor, the latest first: what is shown of an alert."""
    in_time = sorted(findings, key=lambda f: (f.occurred_at_ms, f.settlement_id, f.finding_id))
    latest = {finding.detector: finding for finding in in_time}
    return sorted(latest.values(), key=lambda f: (-f.occurred_at_ms, f.detector))
