"""Versions of the rules: each anchor is judged by the one in force at its swipe's time; a change is exact at once."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from detectors.catalogue import Rulebook, Ruleset, first_difference_ms, judge, read_ruleset, rulebook_of
from detectors.slab import END_OF_TIME_MS
from detectors.slab_builder import slab_of
from events.codec import decode_event
from events.dead_letters import InvalidEvent, Place
from events.errors import ConfigError
from events.findings import Finding, finding_json
from events.types import AnyEvent
from streams.changes import Changes
from streams.engine import Engine
from streams.replay import replay
from tests.brute_force import accept, findings
from tests.brute_force.stories import NOON, reversal, swipe
from tests.detectors.test_laws import CONFIGURED, accepted_events, decision_of, expected_decision
from tests.worlds import encode, quick_first, random_rules, world

Row = dict[str, Any]

SEEDS = range(8)


def version(rules: Row, since_ms: int = 0) -> Ruleset:
    return read_ruleset({**rules, "effective_from_ms": since_ms}, "rules.yaml")


def book(*versions: Ruleset) -> Rulebook:
    return Rulebook(versions=versions)


def replayed(lines: Sequence[bytes], rulebook: Rulebook) -> list[bytes]:
    offers = [(line, Place(file="world", line=number)) for number, line in enumerate(lines, start=1)]
    return [finding_json(found) for found in replay(offers, rulebook).findings]


# ----------------------------------------------------------------------------------------------- laws on random worlds


class Story:
    """A world in whose second half other rules come into force, some of them off or silent."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"versions {seed}")
        self.lines = encode(world(seed))
        self.chance.shuffle(self.lines)
        self.accepted, _ = accept(self.lines)
        times = sorted(event["occurred_at_ms"] for event in self.accepted if event["type"] == "swipe")
        self.since_ms = self.chance.choice(times[len(times) // 2 :]) + self.chance.choice([0, 0, 1])
        self.old = random_rules(seed, CONFIGURED)
        self.new = random_rules(seed + 500, CONFIGURED)
        for name in self.chance.sample(sorted(self.new), 4):
            self.new[name]["mode"] = self.chance.choice(["off", "shadow"])
        self.before = rulebook_of(version(self.old))
        self.after = book(version(self.old), version(self.new, self.since_ms))

    def swiped_at_ms(self) -> dict[str, int]:
        return {e["settlement_id"]: e["occurred_at_ms"] for e in self.accepted if e["type"] == "swipe"}

    @functools.cache  # noqa: B019 - the stories are few and live as long as the tests
    def found(self) -> list[bytes]:
        """Returns what a replay with both versions finds."""
        return replayed(self.lines, self.after)

    def expected(self) -> list[Any]:
        """Returns the brute force's decisions: each version's at the anchors of its time."""
        at_ms = self.swiped_at_ms()
        old = [row for row in findings(self.accepted, self.old) if at_ms[row["settlement_id"]] < self.since_ms]
        new = [row for row in findings(self.accepted, self.new) if at_ms[row["settlement_id"]] >= self.since_ms]
        return sorted(map(expected_decision, [*old, *new]))

    def events(self) -> list[AnyEvent]:
        return accepted_events(self.lines)


@functools.cache
def story(seed: int) -> Story:
    return Story(seed)


def batches(events: Sequence[AnyEvent], size: int) -> Iterator[Sequence[AnyEvent]]:
    return (events[first : first + size] for first in range(0, len(events), size))


def lived_through(one: Story, size: int, change_at: int) -> list[bytes]:
    """Returns what stands at the end of a life in which the new version comes with a batch in the middle of it."""
    standing: dict[str, Finding] = {}
    engine, latest_ms = Engine(one.before), 0

    def take(changes: Changes) -> None:
        for found in changes.withdrawn:
            del standing[found.finding_id]
        standing.update({found.finding_id: found for found in changes.raised})
        assert set(changes.causes) == {found.finding_id for found in (*changes.raised, *changes.withdrawn)}

    for number, batch in enumerate(batches(one.events(), size)):
        if number == change_at:
            take(engine.change_rules(one.after))
        latest_ms = max([latest_ms, *(event.occurred_at_ms for event in batch)])
        take(engine.apply(batch, latest_ms))
    take(engine.apply([], END_OF_TIME_MS))
    assert sorted(map(finding_json, engine.standing())) == sorted(map(finding_json, standing.values()))
    return [
        finding_json(f) for f in sorted(standing.values(), key=lambda f: (f.occurred_at_ms, f.detector, f.finding_id))
    ]


@pytest.mark.parametrize("seed", quick_first(SEEDS, 2))
def test_each_anchor_is_judged_by_the_version_in_force_at_its_swipe_as_the_brute_force_says(seed):
    one = story(seed)
    found = [msgspec.json.decode(line, type=Finding) for line in one.found()]
    assert sorted(map(decision_of, found)) == one.expected()
    at_ms = one.swiped_at_ms()
    for finding in found:
        ruleset = one.after.in_force_at(at_ms[finding.settlement_id])
        assert ruleset is not None
        assert finding.rules_version == ruleset.version
        entry = next(entry for entry in ruleset.entries if entry.name == finding.detector)
        assert finding.mode == entry.settings.mode


@pytest.mark.slow
def test_the_worlds_have_findings_of_both_versions_and_some_that_a_change_undoes():
    stories = [story(seed) for seed in SEEDS]
    both = [{msgspec.json.decode(line)["rules_version"] for line in one.found()} for one in stories]
    assert sum(len(versions) == 2 for versions in both) >= len(stories) // 2
    undone = [set(replayed(one.lines, one.before)) - set(one.found()) for one in stories]
    assert sum(bool(one) for one in undone) >= len(stories) // 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_in_the_middle_of_a_life_leaves_what_a_replay_with_both_versions_finds(seed):
    one = story(seed)
    expected = one.found()
    for size in (5, 17) if seed == 0 else (17,):
        last = (len(one.events()) - 1) // size
        for change_at in (0, one.chance.randrange(1, last), last) if seed < 2 else (one.chance.randrange(1, last),):
            assert lived_through(one, size, change_at) == expected


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_a_change_of_the_rules_and_back_leaves_no_trace(seed):
    one = story(seed)
    engine = Engine(one.before)
    engine.apply(one.events(), END_OF_TIME_MS)
    before = sorted(map(finding_json, engine.standing()))
    changes = engine.change_rules(one.after)
    undone = engine.change_rules(one.before)
    assert sorted(map(finding_json, engine.standing())) == before
    assert len(undone.raised) >= len(changes.withdrawn)
    assert engine.change_rules(one.before) == Changes()


# --------------------------------------------------------------------------------------------------------- small cases

SPLIT: Row = {"split_settlement": CONFIGURED["split_settlement"]}
LOOSE: Row = {"split_settlement": CONFIGURED["split_settlement"] | {"count": 1}}


def found_at(rulebook: Rulebook, *told: Row) -> list[tuple[str, int]]:
    lines = replayed(encode(told), rulebook)
    return [(row["settlement_id"], row["threshold"]["count"]) for row in map(msgspec.json.decode, lines)]


def test_a_version_judges_from_its_very_first_millisecond_and_counts_what_was_before():
    rulebook = book(version(SPLIT), version(LOOSE, NOON + 1000))
    told = [swipe("a", 999, person="p"), swipe("b", 1000, person="q"), swipe("c", 1001, person="p")]
    assert found_at(rulebook, *told) == [("b", 1), ("c", 1)]
    assert found_at(rulebook, *told[:1], swipe("d", 999, person="p")) == [("a", 2), ("d", 2)]


def test_a_version_judges_up_to_the_last_millisecond_before_the_next():
    rulebook = book(version(LOOSE), version(SPLIT, NOON + 1000))
    assert found_at(rulebook, swipe("a", 999, "p"), swipe("b", 1000, "q")) == [("a", 1)]


def test_before_the_first_version_nobody_is_judged():
    rulebook = book(version(LOOSE, NOON))
    assert found_at(rulebook, swipe("a", -1, person="p"), swipe("b", 0, person="q")) == [("b", 1)]
    assert rulebook.in_force_at(NOON - 1) is None


def test_the_swipe_of_a_refund_says_its_version_and_not_the_refund():
    eager = {"settle_refund": CONFIGURED["settle_refund"] | {"count": 1}}
    rulebook = book(version(CONFIGURED), version(eager, NOON + 1000))
    told = [swipe("a", 999, "p"), reversal("a", 5999, "p"), swipe("b", 1000, "q"), reversal("b", 6000, "q")]
    assert [row["settlement_id"] for row in map(msgspec.json.decode, replayed(encode(told), rulebook))] == ["b"]


class Counted:
    """A rule that counts how often it looks."""

    def __init__(self, ruleset: Ruleset) -> None:
        (self.entry,) = ruleset.entries
        self.looks = 0
        self.SCOPE, self.Parameters, self.EXAMPLES = self.entry.rule.SCOPE, self.entry.rule.Parameters, ()
        self.reach = self.entry.rule.reach

    def detect(self, slab: Any, parameters: Any) -> Any:
        self.looks += 1
        return self.entry.rule.detect(slab, parameters)

    def within(self, ruleset: Ruleset) -> Ruleset:
        (entry,) = ruleset.entries
        return msgspec.structs.replace(ruleset, entries=(msgspec.structs.replace(entry, rule=self),))


def test_versions_that_agree_on_a_rule_or_judge_nobody_here_cost_no_second_look():
    swipes = [decode_event(line) for line in encode([swipe("a"), swipe("b", 1000), swipe("c", 2000)])]
    slab = slab_of([event for event in swipes if not isinstance(event, InvalidEvent)])
    counted = Counted(version(SPLIT))
    silent = version({"split_settlement": SPLIT["split_settlement"] | {"mode": "shadow"}}, NOON + 1500)
    same = book(counted.within(version(SPLIT)), counted.within(silent))
    assert [found.mode for found in judge(slab, same)] == ["live", "shadow"]
    assert counted.looks == 1
    later = book(counted.within(version(SPLIT)), counted.within(version(LOOSE, NOON + 1_000_000)))
    assert len(judge(slab, later)) == 2
    assert counted.looks == 2


# -------------------------------------------------------------------------------------------------- what a version is


def test_the_version_is_what_the_rules_say_and_not_from_when_on():
    now, later = version(SPLIT), version(SPLIT, NOON)
    assert now.version == later.version != version(LOOSE).version
    assert (now.effective_from_ms, later.effective_from_ms) == (0, NOON)
    assert rulebook_of(later).version_starts == (0,)


@pytest.mark.parametrize("written", [NOON, "2024-06-18T12:00:00+08:00", "2024-06-18T04:00:00Z"])
def test_the_time_of_a_version_is_milliseconds_or_a_date_with_its_offset(written):
    assert read_ruleset({"effective_from_ms": written}, "rules.yaml").effective_from_ms == NOON


@pytest.mark.parametrize("written", ["2024-06-18T12:00:00", "tomorrow", -1, True, 1.5, 4_102_444_800_000, None, []])
def test_any_other_time_of_a_version_is_a_configuration_error(written):
    with pytest.raises(ConfigError) as raised:
        read_ruleset({"effective_from_ms": written}, "rules.yaml")
    assert (raised.value.source, raised.value.key, raised.value.value) == ("rules.yaml", "effective_from_ms", written)
    assert "+08:00" in raised.value.allowed


def test_two_rulebooks_differ_from_the_first_time_at_which_another_version_judges():
    one, other = version(SPLIT), version(LOOSE, NOON)
    assert first_difference_ms(book(one), book(one)) is None
    assert first_difference_ms(book(one), book(one, other)) == NOON
    assert first_difference_ms(book(one, other), book(one)) == NOON
    assert first_difference_ms(book(one), book(other)) == 0
    assert first_difference_ms(book(one), book(one, version(SPLIT, NOON))) is None
    again = version(SPLIT, NOON + 5)
    assert first_difference_ms(book(one, other), book(one, other, again)) == NOON + 5
