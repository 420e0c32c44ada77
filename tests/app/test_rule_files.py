"""Rule files and folders of versions: validated whole, and what is wrong said with file, key, value and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.rule_files import parse_rules, read_rule_files, read_rules
from config.settings import packaged
from detectors.catalogue import RuleTitle
from events.errors import ConfigError
from tests.app.rule_texts import split

CUSTOM = """\
late_spender:
  mode: shadow
  route: centre
  key: [person_id]
  window: 24h
  aggregate: sum
  of: total_fen
  threshold: 100000
  severity: medium
  texts:
    zh: { fact: "{window}内合计{total_yuan}元", action: "核对" }
    en: { fact: "¥{total_yuan} within {window}", action: "check" }
"""


def folder(directory: Path, **contents: str) -> Path:
    for name, content in contents.items():
        (directory / f"{name}.yaml").write_text(content)
    return directory


def said_of(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        read_rules(path)
    return str(raised.value)


def test_one_file_is_in_force_for_all_time_whatever_it_says(tmp_path):
    file = folder(tmp_path, rules=split(since="2026-03-01T00:00:00+08:00")) / "rules.yaml"
    assert read_rules(file).version_starts == (0,)


def test_a_folder_holds_versions_by_their_time_whatever_the_files_are_called(tmp_path):
    path = folder(tmp_path, a=split(4, since="2000000000000"), b=split(2), c=split(3, since="1000000000000"))
    (path / "notes.txt").write_text("not a rule file")
    rulebook = read_rules(path)
    assert rulebook.version_starts == (0, 1_000_000_000_000, 2_000_000_000_000)
    assert [ruleset.version for ruleset in rulebook.versions] == [parse_rules(split(n), "").version for n in (2, 3, 4)]
    assert next(file.content for file in read_rule_files(path)) == split(2)


def test_the_same_rules_may_come_into_force_again(tmp_path):
    rulebook = read_rules(folder(tmp_path, a=split(2), b=split(3, since="5"), c=split(2, since="9")))
    versions = [ruleset.version for ruleset in rulebook.versions]
    assert versions[0] == versions[2] != versions[1]


@pytest.mark.parametrize("since", ["", "1000"])
def test_two_versions_of_one_time_are_an_error_that_names_both(tmp_path, since):
    said = said_of(folder(tmp_path, one=split(2, since=since), two=split(3, since=since)))
    assert "two.yaml: effective_from_ms" in said
    assert "one.yaml has the same" in said


def test_a_folder_without_versions_is_an_error(tmp_path):
    assert "a folder of versions" in said_of(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        (split().replace("10m", "soon"), "split_settlement.window = 'soon'"),
        (split(count=0), "split_settlement.count = 0"),
        (split(mode="loud"), "split_settlement.mode = 'loud': one of live, off, shadow"),
        (split().replace("both", "everybody"), "split_settlement.route = 'everybody'"),
        (
            split().replace("{window} ", "").replace("{count} s", "{cuont} s"),
            "split_settlement.texts.en.fact = '{cuont}'",
        ),
        (split().replace("{count} s", "{person_id} s"), "split_settlement.texts.en.fact = '{person_id}'"),
        (split().replace('"check"', '"he is dead"'), "a terminal never shows that somebody has died"),
        (split().replace("    zh: {", "    no: {"), "split_settlement.texts"),
        (split() + "  escalate_after: never\n", "split_settlement.escalate_after = 'never'"),
        (split() + "  basis_code: 'a b'\n", "split_settlement.basis_code = 'a b'"),
        (split() + "  breaker: 0\n", "split_settlement.breaker = 0"),
        (split() + "  colour: red\n", "split_settlement.colour = 'red': there is no such setting"),
        (split() + split(3), "the key split_settlement stands twice"),
        (split(since="yesterday"), "effective_from_ms = 'yesterday'"),
        (split() + "no_such_rule: { mode: live }\n", "no_such_rule"),
        (split() + "split_settlment: [1]\n", "split_settlment = [1]"),
        ("- a list\n", "a mapping of settings"),
        ("split_settlement: {", "is not YAML"),
        (CUSTOM.replace("late_spender", "Late Spender"), "a custom rule's name"),
        (CUSTOM.replace("{total_yuan}元", "{sum}元"), "late_spender.texts.zh.fact = '{sum}'"),
        (CUSTOM.replace("of: total_fen", "of: colour"), "late_spender.of = 'colour'"),
        (CUSTOM.replace("24h", "0s"), "late_spender.window = '0s'"),
    ],
)
def test_a_file_is_valid_as_a_whole_or_refused_with_file_key_and_value(tmp_path, wrong, key):
    path = folder(tmp_path, wrong=wrong) / "wrong.yaml"
    said = said_of(path)
    assert said.startswith(f"{path}: ")
    assert key in said


def test_one_wrong_version_makes_the_whole_folder_wrong(tmp_path):
    path = folder(tmp_path, good=split(), wrong=split(count=0, since="5"))
    assert said_of(path).startswith(f"{path / 'wrong.yaml'}: split_settlement.count = 0")


def test_a_file_that_is_not_there_or_no_text_is_an_error(tmp_path):
    assert "cannot be read" in said_of(tmp_path / "nowhere.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xff")
    assert "cannot be read" in said_of(tmp_path / "bytes.yaml")


def test_the_rules_that_ship_and_custom_ones_are_valid():
    assert len(parse_rules(packaged("rules.yaml").read_text(), "rules.yaml").entries) >= 20
    (entry,) = parse_rules(CUSTOM, "rules.yaml").entries
    assert entry.name == "late_spender"


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("{ zh: 大额购药 }", "late_spender.title"),
        ("{ zh: '', en: Big spender }", "late_spender.title.zh"),
        ("{ zh: '   ', en: Big spender }", "late_spender.title.zh"),
        ("{ zh: 大额购药, en: The holder is deceased }", "late_spender.title.en"),
        ("{ zh: 大额购药, en: Big spender, fr: Dépensier }", "late_spender.title.fr"),
    ],
)
def test_title_that_cannot_be_shown_is_refused(tmp_path, title, said):
    assert said in said_of(folder(tmp_path, rules=CUSTOM + f"  title: {title}\n"))


def test_title_is_kept_with_the_rule(tmp_path):
    rulebook = read_rules(folder(tmp_path, rules=CUSTOM + "  title: { zh: 大额购药, en: Big spender }\n"))
    (entry,) = rulebook.active()
    assert entry.settings.title == RuleTitle(zh="大额购药", en="Big spender")
