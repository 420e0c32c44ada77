"""What is tried on the product with a fault in it: the tests of its rules, cheapest first, until one goes red.

Everything that does not depend on the fault is made ready once: the worlds and what the brute force expects of them.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from types import FrameType

from detectors.catalogue import Ruleset, read_ruleset, rule_modules
from tests import product
from tests.brute_force import accept, findings, stories
from tests.brute_force.cases import Case, cases_of, golden_cases
from tests.detectors.test_golden_by_product import product_judge
from tests.detectors.test_laws import (
    SEEDS,
    Decision,
    decision_of,
    examples,
    expected_decision,
    judged,
    rules_of,
    test_example_fires_where_it_says_and_nowhere_else,
    test_rule_of_an_empty_slab_finds_nothing,
    told,
)
from tests.detectors.test_reach import stories_about, test_an_anchor_depends_on_nothing_beyond_the_rules_reach
from tests.mutants.faults import CHECKOUT, Fault

Trial = tuple[str, Callable[[], None]]
CUSTOM = tuple(f"detectors/{name}.py" for name in ("custom", "aggregates", "measures"))
"""What judges custom rules, which have a test of their own."""
KERNELS_WITH_TESTS = ("windows", "local_time", "exact", "slab_builder")


class World:
    """A random world with its rules and what the brute force finds in it."""

    def __init__(self, seed: int) -> None:
        self.seed, self.rules = seed, rules_of(seed)
        self.lines = told(seed, conflicts=seed % 2 == 1)
        accepted, _ = accept(self.lines)
        self._expected: dict[str, list[Decision]] = defaultdict(list)
        for row in findings(accepted, self.rules):
            self._expected[row["detector"]].append(expected_decision(row))

    def ruleset(self, rules: Sequence[str]) -> Ruleset:
        return read_ruleset({name: self.rules[name] for name in rules}, "world")

    def compare(self, rules: Sequence[str], batch: int | None) -> None:
        """Raises where the product finds something else than the brute force."""
        found = sorted(decision_of(finding) for finding in judged(self.lines, self.ruleset(rules), batch))
        assert found == sorted(decision for name in rules for decision in self._expected[name])

    def cites_several(self, rule: str) -> bool:
        """Returns whether a finding of the rule cites more than one event, so that their order matters."""
        return any(len(decision[6]) > 1 for decision in self._expected[rule])


@functools.cache
def worlds() -> tuple[World, ...]:
    """Returns the worlds of the laws."""
    return tuple(World(seed) for seed in SEEDS)


@functools.cache
def own_cases(name: str) -> tuple[Case, ...]:
    """Returns the cases of the test that bears the name of a rule or of another module of detectors/."""
    test = f"tests.detectors.test_{name}"
    return tuple(cases_of(importlib.import_module(test))) if importlib.util.find_spec(test) else ()


def world_trials(rules: Sequence[str], seeds: range) -> Iterator[Trial]:
    """Yields what compares these worlds, judged whole, with the brute force."""
    for seed in seeds:
        yield f"world {seed}", functools.partial(worlds()[seed].compare, rules, None)


def story_trials(rules: Sequence[str], file: str) -> Iterator[Trial]:
    """Yields what judges hand-made stories whole, the sharpest first; `file` is where the fault is."""
    for rule, example in examples():
        if rule in rules:
            run = functools.partial(test_example_fires_where_it_says_and_nowhere_else, rule, example)
            yield f"example: {example.title}", run
    for case in golden_cases():
        if case.rules & set(rules):
            yield f"golden: {case.name}", case.run
    for rule in rules:
        yield f"{rule} of nothing", functools.partial(test_rule_of_an_empty_slab_finds_nothing, rule)
    kernels = () if file.startswith("detectors/rules/") else KERNELS_WITH_TESTS
    custom = ("custom_rules",) if file in ("", *CUSTOM) else ()
    for name in (*rules, *kernels, *custom):
        for case in own_cases(name):
            yield f"test_{name}: {case.name}", case.run


def reach_trials(rules: Sequence[str]) -> Iterator[Trial]:
    """Yields what judges the surroundings of each anchor alone."""
    for rule in rules:
        run = functools.partial(test_an_anchor_depends_on_nothing_beyond_the_rules_reach, rule)
        yield f"reach of {rule}", run


def batch_trials(rules: Sequence[str]) -> Iterator[Trial]:
    """Yields what judges stories as they come in."""
    for seed in SEEDS[:6]:
        yield f"world {seed} in batches", functools.partial(worlds()[seed].compare, rules, 50)
    for name in rules:
        for case in own_cases(name):
            yield f"test_{name}: {case.name}, event by event", case.run


def make_ready() -> None:
    """Afterwards all that trials share is there, so that a forked process need not make it."""
    golden_cases()
    worlds()
    for name in (*rule_modules(), *KERNELS_WITH_TESTS, "custom_rules"):
        own_cases(name)
    for rule in rule_modules():
        stories_about(rule)


def first_red(rules: Sequence[str], fault: Fault | None, *, is_listed: bool = False) -> str | None:
    """Returns the first trial of these rules that fails, or None where all pass; for a process of its own.

    Args: `is_listed`: the fault is said to be none, which is tried on the worlds alone.
    """
    vars(stories)["judge"] = product_judge(None, "as told")
    file = "" if fault is None else fault.file
    late = chain(reach_trials(rules), batch_trials(rules))
    if fault is not None and fault.kind == "reach":
        return _first_red(late)
    if is_listed:
        return _first_red(world_trials(rules, SEEDS))
    red = _first_red(world_trials(rules, SEEDS[:4])) or _first_red_whole(story_trials(rules, file))
    return red or _first_red(chain(world_trials(rules, SEEDS[4:]), late))


def _first_red_whole(trials: Iterable[Trial]) -> str | None:
    """Returns as `_first_red` does; the rules' own tests take no batches meanwhile, which makes them quick."""
    replayed = product._replayed
    vars(product)["_replayed"] = lambda told, ruleset, _batch: replayed(told, ruleset, None)
    red = _first_red(trials)
    vars(product)["_replayed"] = replayed
    return red


def _first_red(trials: Iterable[Trial]) -> str | None:
    for name, run in trials:
        try:
            run()
        except Exception as error:  # noqa: BLE001 - whatever a fault brings about is red
            return f"{name} ({type(error).__name__})"
    return None


# -------------------------------------------------------------------------------------------- which rules lean on what


def functions_called_by(rule: str) -> set[tuple[str, str]]:
    """Returns (file, function) of all that the rule calls to judge a few worlds."""
    called: set[tuple[str, str]] = set()
    here = f"{CHECKOUT}/"
    depth = 0

    def note(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal depth
        code = frame.f_code
        is_rule = (code.co_filename, code.co_qualname) == (f"{here}{file_of(rule)}", "detect")
        if event == "call":
            depth += is_rule
            if depth and code.co_filename.startswith(here):
                called.add((code.co_filename.removeprefix(here), code.co_qualname))
        elif event == "return":
            depth -= is_rule

    rulesets = [(world.lines, world.ruleset([rule])) for world in worlds()[:4]]
    sys.setprofile(note)
    try:
        for lines, ruleset in rulesets:
            judged(lines, ruleset)
    finally:
        sys.setprofile(None)
    return called


def file_of(rule: str) -> str:
    return f"detectors/rules/{rule}.py"
