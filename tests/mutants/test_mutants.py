"""The planting itself: faults are found everywhere, they reach whoever runs the code, and a survivor is seen."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from detectors.catalogue import rule_modules
from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.faults import KINDS, Fault, faults_of, faulty_tree
from tests.mutants.run import BENEATH, SHARED, Mutant, tried
from tests.mutants.trials import file_of, make_ready

RULES = sorted(rule_modules())
BUILDER = "detectors/slab_builder.py"


def mutant(fault: Fault, rule: str) -> Mutant:
    return Mutant(fault=fault, rules=(rule,), row=rule)


def red_of(mutants: Sequence[Mutant]) -> dict[str, str | None]:
    make_ready()
    return {str(verdict.mutant.fault): verdict.red for verdict in tried(mutants, jobs=2)}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_faults_of_several_kinds_and_none_in_its_examples(rule):
    faults = faults_of(file_of(rule))
    assert {"boundary", "equality", "logic", "sign"} & {fault.kind for fault in faults}
    assert not [fault for fault in faults if fault.function in {"EXAMPLES", "_sold", "_met", "_bought", "_day"}]


def test_every_kind_of_fault_is_found_and_every_fault_changes_the_source():
    faults = [fault for file in (*map(file_of, RULES), *SHARED, *BENEATH) for fault in faults_of(file)]
    assert {fault.kind for fault in faults} == set(KINDS)
    assert [fault for fault in faults if fault.was == fault.now] == []


def test_a_fault_is_one_change_of_one_function():
    fault = next(f for f in faults_of(file_of("split_settlement")) if f.kind == "boundary")
    assert (fault.function, fault.was) == ("detect", "spans.count >= parameters.count")
    faulty = __import__("ast").unparse(faulty_tree(fault))
    assert "spans.count > parameters.count" in faulty
    assert fault.was not in faulty


def test_every_entry_of_the_list_of_equivalents_gives_a_reason_and_fits_a_fault():
    assert [entry for entry in EQUIVALENT if len(entry.why) < 20] == []
    unfit = [entry for entry in EQUIVALENT if not any(map(entry.fits, faults_of(entry.file)))]
    assert unfit == []


@pytest.mark.slow
def test_a_fault_of_each_kind_turns_something_red_and_one_that_means_the_same_does_not():
    sample = []
    for rule in ("card_ring", "stock_imbalance", "nobody_at_counter"):
        faults = [fault for fault in faults_of(file_of(rule)) if mutant(fault, rule).equivalent is None]
        for kind in KINDS:
            sample += [mutant(fault, rule) for fault in faults if fault.kind == kind][:1]
        sample += [
            mutant(fault, rule)
            for fault in faults_of(BUILDER)
            if fault.function == "SlabBuilder.build" and fault.kind == "reversal"
        ]
    assert {fault for fault, red in red_of(sample).items() if red is None} == set()
    harmless = [
        mutant(f, "closed_hours") for f in faults_of(file_of("closed_hours")) if mutant(f, "closed_hours").equivalent
    ]
    assert set(red_of(harmless[:1]).values()) == {None}
