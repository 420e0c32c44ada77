"""Swipes as columns: put in as rows, found by settlement, person, place, stock or trace code, taken out as columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.columns import Coded, HomeColumns, ItemColumns, PackColumns, SwipeColumns
from detectors.extraction import NO_HOMES, NO_ITEMS, NO_PACKS
from detectors.local_time import DAY_MS
from detectors.slab import CREDENTIALS, Till
from detectors.windows import Bools, Int64s, Texts, different
from streams.rows import Home, ItemRow, SwipeRow
from streams.store.columns import Column, extend_texts, numbered, ranges, texts_of
from streams.store.files import Files
from streams.store.key_index import hash_of, hashes_of
from streams.store.names import Names

Stock = tuple[str, str]
"""An institution and a drug."""
Day = tuple[str, int]
"""An institution and a day of UTC since 1970."""
Owned = tuple[Int64s, Int64s]
"""The number of a question and a row that answers it, one each."""

STANDS: Final = -1
"""In place of the time of its reversal: the swipe is not reversed."""

_CREDENTIAL_CODE: Final = {name: code for code, name in enumerate(CREDENTIALS)}
_NUMBERS: Final[dict[str, Callable[[SwipeRow], int]]] = {
    "credential": lambda row: _CREDENTIAL_CODE[row.credential],
    "total_fen": lambda row: row.total_fen,
    "fund_fen": lambda row: row.fund_fen,
    "account_fen": lambda row: row.account_fen,
    "delivery": lambda row: row.delivery,
    "versions": lambda row: row.versions,
}


class SwipeStore:
    """Every swipe once, whatever stage it came to first; rows are numbered from 0 in order of arrival."""

    def __init__(self, files: Files) -> None:
        self._persons, self._institutions = files.names("person"), files.names("institution")
        self._drugs, self._households = files.names("drug"), files.names("household")
        dictionaries: dict[str, Names] = {
            "person_id": self._persons,
            "institution_id": self._institutions,
            "till_id": files.names("till"),
            "agent_person_id": self._persons,
            "category": files.names("category"),
            "insured_region": files.names("region"),
        }
        self._settlement, self._time_ms = files.blobs("settlement"), files.column("time", "i8")
        self._coded = {name: (files.column(name, "i1"), names) for name, names in dictionaries.items()}
        self._household = files.column("household", "i1")
        self._number = {name: files.column(name, "i1") for name in _NUMBERS}
        self._items, self._packs = _Items(files, self._drugs), _Packs(files)
        self._by_settlement, self._by_person = files.index("by_settlement"), files.index("by_person")
        self._by_day, self._by_stock, self._by_code = (files.index(f"by_{key}") for key in ("day", "stock", "code"))
        self._undone, self._moved = _Later(files, "undone"), _Later(files, "moved")
        self._first_and_last_ms = self._span((0, -1), self._time_ms.values)

    @staticmethod
    def _span(known: tuple[int, int], time_ms: Int64s) -> tuple[int, int]:
        if len(time_ms) == 0:
            return known
        first, last = int(time_ms.min()), int(time_ms.max())
        return (first, last) if known[1] < known[0] else (min(known[0], first), max(known[1], last))

    def __len__(self) -> int:
        return len(self._time_ms)

    # ------------------------------------------------------------------------------------------------------ put in

    def put(self, given: Sequence[SwipeRow]) -> Int64s:
        """Takes rows in and returns their places; those of a known settlement say what they know better about it."""
        known = self.find([row.settlement_id for row in given]).tolist()
        new: dict[str, SwipeRow] = {}
        for row, place in zip(given, known, strict=True):
            if place < 0:
                new.setdefault(row.settlement_id, row)
        place_of = dict(zip(new, range(len(self), len(self) + len(new)), strict=True))
        self._append(list(new.values()))
        rows = [place_of[row.settlement_id] if place < 0 else place for row, place in zip(given, known, strict=True)]
        for row, place in zip(given, rows, strict=True):
            if new.get(row.settlement_id) is not row:
                self._learn(place, row)
        return np.array(rows, dtype=np.int64)

    def _learn(self, at: int, row: SwipeRow) -> None:
        if row.reversed_at_ms is not None:
            self._undone.say(at, row.reversals, row.reversed_at_ms)
        if row.versions > int(self._number["versions"].values[at]):
            self._moved.say(at, row.versions, row.homes)

    def _append(self, new: Sequence[SwipeRow]) -> None:
        first = len(self)
        extend_texts(self._settlement, [row.settlement_id for row in new])
        time_ms = np.array([row.occurred_at_ms for row in new], dtype=np.int64)
        self._first_and_last_ms = self._span(self._first_and_last_ms, time_ms)
        self._time_ms.extend(time_ms)
        for name, (column, names) in self._coded.items():
            column.extend(names.codes([getattr(row, name) for row in new]))
        for name, number_of in _NUMBERS.items():
            self._number[name].extend([number_of(row) for row in new])
        self._household.extend(self._households.codes([row.homes[0][1] if row.homes else None for row in new]))
        self._items.extend(new)
        self._packs.extend(new)
        self._by_settlement.add(hashes_of(row.settlement_id for row in new), first)
        self._by_person.add(hashes_of(row.person_id for row in new), first)
        self._by_day.add([_day_hash(row.institution_id, row.occurred_at_ms // DAY_MS) for row in new], first)
        stocks = [(at, (row.institution_id, code)) for at, row in enumerate(new, first) for code in _drugs_of(row)]
        self._by_stock.add_pairs([hash_of(*stock) for _, stock in stocks], [at for at, _ in stocks])
        codes = [(at, code) for at, row in enumerate(new, first) for code in row.codes]
        self._by_code.add_pairs(hashes_of(code for _, code in codes), [at for at, _ in codes])
        for at, row in enumerate(new, start=first):
            if row.reversed_at_ms is not None:
                self._undone.say(at, row.reversals, row.reversed_at_ms)
            if len(row.homes) > 1:
                self._moved.say(at, row.versions, row.homes)

    def keep(self, other: SwipeStore, *, swipes_since_ms: int, items_since_ms: int, packs_since_ms: int) -> Int64s:
        """Takes from another store what is not older: swipes with all they have, else their items, or their packs.

        Returns the new place of each of its rows, −1 for those that are left out. This store has to be empty.
        """
        time_ms = other._time_ms.values
        with_items, with_packs = time_ms >= items_since_ms, time_ms >= packs_since_ms
        has_items, has_packs = other._items.counts() > 0, other._packs.counts() > 0
        is_whole = time_ms >= swipes_since_ms
        rows = np.flatnonzero(is_whole | (with_items & has_items) | (with_packs & has_packs)).astype(np.int64)
        place_of = np.full(len(other), -1, dtype=np.int64)
        place_of[rows] = np.arange(len(rows), dtype=np.int64)
        drugs = self._keep_columns(other, rows)
        self._items.keep(other._items, rows[(is_whole | with_items)[rows]], place_of, drugs)
        self._packs.keep(other._packs, rows[(is_whole | with_packs)[rows]], place_of)
        for name in ("_by_settlement", "_by_person", "_by_day", "_by_stock", "_by_code"):
            getattr(self, name).extend_from(getattr(other, name), place_of)
        self._undone.keep(other._undone, place_of)
        self._moved.keep(other._moved, place_of)
        return place_of

    def _keep_columns(self, other: SwipeStore, rows: Int64s) -> Int64s:
        """Takes the columns of these rows over; returns the new codes of drugs."""
        self._settlement.extend_from(other._settlement, rows)
        self._time_ms.extend(other._time_ms.values[rows])
        self._first_and_last_ms = self._span((0, -1), self._time_ms.values)
        for name in _NUMBERS:
            self._number[name].extend(other._number[name].values[rows])
        new_codes: dict[int, Int64s] = {}
        for name, (column, names) in self._coded.items():
            if id(names) not in new_codes:
                used = [c.values[rows] for c, of in other._coded.values() if of is other._coded[name][1]]
                new_codes[id(names)] = names.extend_from(other._coded[name][1], _used(np.concatenate(used)))
            column.extend(new_codes[id(names)][other._coded[name][0].values[rows]])
        households = other._household.values[rows]
        self._household.extend(self._households.extend_from(other._households, _used(households))[households])
        return self._drugs.extend_from(other._drugs, np.arange(len(other._drugs), dtype=np.int64))

    # ------------------------------------------------------------------------------------------------------- found

    def find(self, settlement_ids: Sequence[str]) -> Int64s:
        """Returns the row of each settlement, or −1."""
        found = np.full(len(settlement_ids), -1, dtype=np.int64)
        owner, rows = self._by_settlement.find(hashes_of(settlement_ids))
        for number, row, name in zip(owner.tolist(), rows.tolist(), texts_of(self._settlement, rows), strict=True):
            if name == settlement_ids[number]:
                found[number] = row
        return found

    def of_persons(self, person_ids: Sequence[str]) -> Owned:
        """Returns the swipes of each person."""
        found = self._by_person.find(hashes_of(person_ids))
        return self._kept(found, "person_id", person_ids)

    def of_days(self, days: Sequence[Day]) -> Owned:
        """Returns the swipes of each institution and UTC day."""
        owner, rows = self._by_day.find([_day_hash(name, day) for name, day in days])
        wanted = np.array([day for _, day in days], dtype=np.int64)
        same = self._time_ms.values[rows] // DAY_MS == wanted[owner]
        return self._kept((owner[same], rows[same]), "institution_id", [name for name, _ in days])

    def of_stocks(self, stocks: Sequence[Stock]) -> Owned:
        """Returns the swipes with an item of each drug at each institution."""
        found = self._by_stock.find([hash_of(*stock) for stock in stocks])
        owner, rows = self._kept(found, "institution_id", [name for name, _ in stocks])
        has_drug = self._items.have_drug(rows, self._drugs.find([drug for _, drug in stocks])[owner])
        return owner[has_drug], rows[has_drug]

    def of_codes(self, codes: Sequence[str]) -> Owned:
        """Returns the swipes that may hold each trace code (by its hash)."""
        return self._by_code.find(hashes_of(codes))

    def of_drugs(self, drug_codes: Sequence[str]) -> Int64s:
        """Returns the swipes with an item of any of these drugs; looks at every item there is."""
        return self._items.with_drugs(self._drugs.find(drug_codes))

    def _kept(self, found: Owned, name: str, wanted: Sequence[str]) -> Owned:
        """Returns the pairs whose row has the text that its number asks for, and not only the hash."""
        owner, rows = found
        column, names = self._coded[name]
        same = column.values[rows] == names.find(wanted)[owner]
        return owner[same], rows[same]

    # --------------------------------------------------------------------------------------------------- looked at

    def first_and_last_ms(self) -> tuple[int, int]:
        """Returns the times of the first and the last swipe there is; (0, −1) when there is none."""
        return self._first_and_last_ms

    def since(self, first_ms: int) -> Int64s:
        """Returns the swipes from a time on."""
        return np.flatnonzero(self._time_ms.values >= first_ms)

    def stocks(self, rows: Int64s) -> list[Stock]:
        """Returns the stocks that these swipes draw on, each once."""
        owner, drugs = self._items.drugs(rows)
        return list(dict.fromkeys(zip(self.text("institution_id", rows[owner]), drugs, strict=True)))

    def repeated_codes(self, rows: Int64s) -> list[str]:
        """Returns the trace codes of these swipes that stand in more than one, each once."""
        codes = list(dict.fromkeys(self._packs.columns(rows).code))
        owner, _ = self.of_codes(codes)
        return [codes[number] for number in np.flatnonzero(np.bincount(owner, minlength=len(codes)) > 1).tolist()]

    def time_ms(self, rows: Int64s) -> Int64s:
        """Returns when these swipes happened."""
        return self._time_ms.values[rows]

    def settlement_ids(self, rows: npt.ArrayLike) -> list[str]:
        """Returns the names of these swipes."""
        return texts_of(self._settlement, rows)

    def text(self, name: str, rows: Int64s) -> list[str]:
        """Returns a text that every swipe has: person_id, institution_id, till_id."""
        column, names = self._coded[name]
        used, number = numbered(column.values[rows])
        texts = names.of(used)
        return [texts[one] for one in number.tolist()]

    def code(self, name: str, rows: Int64s) -> Int64s:
        """Returns the number that stands for a text in this store."""
        codes: Int64s = self._coded[name][0].values[rows].astype(np.int64)
        return codes

    def tills(self, rows: Int64s) -> list[Till]:
        """Returns the tills at which these swipes were made."""
        return list(zip(self.text("institution_id", rows), self.text("till_id", rows), strict=True))

    def reversed_at_ms(self, rows: Int64s) -> Int64s:
        """Returns when each of these swipes was reversed, STANDS for those that were not."""
        at_ms = np.full(len(rows), STANDS, dtype=np.int64)
        latest = self._undone.latest(rows)
        if latest:
            for number in np.flatnonzero(np.isin(rows, list(latest))).tolist():
                at_ms[number] = latest[int(rows[number])][1]
        return at_ms

    def homes(self, row: int) -> tuple[int, tuple[Home, ...]]:
        """Returns by how many versions of its person which households are known of a swipe."""
        moved = self._moved.latest(np.array([row])).get(row)
        if moved is not None:
            return moved[0], tuple((from_ms, household) for from_ms, household in moved[1])
        code, versions = int(self._household.values[row]), int(self._number["versions"].values[row])
        household = None if code < 0 else self._households.of([code])[0]
        return versions, ((int(self._time_ms.values[row]), household),) if versions else ()

    def rows(self, rows: Int64s) -> list[SwipeRow]:
        """Returns these swipes as they were put in, with what has been said of them since."""
        undone = self._undone.latest(rows)
        texts = {name: self._nullable(column.values[rows], names) for name, (column, names) in self._coded.items()}
        names = self.settlement_ids(rows)
        return [self._row(number, row, names[number], texts, undone) for number, row in enumerate(rows.tolist())]

    def _row(
        self, number: int, row: int, name: str, texts: dict[str, list[str | None]], undone: dict[int, tuple[int, Any]]
    ) -> SwipeRow:
        reversals, reversed_at_ms = undone.get(row, (0, None))
        versions, homes = self.homes(row)
        numbers = {name: int(column.values[row]) for name, column in self._number.items()}
        said: dict[str, Any] = {
            **numbers,
            **{name: column[number] for name, column in texts.items()},
            "settlement_id": name,
            "occurred_at_ms": int(self._time_ms.values[row]),
            "credential": CREDENTIALS[numbers["credential"]],
            "delivery": bool(numbers["delivery"]),
            "items": self._items.of(row),
            "codes": self._packs.of(row),
            "reversals": reversals,
            "reversed_at_ms": reversed_at_ms,
            "versions": versions,
            "homes": homes,
        }
        return SwipeRow(**said)

    @staticmethod
    def _nullable(codes: Int64s, names: Names) -> list[str | None]:
        coded = _coded(codes, names)
        return [None if code < 0 else coded.names[code] for code in coded.codes.tolist()]

    def columns(self, rows: Int64s, *, items: bool = False, packs: bool = False, homes: bool = False) -> SwipeColumns:
        """Returns these swipes as columns, with their items, packs and households where they are asked for."""
        coded = {name: _coded(column.values[rows], names) for name, (column, names) in self._coded.items()}
        numbers = {name: column.values[rows].astype(np.int64) for name, column in self._number.items()}
        return SwipeColumns(
            settlement_id=_texts(self.settlement_ids(rows)),
            time_ms=self._time_ms.values[rows],
            person=coded["person_id"],
            institution=coded["institution_id"],
            till=coded["till_id"],
            credential=numbers["credential"],
            agent=coded["agent_person_id"],
            category=coded["category"],
            insured_region=coded["insured_region"],
            total_fen=numbers["total_fen"],
            fund_fen=numbers["fund_fen"],
            account_fen=numbers["account_fen"],
            delivery=numbers["delivery"] == 1,
            items=self._items.columns(rows) if items else NO_ITEMS,
            packs=self._packs.columns(rows) if packs else NO_PACKS,
            homes=self._home_columns(rows) if homes else NO_HOMES,
        )

    def _home_columns(self, rows: Int64s) -> HomeColumns:
        moved = self._moved.latest(rows)
        is_known, has_moved = self._number["versions"].values[rows] > 0, np.isin(rows, list(moved))
        still = np.flatnonzero(is_known & ~has_moved)
        household = _coded(self._household.values[rows[still]], self._households)
        places: list[int] = np.flatnonzero(has_moved).tolist()
        changed = [(number, *home) for number in places for home in moved[int(rows[number])][1]]
        names = list(household.names)
        names_changed = [name for _, _, name in changed]
        return HomeColumns(
            swipe=np.concatenate([still, np.array([number for number, _, _ in changed], dtype=np.int64)]),
            from_ms=np.concatenate(
                [self._time_ms.values[rows[still]], np.array([at_ms for _, at_ms, _ in changed], dtype=np.int64)]
            ),
            household=Coded(
                codes=np.concatenate(
                    [
                        household.codes,
                        np.array(
                            [-1 if name is None else len(names) + at for at, name in enumerate(names_changed)],
                            dtype=np.int64,
                        ),
                    ]
                ),
                names=[*names, *(name or "" for name in names_changed)],
            ),
        )


class _Items:
    """The items of all swipes, those of one together and in line order."""

    def __init__(self, files: Files, drugs: Names) -> None:
        self._drugs = drugs
        self._drug = files.column("item_drug", "i1")
        self._quantity, self._days = files.column("quantity", "f4"), files.column("days_supply", "f4")
        self._end = files.column("item_end", "i1")

    def extend(self, new: Sequence[SwipeRow]) -> None:
        """Afterwards the items of these swipes stand at the end."""
        items = [item for row in new for item in row.items]
        ends = np.cumsum([len(row.items) for row in new], dtype=np.int64) + len(self._drug)
        self._drug.extend(self._drugs.codes([item.drug_code for item in items]))
        self._quantity.extend([item.quantity for item in items])
        self._days.extend([np.nan if item.days_supply is None else item.days_supply for item in items])
        self._end.extend(ends)

    def counts(self) -> Int64s:
        """Returns how many items each swipe has."""
        return _sizes(self._end)

    def keep(self, other: _Items, rows: Int64s, place_of: Int64s, drugs: Int64s) -> None:
        """Takes the items of these swipes over, which have new places; all others that have one are left without."""
        owner, at = _of_rows(other._end, rows)
        self._drug.extend(drugs[other._drug.values[at]])
        self._quantity.extend(other._quantity.values[at])
        self._days.extend(other._days.values[at])
        self._end.extend(_ends(place_of[rows[owner]], place_of))

    def of(self, row: int) -> tuple[ItemRow, ...]:
        """Returns the items of one swipe."""
        _, at = _of_rows(self._end, np.array([row]))
        drugs = self._drugs.of(self._drug.values[at])
        quantities, days = self._quantity.values[at].tolist(), self._days.values[at].tolist()
        return tuple(
            ItemRow(drug, quantity, None if np.isnan(day) else day)
            for drug, quantity, day in zip(drugs, quantities, days, strict=True)
        )

    def columns(self, rows: Int64s) -> ItemColumns:
        """Returns the items of these swipes."""
        owner, at = _of_rows(self._end, rows)
        return ItemColumns(
            swipe=owner,
            drug=_coded(self._drug.values[at], self._drugs),
            quantity=self._quantity.values[at].astype(np.float64),
            days_supply=self._days.values[at].astype(np.float64),
        )

    def drugs(self, rows: Int64s) -> tuple[Int64s, list[str]]:
        """Returns the drugs of these swipes' items, and for each the position of its swipe."""
        owner, at = _of_rows(self._end, rows)
        coded = _coded(self._drug.values[at], self._drugs)
        return owner, [coded.names[code] for code in coded.codes.tolist()]

    def have_drug(self, rows: Int64s, drugs: Int64s) -> Bools:
        """Returns for each swipe whether one of its items is of its drug."""
        owner, at = _of_rows(self._end, rows)
        has = np.zeros(len(rows), dtype=np.bool_)
        has[owner[self._drug.values[at] == drugs[owner]]] = True
        return has

    def with_drugs(self, drugs: Int64s) -> Int64s:
        """Returns the swipes with an item of any of these drugs."""
        items = np.flatnonzero(np.isin(self._drug.values, drugs[drugs >= 0]))
        return different(np.searchsorted(self._end.values, items, side="right"))


