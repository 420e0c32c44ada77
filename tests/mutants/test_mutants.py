"""The planting itself: faults are found everywhere, they reach whoever runs the code, and a survivor is seen."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Sequence

import pytest

from detectors.catalogue import rule_modules
from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.faults import CHECKOUT, KINDS, Fault, faults_of, faulty_tree
from tests.mutants.planned import BENEATH, SHARED, Mutant
from tests.mutants.run import tried
from tests.mutants.trials import CUSTOM, file_of, make_ready

RULES = sorted(rule_modules())
SAMPLED_RULES = ("card_ring", "nobody_at_counter", "stock_imbalance")
FILES = (*map(file_of, RULES), *SHARED, *BENEATH, *CUSTOM)


def mutant(fault: Fault, rule: str) -> Mutant:
    return Mutant(fault=fault, rules=(rule,), row=rule)


def red_of(mutants: Sequence[Mutant]) -> dict[str, str | None]:
    return {str(verdict.mutant.fault): verdict.red for verdict in tried(mutants, jobs=2)}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_faults_and_none_of_them_in_its_examples(rule):
    faults = faults_of(file_of(rule))
    assert {"boundary", "edge"} & {fault.kind for fault in faults}
    assert {fault.function for fault in faults} & {"EXAMPLES", "_sold", "_met", "_bought", "_day"} == set()


def test_every_kind_of_fault_is_found_and_every_fault_changes_the_source():
    faults = [fault for file in FILES for fault in faults_of(file)]
    assert {fault.kind for fault in faults} == set(KINDS)
    assert [fault for fault in faults if fault.was == fault.now] == []
    assert len(set(map(str, faults))) == len(faults)


def test_a_fault_is_one_change_of_one_function():
    of_windows = faults_of("detectors/windows.py")
    fault = next(fault for fault in of_windows if (fault.function, fault.kind) == ("Groups.positions", "boundary"))
    assert fault.was == "'left'"
    sound = (CHECKOUT / fault.file).read_text()
    changes = difflib.ndiff(ast.unparse(ast.parse(sound)).splitlines(), ast.unparse(faulty_tree(fault)).splitlines())
    changed = [line for line in changes if line.startswith(("+", "-"))]
    assert [line.replace("'right'", "'left'")[1:] for line in changed] == [changed[0][1:]] * 2


def test_every_entry_of_the_list_of_equivalents_gives_a_reason_and_fits_a_fault():
    assert [entry for entry in EQUIVALENT if len(entry.why) < 20] == []
    assert [entry for entry in EQUIVALENT if not any(map(entry.fits, faults_of(entry.file)))] == []


@pytest.mark.slow
def test_a_fault_of_each_kind_turns_a_test_red_and_one_that_means_the_same_does_not():
    sample = []
    for rule in SAMPLED_RULES:
        mutants = [
            mutant(fault, rule) for fault in [*faults_of(file_of(rule)), *faults_of("detectors/slab_builder.py")]
        ]
        faulty = [m for m in mutants if m.equivalent is None]
        sample += [
            next(m for m in faulty if m.fault and m.fault.kind == kind) for kind in ("boundary", "edge", "reach")
        ]
        sample += [
            m for m in faulty if m.fault and m.fault.function == "SlabBuilder.build" and m.fault.kind == "reversal"
        ]
    make_ready()
    assert {fault for fault, red in red_of(sample).items() if red is None} == set()
    harmless = [mutant(fault, "closed_hours") for fault in faults_of(file_of("closed_hours"))]
    assert set(red_of([m for m in harmless if m.equivalent][:1]).values()) == {None}


@pytest.mark.slow
def test_ids_that_descend_turn_a_test_red_for_every_rule_that_cites_several():
    make_ready()
    settling = next(
        f for f in faults_of("detectors/windows.py") if f.kind == "order" and f.now.startswith("list(reversed(")
    )
    mutants = [mutant(settling, rule) for rule in ("card_batch", "injection_drawdown", "trace_code_reuse")]
    assert [verdict.mutant.row for verdict in tried(mutants, jobs=2) if verdict.red is None] == []
