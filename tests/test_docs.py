"""The documentation compared with the code: a page that goes stale fails here."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
import yaml

from app.commands import commands
from app.rule_commands import rules
from config.settings import Registry, convert, load_settings, read_yaml
from detectors.catalogue import RuleSettings, read_ruleset, rule_modules, rulebook_of
from detectors.rule import convert_parameters
from events.codec import decode_event
from events.dead_letters import DeadLetter, InvalidEvent, Place, Reason, Stage
from events.durations import duration_text
from events.findings import Finding, finding_json
from events.topics import RECORD_BYTES, TOPICS, UNNAMED_SENDER
from events.types import AnyEvent, Event, Face, Item
from streams.replay import replay
from tests.worlds import encode

CHECKOUT = Path(__file__).parents[1]
DOCS = CHECKOUT / "docs"
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
EVENTS, RULES, OPERATIONS, CAMERAS = (
    (DOCS / f"{name}.md").read_text() for name in ("events", "rules", "operations", "cameras")
)
STRUCTS: dict[str, Any] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyEvent)} | {
    "item": Item,
    "face": Face,
}


def fenced(text: str, info: str) -> list[str]:
    """Returns the blocks whose opening fence says exactly this."""
    return re.findall(rf"^```{info}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def section(text: str, title: str) -> str:
    """Returns what stands under a heading, up to the next of any level; a `#` within a block is no heading."""
    found = re.search(rf"^#+ `?{re.escape(title)}`?\n(.*?)(?=^#+ (?:[A-Z]|`)|\Z)", text, flags=re.DOTALL | re.MULTILINE)
    assert found, f"there is no section {title}"
    return found[1]


def table(text: str) -> list[list[str]]:
    """Returns the cells of each row of the tables, headings left out."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in rows if not set("".join(row)) <= set("- :")][
        0:
    ]


# ----------------------------------------------------------------------------------------------------------- events


@pytest.mark.parametrize("example", fenced(EVENTS, "json event"))
def test_an_example_of_an_event_is_accepted(example: str) -> None:
    event = decode_event(example.encode())
    assert not isinstance(event, InvalidEvent), event
    assert set(json.loads(example)) <= set(field_names(type(event))) | {"type"}


def test_each_type_of_event_has_an_example() -> None:
    shown = [json.loads(example)["type"] for example in fenced(EVENTS, "json event")]
    assert sorted(shown) == sorted(set(STRUCTS) - {"item", "face"})


