"""What a rule says of its reach is so: an anchor depends on nothing beyond it, and on what lies just inside."""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Sequence

import msgspec
import pytest

from detectors import rules as rules_package
from detectors.catalogue import Rulebook, judge, reach_of, read_ruleset, rule_modules, rulebook_of
from detectors.slab_builder import slab_of
from events.findings import Finding
from events.types import (
    AccountInjection,
    AgentRegistration,
    AnyEvent,
    FaceObserved,
    Reversal,
    StockMovement,
    Swipe,
    VisitorCorrection,
)
from tests.brute_force.cases import golden_cases
from tests.detectors.test_golden_by_product import as_configured
from tests.detectors.test_laws import CONFIGURED, accepted_events
from tests.worlds import encode

RULES = sorted(found.name for found in pkgutil.iter_modules(rules_package.__path__))
Story = tuple[list[bytes], Rulebook]


class Told:
    """The accepted events of a story, and what any part of them is judged to be."""

    def __init__(self, lines: list[bytes], rulebook: Rulebook) -> None:
        self._rulebook = rulebook
        self.events = accepted_events(lines)
        self.swipes = [event for event in self.events if isinstance(event, Swipe)]
        owners = {(swipe.settlement_id, swipe.institution_id, swipe.person_id) for swipe in self.swipes}
        undone = [e for e in self.events if isinstance(e, Reversal)]
        undone = [e for e in undone if (e.settlement_id, e.institution_id, e.person_id) in owners]
        undone.sort(key=lambda e: e.occurred_at_ms, reverse=True)
        self.reversed_at_ms = {e.settlement_id: e.occurred_at_ms for e in undone}
        corrections = [e for e in self.events if isinstance(e, VisitorCorrection)]
        corrections.sort(key=lambda e: (e.occurred_at_ms, e.event_id))
        self._corrections = {(e.observation_id, e.face_no): e.visitor_id for e in corrections}

    def findings_at(self, anchor: Swipe, events: Sequence[AnyEvent]) -> list[Finding]:
        """Returns what is found at the anchor where only these events are known, references aside."""
        slab = slab_of(events, reversed_at_ms=self.reversed_at_ms, corrections=self._corrections)
        found = (finding for finding in judge(slab, self._rulebook) if finding.settlement_id == anchor.settlement_id)
        return sorted(found, key=lambda finding: finding.finding_id)

    def events_from(self, first_ms: int, last_ms: int) -> list[AnyEvent]:
        return [e for e in self.events if not happens_at_its_time(e) or first_ms <= e.occurred_at_ms <= last_ms]


def happens_at_its_time(event: AnyEvent) -> bool:
    """Returns whether an event counts at its own time; references and corrections hold at any."""
    match event:
        case Swipe() | FaceObserved() | AccountInjection():
            return True
        case StockMovement():
            return event.kind != "deletion"
        case AgentRegistration():
            return event.settlement_id is None
        case _:
            return False


@functools.cache
def stories_about(rule: str) -> list[Story]:
    """Returns the rule's examples and the hand-made cases of it; many have something just inside its reach."""
    examples = [(encode(example.events), CONFIGURED[rule]) for example in rule_modules()[rule].EXAMPLES]
    questions = [question for case in golden_cases() for question in case.questions if rule in question[1]]
    golden = [(lines, CONFIGURED[rule] | as_configured(rules[rule])) for lines, rules in questions]
    return [(lines, rulebook_of(read_ruleset({rule: settings}, "story"))) for lines, settings in [*examples, *golden]]


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_an_anchor_depends_on_nothing_beyond_the_rules_reach(rule):
    scope = rule_modules()[rule].SCOPE
    for lines, rulebook in stories_about(rule):
        told, reach = Told(lines, rulebook), reach_of(rulebook, scope)
        for anchor in told.swipes:
            at_ms = anchor.occurred_at_ms
            if rule == "settle_refund":  # its findings lie at the reversal
                at_ms = told.reversed_at_ms.get(anchor.settlement_id, at_ms)
            near = told.events_from(at_ms - reach.back_ms, at_ms + reach.ahead_ms)
            assert told.findings_at(anchor, near) == told.findings_at(anchor, told.events)


def test_a_rule_that_waits_looks_no_further_ahead_than_it_waits():
    for rule in RULES:
        reach = rule_modules()[rule].reach(msgspec.convert({}, rule_modules()[rule].Parameters))
        assert reach.waits_ms in (0, reach.ahead_ms)
