"""Faults that are none: the changed source means the same, so no test can tell. Each with the reason why.

An entry that fits no fault any more, or one that goes red, fails the run: the list says what is so.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutants.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    """The faults of a function whose `was` begins so and whose `now` holds this; what is empty or 0 fits all.

    `rows`: of a kernel's fault, the rules for which it is none; empty where it is none for anybody.
    """

    file: str
    function: str
    why: str
    kind: str = ""
    was: str = ""
    now: str = ""
    number: int = 0
    rows: tuple[str, ...] = ()

    def fits(self, fault: Fault) -> bool:
        """Returns whether it speaks of this fault."""
        return (
            (fault.file, fault.function) == (self.file, self.function)
            and self.kind in ("", fault.kind)
            and self.number in (0, fault.number)
            and fault.was.startswith(self.was)
            and self.now in fault.now
        )


def _of_rule(rule: str, function: str, why: str, **fault: str | int) -> Equivalent:
    return Equivalent(file=f"detectors/rules/{rule}.py", function=function, why=why, **fault)  # type: ignore[arg-type]


def _of_kernel(kernel: str, function: str, why: str, *, rows: tuple[str, ...] = (), **fault: str | int) -> Equivalent:
    file = f"detectors/{kernel}.py"
    return Equivalent(file=file, function=function, why=why, rows=rows, **fault)  # type: ignore[arg-type]


_ALWAYS_OPEN = "nothing is longer after opening than a day, so a length of a day or more is never exceeded anyway"
_FEWER_STEPS = "the check only saves work; without it nothing is found as well"
_LOOSER = "it only sorts out what cannot fire; a looser one lets through what the exact check then refuses"
_NOBODY = "who is not known has the number −1, which no swipe has"
_SHIFTED = "all times that are compared are moved alike"
_DRIFT = "days that are counted some seconds late or early: no zone has ever changed so soon after midnight in UTC"
_DISTINCT = "the window is one swipe too few, which has no more buyers than swipes: what is counted then says so"
_OF_BUYERS = ("card_batch", "one_face_many_cards")
_WHOLE = "it is asked about whole seconds, whose last millisecond is theirs"

EQUIVALENT: tuple[Equivalent, ...] = (
    _of_rule("closed_hours", "_is_closed", _ALWAYS_OPEN, kind="boundary", was="length_ms < DAY_MS"),
    _of_rule("closed_hours", "_is_closed", _ALWAYS_OPEN, kind="edge", was="length_ms", number=1),
    _of_rule("closed_hours", "_is_closed", _ALWAYS_OPEN, kind="edge", was="DAY_MS", number=3),
    _of_rule(
        "impossible_travel",
        "reach",
        "the second on top stands against rounding; the longest journey needs none of it",
        kind="reach",
    ),
    _of_rule("one_face_many_cards", "detect", _FEWER_STEPS, kind="constant", now="-1", number=2),
    _of_rule("oversupply", "_WHOLE_DAYS", "both ways of counting are exact; this is the bound of the quicker one"),
    _of_rule("oversupply", "_exact_ms", "both ways of counting are exact, at their bound too", kind="boundary"),
    _of_rule("oversupply", "detect", _LOOSER, kind="edge", was="parameters.limit", now="- 1", number=1),
    _of_rule("oversupply", "detect", _LOOSER, kind="edge", was="parameters.chronic_limit", now="- 1", number=1),
    _of_rule("oversupply", "_plentiful", _FEWER_STEPS, kind="constant", now="-1"),
    _of_rule("oversupply", "_plentiful", _LOOSER, kind="boundary"),
    _of_rule("oversupply", "_plentiful", _LOOSER, kind="edge", was="DAY_MS", now="+ 1"),
    _of_rule("oversupply", "_plentiful", _LOOSER, kind="edge", was="total_ms", now="+ 1"),
    _of_rule("oversupply", "_plentiful", _LOOSER, kind="edge", was="limit_ms", now="- 1"),
    _of_rule("oversupply", "_lines", _SHIFTED, kind="edge", was="slab.swipes.time_ms"),
    _of_rule("oversupply", "_reaching_ahead", "any time is later than a millisecond of 1970", kind="sign", was="-1"),
    _of_rule("oversupply", "_reaching_ahead", _LOOSER, kind="boundary", was="cover_ms - at_ms > least_ms"),
    _of_rule("oversupply", "_reaching_ahead", _LOOSER, kind="sign", was="cover_ms - at_ms", now="cover_ms + at_ms"),
    _of_rule("oversupply", "_reaching_ahead", _LOOSER, kind="edge", was="cover_ms", now="+ 1", number=1),
    _of_rule("oversupply", "_reaching_ahead", _LOOSER, kind="edge", was="at_ms", now="- 1", number=1),
    _of_rule("oversupply", "_reaching_ahead", _LOOSER, kind="edge", was="least_ms", now="- 1"),
    _of_rule(
        "oversupply",
        "_reaching_ahead",
        "where nothing is too old the cover is the same whether it is taken or added up again",
        kind="constant",
        now="-1",
    ),
    _of_rule(
        "settle_refund",
        "detect",
        "reversals of one moment are in each other's windows, and the evidence is sorted anew",
        kind="order",
        was="np.argsort(undone_ms",
    ),
    _of_rule("sex_age_conflict", "_is_of_other_age", _LOOSER, kind="boundary", was="known.min_age_years > np.iinfo"),
    _of_rule("sex_age_conflict", "_is_of_other_age", _LOOSER, kind="boundary", was="known.max_age_years < np.iinfo"),
    _of_rule(
        "split_settlement",
        "detect",
        "person times the number of institutions, less the institution: as different for different pairs",
        kind="sign",
    ),
    _of_rule("stock_imbalance", "detect", _FEWER_STEPS, kind="constant", was="0", now="-1", number=1),
    _of_rule(
        "stock_imbalance",
        "_balance",
        "a movement goes into the supply or into what was sold, never into both",
        kind="sign",
        was="into_supply + into_sold",
    ),
    _of_rule(
        "stock_imbalance",
        "_short_of",
        "a whole number is above a fraction exactly where it is above its floor",
        kind="equality",
        was="missing.dtype",
    ),
    _of_rule("trace_code_reuse", "detect", _SHIFTED, kind="edge", was="slab.swipes.time_ms"),
    _of_rule("volume_surge", "_busy_days", "no institution has a swipe on 2 January 1970", kind="sign", was="-1"),
    _of_rule("volume_surge", "LONGEST_DAY_MS", "a longer reach costs time, never findings", now="51"),
    _of_rule("volume_surge", "LONGEST_DAY_MS", "a longer reach costs time, never findings", now="3600001"),
    _of_rule("volume_surge", "_busy_days", _LOOSER, kind="sign", was="counts - parameters.factor"),
    _of_rule("volume_surge", "_medians", _LOOSER, kind="constant", was="0", now="-1"),
    _of_rule("volume_surge", "_medians", _LOOSER, kind="sign", was="ascending[rows, np.minimum(lower, last)]"),
    _of_rule(
        "volume_surge",
        "_past_counts",
        "every day is among the known ones, so an earlier one always has its place among them",
        kind="boundary",
        was="place < len(known)",
    ),
    _of_rule(
        "volume_surge",
        "_past_counts",
        "the same, and no day since 2000 is so early that weeks before it would be another institution's",
        kind="logic",
        was="(place < len(known))",
    ),
    _of_kernel(
        "windows",
        "order_by_time_and_id",
        "what it leaves tied is put in order by id right after",
        kind="order",
        was="np.argsort",
    ),
    _of_kernel(
        "windows", "different", "few values or many, the answer is the same", kind="boundary", was="len(values)"
    ),
    _of_kernel("windows", "order_by_time_and_id", _SHIFTED, kind="edge", was="time_ms"),
    _of_kernel("windows", "Groups.windows", _SHIFTED, kind="edge", was="time_ms", number=1),
    _of_kernel("windows", "Groups.windows", "each bound is searched for by itself, in whatever order", kind="order"),
    _of_kernel("windows", "Groups.windows", _DISTINCT, kind="boundary", was="at_ms[farthest]", rows=_OF_BUYERS),
    _of_kernel("windows", "Groups.windows", _DISTINCT, kind="edge", was="at_ms", now="+ 1", number=1, rows=_OF_BUYERS),
    _of_kernel("windows", "Groups.windows", _DISTINCT, kind="edge", was="at_ms", now="- 1", number=2, rows=_OF_BUYERS),
    _of_kernel(
        "windows", "Groups.windows", _DISTINCT, kind="edge", was="window_ms", now="+ 1", number=1, rows=_OF_BUYERS
    ),
    _of_kernel("windows", "settle_ties", _FEWER_STEPS, kind="constant", now="-1"),
    _of_kernel(
        "windows",
        "belonging",
        "one number more at the end of a count by number, which nobody asks for",
        kind="sign",
        was="-1",
    ),
    _of_kernel(
        "windows",
        "belonging",
        "rows of an owner beyond those asked for are counted at the end, where nobody looks",
        kind="extreme",
        was="owner.max",
    ),
    _of_kernel("windows", "distinct_per_owner", _FEWER_STEPS, kind="constant", now="-1"),
    _of_kernel("windows", "distinct_per_owner", "equal ones stand together in this order too", kind="order"),
    _of_kernel(
        "windows",
        "version_in_force",
        "where the row is −1 it is not found, whatever stands in its place",
        kind="constant",
        now="-1",
        number=2,
    ),
    _of_kernel("ties", "visitor_ties", _FEWER_STEPS, kind="constant", now="-1"),
    _of_kernel("ties", "_best_first", "the faces of each swipe stand together in this order too", now="-swipe"),
    _of_kernel(
        "meetings",
        "meetings_of",
        "least person times the number of persons, less the other: as different for different pairs",
        kind="sign",
        was="np.minimum(one, other) * people",
    ),
    _of_kernel("meetings", "meetings_of", "pairs in another order, which nobody asks for", kind="order", now="-pair"),
    _of_kernel("meetings", "meetings_of", "the evidence is put in order anew", kind="order", now="-first"),
    _of_kernel("slab", "OTHER_SETTLEMENT", "any number that no swipe and no null has", now="3"),
    _of_kernel("slab", "END_OF_TIME_MS", "any time after all times", now="61"),
    _of_kernel("slab", "whole_pack_codes", "one code is different from no other: nothing is lost in either way"),
    _of_kernel("local_time", "LAST_DAY", "only a column without a time has it, and that has no day"),
    _of_kernel("local_time", "local_ms", _DRIFT, kind="edge", was="DAY_MS", number=2),
    _of_kernel("local_time", "local_ms", _DRIFT, kind="edge", was="DAY_MS", number=3),
    _of_kernel("local_time", "local_ms", _DRIFT, kind="edge", was="DAY_MS", now="+ 1", number=1),
    _of_kernel("local_time", "local_ms", _DRIFT, kind="edge", was="time_ms", now="- 1", number=1),
    _of_kernel("local_time", "_offsets_ms", _WHOLE, kind="edge", now="+ 1"),
    _of_kernel("local_time", "_offset_ms", _WHOLE, kind="edge", was="instant_ms", now="+ 1"),
    _of_kernel("slab_builder", "SlabBuilder.owners_of", _FEWER_STEPS, kind="logic", was="not settlement_ids or"),
    _of_kernel(
        "slab_builder",
        "SlabBuilder.build",
        "of a holder's agents one is enough, whichever comes first",
        kind="order",
        was="sorted(self._agents",
    ),
    _of_kernel(
        "slab_builder",
        "SlabBuilder.build",
        "of a holder's agents one is enough, whichever comes first",
        kind="order",
        was="(agent.occurred_at_ms",
    ),
    _of_kernel(
        "slab_builder",
        "keep_latest_drug",
        "no two events of one kind have one id: they are never equal",
        kind="boundary",
    ),
    _of_kernel("exact", "_fits", "at 2⁶¹ there is room as well as just below", kind="boundary"),
    _of_kernel("slab_builder", "SlabBuilder._known_versions", _NOBODY, kind="constant", was="0", now="-1"),
    _of_kernel("slab_builder", "SlabBuilder._known_injections", _NOBODY, kind="constant", was="0", now="-1"),
    _of_kernel("slab_builder", "SlabBuilder._known_movements", _NOBODY, kind="constant", was="0", now="-1", number=1),
    _of_kernel(
        "slab_builder",
        "SlabBuilder._home_versions",
        "whoever is told of households alone asks for nothing else",
        kind="sign",
        was="-1",
    ),
    _of_kernel(
        "slab_builder",
        "SlabBuilder._injection_table",
        "each injection is judged for itself, and findings are put in order anew",
        kind="order",
    ),
    _of_kernel("slab_tables", "joined", "one table joined to nothing is the same table", kind="constant", now="0"),
    _of_kernel(
        "custom", "CustomParameters.steps", "a checked rule has tiers, or all three of the others", kind="logic"
    ),
    _of_kernel(
        "custom",
        "_key_codes",
        "person times the number of institutions, less the institution: as different for different pairs",
        kind="sign",
    ),
    _of_kernel(
        "aggregates", "_ROOM", "both ways of adding up are exact; this is the bound of the quicker one", now="60"
    ),
    _of_kernel(
        "aggregates", "range_maxima", "two entries of the level below cover it too", kind="boundary", was="length <"
    ),
    _of_kernel("aggregates", "range_distinct", "equal ones stand together in this order too", kind="order"),
    _of_kernel(
        "measures",
        "reaches",
        "whole numbers reach a fraction as they reach what it is rounded up to",
        kind="equality",
        was="values.dtype",
    ),
    _of_kernel(
        "measures", "_drug_entries", "what is before the first position lies in no range", kind="constant", now="-1"
    ),
)