class _Packs:
    """The trace codes of all swipes, those of one together."""

    def __init__(self, files: Files) -> None:
        self._code, self._end = files.blobs("pack_code"), files.column("pack_end", "i1")

    def extend(self, new: Sequence[SwipeRow]) -> None:
        """Afterwards the codes of these swipes stand at the end."""
        ends = np.cumsum([len(row.codes) for row in new], dtype=np.int64) + len(self._code)
        extend_texts(self._code, [code for row in new for code in row.codes])
        self._end.extend(ends)

    def counts(self) -> Int64s:
        """Returns how many codes each swipe has."""
        return _sizes(self._end)

    def keep(self, other: _Packs, rows: Int64s, place_of: Int64s) -> None:
        """Takes the codes of these swipes over, which have new places; all others that have one are left without."""
        owner, at = _of_rows(other._end, rows)
        self._code.extend_from(other._code, at)
        self._end.extend(_ends(place_of[rows[owner]], place_of))

    def of(self, row: int) -> tuple[str, ...]:
        """Returns the codes of one swipe."""
        return tuple(texts_of(self._code, _of_rows(self._end, np.array([row]))[1]))

    def columns(self, rows: Int64s) -> PackColumns:
        """Returns the codes of these swipes."""
        owner, at = _of_rows(self._end, rows)
        return PackColumns(swipe=owner, code=texts_of(self._code, at))