def field_names(kind: Any) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def choices_of(hint: Any) -> tuple[str, ...]:
    """Returns the texts that a field of an enumeration may be."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(choice for part in get_args(hint) for choice in choices_of(part))


@pytest.mark.parametrize("name", STRUCTS)
def test_the_fields_of_an_event_are_the_ones_in_its_table(name: str) -> None:
    rows = {row[0].strip("`"): row for row in table(section(EVENTS, name))[1:]}
    own = [field for field in msgspec.structs.fields(STRUCTS[name]) if field.name not in Event.__struct_fields__]
    assert list(rows) == [field.encode_name for field in own]
    assert {field: row[2] for field, row in rows.items()} == {
        field.encode_name: "required" if field.required else "optional" for field in own
    }
    hints = get_type_hints(STRUCTS[name])
    for field in own:
        assert set(re.findall(r"`(\w+)`", rows[field.encode_name][1])) == set(choices_of(hints[field.name])), field.name


def test_the_fields_of_every_event_are_in_a_table() -> None:
    assert [row[0] for row in table(section(EVENTS, "Every event"))[1:]] == [
        "`type`",
        *(f"`{name}`" for name in field_names(Event)),
    ]


def test_the_table_of_bad_input_has_every_reason_and_its_stage() -> None:
    rows = table(section(EVENTS, "Bad input"))[1:]
    assert [row[0].strip("`") for row in rows] == list(get_args(Reason))
    assert {row[1] for row in rows} == set(get_args(Stage))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xef\xbb\xbf{}", "not_json"),
        (b"", "not_json"),
        (b'{"type": "drug"}', "missing_field"),
        (b'{"type": "drug", "event_id": "e", "occurred_at_ms": 1767578400000.0}', "wrong_type"),
        (b'{"type": "drug", "event_id": ""}', "empty_id"),
        (b'{"type": "drug", "occurred_at_ms": 0}', "time_out_of_range"),
        (b'{"type": "drug", "min_age_years": 9223372036854775808}', "out_of_range"),
        (b'{"type": "stock_movement", "quantity": 1e999}', "out_of_range"),
        (b'{"type": "drugs"}', "unknown_type"),
    ],
)
def test_the_reasons_that_the_page_words_more_exactly_are_right(line: bytes, reason: str) -> None:
    event = decode_event(line)
    assert isinstance(event, InvalidEvent)
    assert event.reason == reason


def test_of_a_key_that_stands_twice_the_last_value_counts() -> None:
    example = fenced(section(EVENTS, "drug"), "json event")[0]
    event = decode_event(example.replace('"name"', '"drug_code": "first", "name"').replace("first", "last").encode())
    assert getattr(event, "drug_code", None) == "last"


def test_the_topics_are_the_ones_in_their_table() -> None:
    said = section(EVENTS, "By Kafka")
    assert {row[0].strip("`"): (row[1] == "one", row[2]) for row in table(said)[1:]} == {
        topic.name: (topic.spread == "one", duration_text(topic.retention_ms)) for topic in TOPICS
    }
    assert f"{RECORD_BYTES:,} bytes" in said
    assert f"`{UNNAMED_SENDER}`" in said


def test_an_example_that_is_no_event_is_json() -> None:
    for page in PAGES:
        for example in fenced(page.read_text(), "json"):
            json.loads(example)


def test_the_example_of_a_dead_letter_has_the_form_of_one() -> None:
    example = json.loads(fenced(section(EVENTS, "Dead letters"), "json")[0])
    msgspec.convert({**example, "original": example["original"].encode()}, DeadLetter)
    assert set(example["place"]) <= set(Place.__struct_fields__)
    event = decode_event(example["original"].encode())
    assert isinstance(event, InvalidEvent)
    assert (event.reason, event.stage, event.detail) == (example["reason"], example["stage"], example["detail"])


# ------------------------------------------------------------------------------------------------------------ rules

RULE_SECTIONS = re.findall(r"^### `(\w+)`$", RULES, flags=re.MULTILINE)


def test_the_page_of_rules_has_every_rule_once_and_no_other() -> None:
    assert sorted(RULE_SECTIONS) == sorted(rule_modules())


@pytest.mark.parametrize("rule", RULE_SECTIONS)
def test_the_defaults_of_a_rule_are_the_ones_on_its_page(rule: str) -> None:
    kind = rule_modules()[rule].Parameters
    (written,) = fenced(section(RULES, rule), "yaml")
    listed = yaml.safe_load(written)
    assert list(listed) == [rule]
    assert set(listed[rule]) == set(kind.__struct_fields__)
    assert convert_parameters(kind, listed[rule]) == kind()


@functools.cache
def fired(rule: str) -> tuple[Finding, ...]:
    """Returns what a rule's own examples fire with its defaults."""
    entry = read_yaml(CHECKOUT / "config" / "rules.yaml")[rule]
    ruleset = read_ruleset({rule: entry}, "rules.yaml")
    stories = [[(line, Place()) for line in encode(example.events)] for example in rule_modules()[rule].EXAMPLES]
    return tuple(finding for story in stories for finding in replay(story, rulebook_of(ruleset)).findings)


@pytest.mark.parametrize("rule", RULE_SECTIONS)
@pytest.mark.parametrize("part", ["Key", "Measure", "Threshold"])
def test_key_measure_and_threshold_of_a_rule_are_the_ones_on_its_page(rule: str, part: str) -> None:
    found = re.search(rf"\*\*{part}\*\* (.*?)\.(?:\s|$)", section(RULES, rule), flags=re.DOTALL)
    assert found, part
    wanted = {name for finding in fired(rule) for name in getattr(finding, part.lower())}
    if part == "Key":
        said = re.sub(r"\(.*?\)", "", found[1]).partition(", the two")[0]
        assert {name.strip() for name in said.split(",")} == wanted
    else:
        assert set(re.findall(r"`(\w+)`", found[1])) == wanted


