"""Somebody else pays with the holder's card.

Rule: among the faces compared with this swipe's holder, in healthy observations at its till around it, one is a
mismatch of at least `min_quality`, none is a match at any quality, and no agent is known: none named by the swipe,
and none registered at the institution for this settlement or, without naming one, within `agent_within`.
Source: docs/rules.md, holder_mismatch. Family buying is legal: this is a question to the store, never a finding of
guilt.
Edges: all ends are inside; pooled-fund money raises the severity; raised as soon as a mismatch is known, withdrawn
when a match or an agent comes.
Misses: holders without an enrolled reference; look-alikes.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from detectors.examples import agent_registration, observed, swipe
from detectors.rule import Duration, Example, Firing, Ratio, Reach, RuleParameters
from detectors.slab import VERDICTS, Slab
from detectors.windows import Int64s
from events.findings import Severity

SCOPE = "till"


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """Observations from `before` ahead of the swipe to `after` behind it; agents registered `agent_within` of it."""

    before: Duration = Duration(120_000)
    after: Duration = Duration(60_000)
    min_quality: Ratio = 0.5
    agent_within: Duration = Duration(900_000)
    severity: Severity = "medium"
    fund_severity: Severity = "high"


def reach(parameters: Parameters) -> Reach:
    """Looks at the observations and the agents around the anchor."""
    return Reach(
        back_ms=max(parameters.before, parameters.agent_within), ahead_ms=max(parameters.after, parameters.agent_within)
    )


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing at every swipe with a mismatch, no match and no agent."""
    swipes, faces = slab.swipes, slab.faces
    compared = _compared_faces(slab, parameters)
    is_match = faces.verdict[compared] == VERDICTS.index("match")
    is_mismatch = (faces.verdict[compared] == VERDICTS.index("mismatch")) & (
        faces.quality[compared] >= parameters.min_quality
    )
    matched = np.isin(faces.settlement[compared], faces.settlement[compared[is_match]])
    against = compared[is_mismatch & ~matched]
    agents = _agents_by_holder(slab)
    household = slab.households_at_swipes()
    firings = []
    for row in np.unique(faces.settlement[against]).tolist():
        if _has_agent(slab, row, agents, parameters.agent_within):
            continue
        mismatches = against[faces.settlement[against] == row]
        observations = np.unique(faces.observation[mismatches])
        firings.append(
            Firing(
                row=row,
                key={"person_id": slab.persons.names[swipes.person[row]]},
                severity=parameters.fund_severity if swipes.fund_fen[row] > 0 else parameters.severity,
                measure={
                    "mismatches": len(mismatches),
                    "best_quality": round(float(faces.quality[mismatches].max()), 3),
                    "household": bool(household[row] >= 0),
                    "fund_fen": int(swipes.fund_fen[row]),
                },
                threshold={"min_quality": parameters.min_quality},
                evidence=slab.observations.event_id[observations].tolist(),
            )
        )
    return firings


def _compared_faces(slab: Slab, parameters: Parameters) -> Int64s:
    """Returns the rows of faces that a healthy camera at the till compared with a swipe's holder around it."""
    swipes, observations, faces = slab.swipes, slab.observations, slab.faces
    named = np.flatnonzero(faces.settlement >= 0)
    swipe_row, observation = faces.settlement[named], faces.observation[named]
    distance_ms = observations.time_ms[observation] - swipes.time_ms[swipe_row]
    usable = observations.healthy[observation] & (observations.till[observation] == swipes.till[swipe_row])
    usable &= (distance_ms >= -parameters.before) & (distance_ms <= parameters.after)
    chosen: Int64s = named[usable]
    return chosen


_Agents = dict[tuple[str, str], list[tuple[str | None, int]]]


def _agents_by_holder(slab: Slab) -> _Agents:
    """Returns (institution, holder) → (settlement named or None, time) of every registered agent who is another."""
    agents: _Agents = defaultdict(list)
    for agent in slab.agents:
        if agent.agent_person_id != agent.holder_person_id:
            agents[agent.institution_id, agent.holder_person_id].append((agent.settlement_id, agent.occurred_at_ms))
    return agents


def _has_agent(slab: Slab, row: int, agents: _Agents, within_ms: int) -> bool:
    swipes = slab.swipes
    if swipes.agent[row] >= 0 and swipes.agent[row] != swipes.person[row]:
        return True
    institution_id = slab.institution_ids.names[swipes.institution[row]]
    holder = slab.persons.names[swipes.person[row]]
    for settlement_id, registered_ms in agents.get((institution_id, holder), ()):
        if settlement_id == swipes.settlement_id[row]:
            return True
        if settlement_id is None and abs(registered_ms - int(swipes.time_ms[row])) <= within_ms:
            return True
    return False


_STRANGER: dict[str, object] = {"quality": 0.5, "settlement_id": "s", "verdict": "mismatch"}
_HOLDER: dict[str, object] = {"quality": 0.1, "settlement_id": "s", "verdict": "match"}

EXAMPLES = (
    Example(
        title="a stranger's face, quality exactly at the bound",
        events=[swipe("s", "0s"), observed("o", "60s", (_STRANGER,))],
        fires={"s": "medium"},
    ),
    Example(
        title="pooled-fund money raises it",
        events=[swipe("s", "0s", fund_fen=1, account_fen=2999), observed("o", "1s", (_STRANGER,))],
        fires={"s": "high"},
    ),
    Example(
        title="one match, however poor, ends it",
        events=[swipe("s", "0s"), observed("o", "1s", (_STRANGER,)), observed("p", "2s", (_HOLDER,))],
        fires={},
    ),
    Example(
        title="an agent registered a quarter of an hour later ends it",
        events=[swipe("s", "0s"), observed("o", "1s", (_STRANGER,)), agent_registration("r", "15m")],
        fires={},
    ),
)