class _Later:
    """What is said of a row after it came, again and again: what was said with the greatest number holds."""

    def __init__(self, files: Files, name: str) -> None:
        self._row, self._rank = files.column(f"{name}_row", "i1"), files.column(f"{name}_rank", "i1")
        self._said, self._index = files.blobs(f"{name}_said"), files.index(f"by_{name}")

    def say(self, row: int, rank: int, what: object) -> None:
        """It holds from now on, unless something was said with this rank or a greater one."""
        known = self.latest(np.array([row])).get(row)
        if known is not None and known[0] >= rank:
            return
        self._index.add([row], len(self._row))
        self._row.extend([row])
        self._rank.extend([rank])
        self._said.extend([msgspec.msgpack.encode(what)])

    def keep(self, other: _Later, place_of: Int64s) -> None:
        """Takes over what was said of rows that have new places."""
        said_of = place_of[other._row.values] if len(other._row) else np.zeros(0, dtype=np.int64)
        entries = np.flatnonzero(said_of >= 0).astype(np.int64)
        self._index.add(said_of[entries].tolist(), 0)
        self._row.extend(said_of[entries])
        self._rank.extend(other._rank.values[entries])
        self._said.extend_from(other._said, entries)

    def latest(self, rows: Int64s) -> dict[int, tuple[int, Any]]:
        """Returns (rank, what holds) of those of the rows of which anything was said."""
        if len(self._row) == 0:
            return {}
        _, at = self._index.find(rows.astype(np.uint32))
        at = at[np.argsort(self._rank.values[at], kind="stable")]
        said = zip(self._row.values[at].tolist(), self._rank.values[at].tolist(), self._said.at(at), strict=True)
        return {row: (rank, msgspec.msgpack.decode(what)) for row, rank, what in said}


