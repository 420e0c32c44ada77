"""Alerts as cards, for the filmstrip and for pages that follow what happens."""

from __future__ import annotations

import time
from collections.abc import Callable

from storage.alerts.centre_desk import CentreDesk
from storage.alerts.search import AlertFilter
from storage.cameras.registry import CameraRegistry
from storage.queries.alerts import AlertQueries
from storage.queries.cameras import CameraQueries
from storage.queries.summaries import AlertSummary
from web.dossier import main_fact, picture_of
from web.pages import Pages
from web.ports import Language

CHANGES_AT_ONCE = 100
STRIP_CARDS = 24
COUNTED = 1_000
COUNT_FRESH_S = 1.0
STRIP_DAYS_MS = 7 * 86_400_000
"""What nobody has reviewed for so long is found by a search; the filmstrip lets it go."""

# Picks of some alerts those that a page is about.
Among = Callable[[set[str]], set[str]]


class Cards:
    """Alerts as one person's cards in one language."""

    def __init__(
        self,
        pages: Pages,
        queries: AlertQueries,
        cameras_now: CameraQueries,
        desk: CentreDesk,
        cameras: CameraRegistry,
        username: str,
        language: Language,
    ) -> None:
        self._pages, self._queries, self._cameras_now = pages, queries, cameras_now
        self._desk, self._cameras = desk, cameras
        self._username, self._language = username, language
        self._counted_at_s = float("-inf")
        self._count = 0

    def strip(self, now_ms: int) -> list[dict[str, object]]:
        """Returns the newest cards that the person has not reviewed."""
        return self.shown(self._queries.search(self._unreviewed(now_ms), STRIP_CARDS))

    def unreviewed(self, now_ms: int) -> int:
        """Returns how many alerts the person has not reviewed, as of less than a second ago; no more than `COUNTED`."""
        if time.monotonic() - self._counted_at_s > COUNT_FRESH_S:
            self._count = self._queries.count_wanted(self._unreviewed(now_ms), COUNTED)
            self._counted_at_s = time.monotonic()
        return self._count

    def changed(self, after: int, heard: frozenset[str], among: Among) -> tuple[int, list[dict[str, object]], bool]:
        """Returns the last entry looked at, the alerts changed since `after` or heard of, and whether that was all.

        Of the alerts, those that `among` picks.
        """
        changes = self._queries.changed_after(after, CHANGES_AT_ONCE)
        alert_ids = among({alert_id for _, alert_id in changes} | heard)
        cards = self.shown(self._queries.alerts(alert_ids)) if alert_ids else []
        return changes[-1][0] if changes else after, cards, len(changes) < CHANGES_AT_ONCE

    def shown(self, alerts: list[AlertSummary]) -> list[dict[str, object]]:
        """Returns each alert as its card's HTML, with what a script places it by."""
        cameras = self._cameras_now.states() if alerts else {}
        camera_ids = self._cameras.ids_by_till() if alerts else {}
        reviewed = self._desk.reviewed_by(self._username, [one.alert_id for one in alerts])
        return [
            {
                "alert_id": one.alert_id,
                "opened_at_ms": one.opened_at_ms,
                "reviewed": one.alert_id in reviewed,
                "html": self._pages.text(
                    self._language,
                    "_card.html",
                    alert=one,
                    main_fact=main_fact,
                    picture=picture_of(one, camera_ids.get((one.institution_id, one.till_id), ()), cameras),
                ),
            }
            for one in alerts
        ]

    def _unreviewed(self, now_ms: int) -> AlertFilter:
        return AlertFilter(unreviewed_by=self._username, from_ms=now_ms - STRIP_DAYS_MS)
