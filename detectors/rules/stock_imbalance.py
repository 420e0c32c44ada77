"""An institution sells more of a drug than it ever had.

Rule: for a drug of the swipe, from the latest count in the window on (none: from the window's start with nothing),
supply = the count + purchases − purchase returns + adjustments, sold = what the institution's swipes hold of it +
self-paid sales − self-paid returns. It fires when sold − supply is above the greater of `min_units` and `ratio` of the
supply, where the drug has a count or a purchase in the window at all.
Source: docs/rules.md, stock_imbalance; NHSA rule library, 药品进销存异常.
Edges: what lies at the time of the count is before it, of counts at one time the greater event_id holds; swipes and
movements at the anchor's time are inside whatever their order; deleted movements never were; quantities are exact.
Misses: institutions that send no stock movements; packs taken from one drug's stock and sold as another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from detectors.exact import MICRO, Units, fraction_of, in_micro_units, quantity_of, running_totals, shown
from detectors.examples import item, movement, swipe
from detectors.rule import Example, Firing, NotNegative, Ratio, Reach, RuleParameters, Window
from detectors.slab import MOVEMENT_KINDS, MovementTable, Slab
from detectors.windows import Bools, Groups, Int64s, Spans, between, different, search
from events.findings import Severity

SCOPE = "stock"

_COUNT = MOVEMENT_KINDS.index("count")
_PURCHASE = MOVEMENT_KINDS.index("purchase")
_ADJUST = MOVEMENT_KINDS.index("adjust")
_PURCHASE_RETURN = MOVEMENT_KINDS.index("purchase_return")
_SALE = MOVEMENT_KINDS.index("sale")
_SALE_RETURN = MOVEMENT_KINDS.index("sale_return")


class Parameters(RuleParameters, frozen=True, kw_only=True):
    """More than `min_units` and more than `ratio` of the supply is missing over `window` or since the last count."""

    window: Window = Window(400 * 86_400_000)
    min_units: NotNegative = 3.0
    ratio: Ratio = 0.05
    severity: Severity = "high"


def reach(parameters: Parameters) -> Reach:
    """Looks back one window."""
    return Reach(back_ms=parameters.window, ahead_ms=0)


def detect(slab: Slab, parameters: Parameters) -> list[Firing]:
    """Returns a firing for every swipe and drug of which more was sold than supplied."""
    book = _Book.of(slab)
    if len(book.keys) == 0:
        return []
    anchors = _anchors(book, parameters.window)
    balance = _balance(book, anchors)
    ratio = fraction_of(parameters.ratio)
    firings = []
    for number in _short_of(balance, parameters.min_units):
        supply, sold = quantity_of(balance.supply[number]), quantity_of(balance.sold[number])
        if sold - supply <= ratio * max(supply, Fraction(0)):
            continue
        firings.append(
            Firing(
                row=int(anchors.swipe[number]),
                key=book.name_of(int(anchors.key[number])),
                severity=parameters.severity,
                measure={"sold": shown(sold), "supply": shown(supply), "missing": shown(sold - supply)},
                threshold={
                    "min_units": parameters.min_units,
                    "ratio": parameters.ratio,
                    "window_ms": int(parameters.window),
                },
                evidence=_evidence(book, anchors, balance, number),
            )
        )
    return firings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Book:
    """Items and movements of the institutions' drugs that have a count or a purchase; their key is a row of `keys`."""

    slab: Slab
    keys: Int64s
    items: Int64s
    item_key: Int64s
    item_ms: Int64s
    moved: Int64s
    moved_key: Int64s
    moved_ms: Int64s

    @classmethod
    def of(cls, slab: Slab) -> _Book:
        swipes, items, movements, drugs = slab.swipes, slab.items, slab.movements, len(slab.drugs.names)
        moved_key = movements.institution.astype(np.int64) * drugs + movements.drug
        item_key = swipes.institution[items.swipe].astype(np.int64) * drugs + items.drug
        keys = different(moved_key[_is_proof(movements)])
        item_rows, moved = np.flatnonzero(np.isin(item_key, keys)), np.flatnonzero(np.isin(moved_key, keys))
        return cls(
            slab=slab,
            keys=keys,
            items=item_rows,
            item_key=search(keys, item_key[item_rows], "left"),
            item_ms=swipes.time_ms[items.swipe[item_rows]],
            moved=moved,
            moved_key=search(keys, moved_key[moved], "left"),
            moved_ms=movements.time_ms[moved],
        )

    def name_of(self, key: int) -> dict[str, str | list[str]]:
        """Returns a finding's key."""
        institution, drug = divmod(int(self.keys[key]), len(self.slab.drugs.names))
        return {
            "institution_id": self.slab.institution_ids.names[institution],
            "drug_code": self.slab.drugs.names[drug],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchors:
    """Swipes and drugs that can be judged: what lies in (since, t] is added up, on top of `count`.

    `count` is a number in the book's `moved`, or −1 where there was none.
    """

    swipe: Int64s
    key: Int64s
    at_ms: Int64s
    since_ms: Int64s
    count: Int64s


def _anchors(book: _Book, window_ms: int) -> _Anchors:
    """Returns every swipe and drug with a count or a purchase in the window, each pair once."""
    swipe, key = np.divmod(
        different(book.slab.items.swipe[book.items] * len(book.keys) + book.item_key), len(book.keys)
    )
    at_ms = book.slab.swipes.time_ms[swipe]
    is_count = book.slab.movements.kind[book.moved] == _COUNT
    is_proof = _is_proof(book.slab.movements)[book.moved]
    proofs = Groups.of(book.moved_key, np.flatnonzero(is_proof))
    proven = between(proofs, book.moved_ms, key, at_ms - window_ms, at_ms).count > 0
    swipe, key, at_ms = swipe[proven], key[proven], at_ms[proven]
    counts = Groups.of(book.moved_key, np.flatnonzero(is_count))
    in_window = between(counts, book.moved_ms, key, at_ms - window_ms, at_ms)
    has_count = in_window.count > 0
    count = np.full(len(swipe), -1, dtype=np.int64)
    count[has_count] = counts.rows[in_window.end[has_count] - 1]
    since_ms = at_ms - window_ms
    since_ms[has_count] = book.moved_ms[count[has_count]]
    return _Anchors(swipe=swipe, key=key, at_ms=at_ms, since_ms=since_ms, count=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Balance:
    """What was supplied and sold up to each anchor, in millionths, and where it stands in the book."""

    supply: Units
    sold: Units
    moved: Spans
    items: Spans
    moves_something: Bools


def _balance(book: _Book, anchors: _Anchors) -> _Balance:
    """Returns what each anchor adds up."""
    items, movements = book.slab.items, book.slab.movements
    item_units, moved_units = in_micro_units([items.quantity[book.items], movements.quantity[book.moved]])
    moved = between(Groups.of(book.moved_key), book.moved_ms, anchors.key, anchors.since_ms, anchors.at_ms)
    sold = between(Groups.of(book.item_key), book.item_ms, anchors.key, anchors.since_ms, anchors.at_ms)
    into_supply, into_sold = _signs(book)
    supply = _sums(moved_units * into_supply, moved)
    has_count = anchors.count >= 0
    supply[has_count] += moved_units[anchors.count[has_count]]
    return _Balance(
        supply=supply,
        sold=_sums(moved_units * into_sold, moved) + _sums(item_units, sold),
        moved=moved,
        items=sold,
        moves_something=(into_supply + into_sold != 0) & (movements.quantity[book.moved] != 0),
    )


def _sums(units: Units, spans: Spans) -> Units:
    """Returns each span's sum; what lies in a span is contiguous in its groups."""
    totals = running_totals(units[spans.groups.rows])
    return totals[spans.end] - totals[spans.start]


def _short_of(balance: _Balance, min_units: float) -> list[int]:
    """Returns the anchors at which more than `min_units` are missing."""
    missing: Units = balance.sold - balance.supply
    least = fraction_of(min_units) * MICRO
    is_short = missing > (math.floor(least) if missing.dtype == np.int64 else least)
    return np.flatnonzero(is_short).tolist()


def _evidence(book: _Book, anchors: _Anchors, balance: _Balance, number: int) -> list[str]:
    """Returns the ids of the count, the movements and the settlements that were added up, in time order."""
    movements, swipes = book.slab.movements, book.slab.swipes
    inside = balance.moved.rows_of(number)
    inside = inside[balance.moves_something[inside]]
    count = anchors.count[number]
    moved = book.moved[inside if count < 0 else np.append(inside, count)]
    sold_in = np.unique(book.slab.items.swipe[book.items[balance.items.rows_of(number)]])
    ids = [*movements.event_id[moved].tolist(), *swipes.settlement_id[sold_in].tolist()]
    times = [*movements.time_ms[moved].tolist(), *swipes.time_ms[sold_in].tolist()]
    return [name for _, name in sorted(zip(times, ids, strict=True))]


def _is_proof(movements: MovementTable) -> Bools:
    """Returns which movements show that the institution keeps a book of the drug."""
    return np.asarray((movements.kind == _COUNT) | (movements.kind == _PURCHASE))


def _signs(book: _Book) -> tuple[Int64s, Int64s]:
    """Returns by which sign each movement goes into the supply and into what was sold; insured sales are swipes."""
    kind, self_pay = book.slab.movements.kind[book.moved], book.slab.movements.self_pay[book.moved]
    into_supply = np.isin(kind, [_PURCHASE, _ADJUST]).astype(np.int64) - (kind == _PURCHASE_RETURN)
    into_sold = ((kind == _SALE).astype(np.int64) - (kind == _SALE_RETURN)) * self_pay
    return into_supply, into_sold


def _sold(settlement_id: str, offset: str, quantity: float) -> dict[str, object]:
    return swipe(settlement_id, offset, items=[item(quantity=quantity)])


EXAMPLES = (
    Example(
        title="ten in stock, thirteen and a bit sold",
        events=[movement("m", "0h", "count", 10), _sold("a", "1h", 13), _sold("b", "2h", 0.1)],
        fires={"b": "high"},
    ),
    Example(
        title="five per cent of a hundred are no more than a slip",
        events=[movement("m", "0h", "purchase", 100), _sold("a", "1h", 105)],
        fires={},
    ),
    Example(
        title="the delivery was deleted",
        events=[
            movement("m", "0h", "count", 0),
            movement("n", "1h", "purchase", 10),
            movement("d", "48h", "deletion", 1, refers_to="n"),
            _sold("a", "2h", 3),
            _sold("b", "3h", 1),
        ],
        fires={"b": "high"},
    ),
    Example(
        title="nothing is known of what it bought",
        events=[movement("m", "0h", "adjust", 1), _sold("a", "1h", 50)],
        fires={},
    ),
)
