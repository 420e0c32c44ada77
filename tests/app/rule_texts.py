"""Rule files to test with: small, in the words of a person who writes one."""

from __future__ import annotations

SPLIT = """\
# how often is too often
split_settlement:
  mode: {mode}
  route: both
  window: 10m
  count: {count}
  texts:
    zh: {{ fact: "{{window}}内已结算{{count}}次", action: "核对" }}
    en: {{ fact: "{{count}} settlements within {{window}}", action: "check" }}
"""


def split(count: int = 2, mode: str = "live", since: str = "") -> str:
    """Returns a rule file with one rule, in force since a time if one is given."""
    return (f"effective_from_ms: {since}\n" if since else "") + SPLIT.format(count=count, mode=mode)
