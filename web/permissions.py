"""What each role may do: the one table. `web.access` checks it on every route, the pages ask it what to offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from storage.access.accounts import ROLES, Role

Permission = Literal[
    "own_account",
    "see_alerts",
    "see_persons",
    "see_faces",
    "take_originals",
    "work_alerts",
    "snooze_rules",
    "resume_rules",
    "change_rules",
    "work_cases",
    "correct_visitors",
    "merge_visitors",
    "see_dead_letters",
    "see_face_views",
    "see_removals",
    "see_access_changes",
    "pair_terminals",
    "tend_cameras",
    "manage_cameras",
    "manage_senders",
    "manage_accounts",
    "enrol_faces",
    "settle_duplicates",
    "show_reminders",
    "hand_in_events",
    "look_for_centre",
]
Who = Role | Literal["terminal", "sender", "agent"]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

# own_account: log out, change the own password. see_alerts: the wall and its alerts, faces blurred, person ids
# shortened. see_persons: person ids whole. see_faces: sharp pictures and clips, each view on record. take_originals:
# what cameras sent, nobody made unrecognisable, for a reason that is on record. see_removals: what was deleted of the
# evidence. enrol_faces: of a person whose id they know; the list of enrolled people takes see_persons, and of one face
# under two persons only settle_duplicates hears. A terminal shows the reminders of its own store only, a sender hands
# in events of its own institutions only.
# look_for_centre: a camera agent is told of cameras and swipes of its own stores only, and says what was seen there.
MAY: Mapping[Permission, tuple[Who, ...]] = {
    "own_account": ROLES,
    "see_alerts": ROLES,
    "see_persons": ("operator", "auditor", "supervisor"),
    "see_faces": ("operator", "auditor", "supervisor"),
    "take_originals": ("auditor", "supervisor"),
    "work_alerts": ("operator", "supervisor"),
    "snooze_rules": ("operator", "supervisor"),
    "resume_rules": ("operator", "supervisor", "rule_editor"),
    "change_rules": ("supervisor", "rule_editor"),
    "work_cases": ("auditor", "supervisor"),
    "correct_visitors": ("operator", "auditor", "supervisor"),
    "merge_visitors": ("supervisor",),
    "see_dead_letters": ("operator", "auditor", "supervisor", "administrator"),
    "see_face_views": ("auditor", "supervisor", "administrator"),
    "see_removals": ("operator", "auditor", "supervisor", "administrator"),
    "see_access_changes": ("auditor", "supervisor", "administrator"),
    "pair_terminals": ("operator", "supervisor", "administrator"),
    "tend_cameras": ("operator", "supervisor", "administrator"),
    "manage_cameras": ("administrator",),
    "manage_senders": ("administrator",),
    "manage_accounts": ("administrator",),
    "enrol_faces": ("supervisor", "administrator"),
    "settle_duplicates": ("supervisor",),
    "show_reminders": ("terminal",),
    "hand_in_events": ("sender",),
    "look_for_centre": ("agent",),
}


def may(who: Who, permission: Permission) -> bool:
    """Returns whether the role has the permission. Raises: KeyError for a permission that is not in the table."""
    return who in MAY[permission]