def _drugs_of(row: SwipeRow) -> set[str]:
    return {item.drug_code for item in row.items}


def _used(codes: npt.NDArray[Any]) -> Int64s:
    """Returns the codes in use, ascending, without null."""
    used = different(codes)
    return used[used >= 0]


def _ends(owners: Int64s, place_of: Int64s) -> Int64s:
    """Returns for each new place the end of its entries, whose owners' places ascend."""
    return np.cumsum(np.bincount(owners, minlength=int(np.count_nonzero(place_of >= 0))), dtype=np.int64)


def _sizes(ends: Column) -> Int64s:
    """Returns how many entries each row has."""
    after: Int64s = ends.values.astype(np.int64)
    after[1:] -= after[:-1].copy()
    return after


def _of_rows(ends: Column, rows: Int64s) -> Owned:
    """Returns (position among the rows, entry) for the entries of these rows, whose ends are in a column."""
    if len(rows) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    after = ends.values[rows].astype(np.int64)
    starts = np.where(rows > 0, ends.values[np.maximum(rows - 1, 0)], 0).astype(np.int64)
    return ranges(starts, after - starts)


def _coded(codes: npt.NDArray[Any], names: Names) -> Coded:
    """Returns codes of the store as codes of their own, with the names they need."""
    used, number = numbered(codes)
    missing = int(np.searchsorted(used, 0))
    return Coded(codes=np.maximum(number - missing, -1), names=names.of(used[missing:]))


def _texts(values: Sequence[str]) -> Texts:
    column = np.empty(len(values), dtype=np.object_)
    column[:] = values
    return column


def _day_hash(institution_id: str, day: int) -> int:
    return hash_of(institution_id, str(day))