def test_the_example_of_a_finding_is_what_the_rule_finds() -> None:
    (written,) = fenced(RULES, "json finding")
    shown = msgspec.json.decode(written, type=Finding)
    assert set(json.loads(written)) <= set(Finding.__struct_fields__)
    real = next(finding for finding in fired(shown.detector) if finding.finding_id == shown.finding_id)
    assert finding_json(msgspec.structs.replace(shown, rules_version="")) == finding_json(
        msgspec.structs.replace(real, rules_version="")
    )


def test_the_fields_of_a_finding_are_in_its_table() -> None:
    named = {name for row in table(section(RULES, "A finding"))[1:] for name in re.findall(r"`(\w+)`", row[0])}
    assert named == set(Finding.__struct_fields__)


def test_the_example_of_an_entry_is_valid_and_says_every_setting() -> None:
    entry = yaml.safe_load(fenced(section(RULES, "The rule file"), "yaml")[0])
    (written,) = entry.values()
    assert set(RuleSettings.__struct_fields__) <= set(written)
    read_ruleset(entry, "docs/rules.md")


# ------------------------------------------------------------------------------------------------- running the thing


def test_the_settings_and_defaults_are_the_ones_in_the_table() -> None:
    listed = {
        row[0].strip("`"): yaml.safe_load(row[1].strip("`")) for row in table(section(OPERATIONS, "Settings"))[1:]
    }
    assert listed == dict(leaves(read_yaml(CHECKOUT / "config" / "default.yaml")))
    assert list(listed) == list(load_settings(None, {}).sources)


def leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def test_the_commands_are_the_ones_in_the_table() -> None:
    listed = [re.match(r"`swipewatch ([\w-]+)", row[0]) for row in table(section(OPERATIONS, "Commands"))]
    known = {one.name or getattr(one.callback, "__name__", "") for one in commands.registered_commands}
    groups = {one.name for one in commands.registered_groups}
    assert {one[1] for one in listed if one} == known | groups


def test_the_commands_for_rules_are_the_ones_in_their_table() -> None:
    listed = [re.match(r"`swipewatch rules ([\w-]+)", row[0]) for row in table(section(RULES, "Operating the rules"))]
    known = {one.name or getattr(one.callback, "__name__", "") for one in rules.registered_commands}
    assert {one[1] for one in listed if one} == known


def test_the_example_of_a_registry_is_valid() -> None:
    (written,) = fenced(CAMERAS, "yaml registry")
    registry = convert(yaml.safe_load(written), Registry, "docs/cameras.md")
    cameras = [camera for one in registry.institutions for till in one.tills for camera in till.cameras]
    assert cameras


def test_every_event_of_the_log_is_in_the_table() -> None:
    call = re.compile(r"_(?:log|LOG)\.\w+\(\s*\"([a-z_.]+)\"")
    sources = [
        path for name in ("app", "streams", "storage", "video", "web") for path in (CHECKOUT / name).rglob("*.py")
    ]
    written = {event for path in sources for event in call.findall(path.read_text())}
    rows = table(section(OPERATIONS, "Health, numbers, logs"))
    listed = {name for row in rows for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", row[0])}
    assert written - listed == {"city.refused"}, "the demo's own city is no part of the product"
    assert listed - written == set()


# ------------------------------------------------------------------------------------------------------------ links


def anchors(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as a forge makes them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_a_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"(?<!!)\[[^\]]*\]\(([^)]+)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_a_page_that_the_code_names_exists() -> None:
    sources = [path for name in ("app", "bench", "config", "tests", *PACKAGES) for path in (CHECKOUT / name).rglob("*")]
    for path in sources:
        if path.suffix in {".py", ".yaml", ".md"} and path != Path(__file__):
            for named in re.findall(r"\bdocs/[\w/-]+\.md", path.read_text()):
                assert (CHECKOUT / named).exists(), f"{path.relative_to(CHECKOUT)} names {named}"


PACKAGES = ("alerts", "detectors", "events", "simulator", "storage", "streams", "video", "web")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    folders = "|".join((*PACKAGES, "app", "bench", "config", "tests"))
    for named in re.findall(rf"`((?:{folders})/[\w/.-]*)`", page.read_text()):
        assert (CHECKOUT / named).exists(), named
