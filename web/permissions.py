"""What each role may do: the one table. `web.access` checks it on every route, the pages ask it what to offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from storage.accounts import ROLES, Role

Permission = Literal[
    "own_account",
    "see_alerts",
    "see_persons",
    "see_faces",
    "work_alerts",
    "snooze_rules",
    "resume_rules",
    "change_rules",
    "work_cases",
    "see_dead_letters",
    "see_face_views",
    "see_access_changes",
    "pair_terminals",
    "manage_senders",
    "manage_accounts",
    "show_reminders",
    "hand_in_events",
]
Who = Role | Literal["terminal", "sender"]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

# own_account: log out, change the own password. see_alerts: the wall and its alerts, faces blurred, person ids
# shortened. see_persons: person ids whole. see_faces: sharp pictures and clips, each view on record. A terminal shows
# the reminders of its own store only, a sender hands in events of its own institutions only.
MAY: Mapping[Permission, tuple[Who, ...]] = {
    "own_account": ROLES,
    "see_alerts": ROLES,
    "see_persons": ("operator", "auditor", "supervisor"),
    "see_faces": ("operator", "auditor", "supervisor"),
    "work_alerts": ("operator", "supervisor"),
    "snooze_rules": ("operator", "supervisor"),
    "resume_rules": ("operator", "supervisor", "rule_editor"),
    "change_rules": ("supervisor", "rule_editor"),
    "work_cases": ("auditor", "supervisor"),
    "see_dead_letters": ("operator", "auditor", "supervisor", "administrator"),
    "see_face_views": ("auditor", "supervisor", "administrator"),
    "see_access_changes": ("auditor", "supervisor", "administrator"),
    "pair_terminals": ("operator", "supervisor", "administrator"),
    "manage_senders": ("administrator",),
    "manage_accounts": ("administrator",),
    "show_reminders": ("terminal",),
    "hand_in_events": ("sender",),
}


def may(who: Who, permission: Permission) -> bool:
    """Returns whether the role has the permission. Raises: KeyError for a permission that is not in the table."""
    return who in MAY[permission]
