"""Cutting a cluster into other partitions, while nothing runs."""

from __future__ import annotations

from collections.abc import Callable

from app.kept_rules import KeptRules
from detectors.catalogue import Rulebook
from detectors.rule import Scope
from events.errors import ConfigError
from events.findings import Finding
from storage.database import Database
from storage.partitions import Partitions
from streams.cluster.publishing import partition_of
from streams.cluster.topics import recut_topics
from streams.cluster.undecided import cluster_progress
from streams.partition import ownership_key
from streams.store.key_index import hash_of


def recut(database: Database, brokers: str, partitions: int, progress: Callable[[int], None]) -> None:
    """Afterwards topics, log and findings are cut into so many partitions, and workers judge everything anew.

    Raises: ConfigError while the topics hold what no worker has decided; TransientError when a server is away.
    """
    states = Partitions(database).states()
    if states:
        with cluster_progress(brokers, database) as topics:
            left = topics.undecided_records()
        if left:
            raise ConfigError("the topics", "records", left, "none that are not decided: let the workers finish first")
    scopes = _scopes(KeptRules(database).rulebook())
    recut_topics(brokers, partitions)
    Partitions(database).recut(
        partitions,
        lambda original: partition_of(original, partitions),
        lambda finding: _number_of(finding, scopes.get(finding.detector), partitions),
        progress,
    )


def _scopes(rulebook: Rulebook) -> dict[str, Scope]:
    return {entry.name: entry.rule.SCOPE for entry in rulebook.active()}


def _number_of(finding: Finding, scope: Scope | None, partitions: int) -> int:
    """Returns a finding's partition; where no rule of its name is known any more, any."""
    return 0 if scope is None else hash_of(ownership_key(scope, finding)) % partitions
