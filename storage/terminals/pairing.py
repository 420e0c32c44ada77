"""Pairing of terminals: the centre makes a short code, whoever types it at the store becomes the store's terminal."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import delete

from storage.access.accounts import Accounts
from storage.access.changes import By, note_change
from storage.database import Database
from storage.models import PairingCodeRow

# No two of these look alike: no 0 O, 1 I L, 2 Z, 5 S, 8 B, U V.
ALPHABET = "34679ACDEFGHJKMNPQRTWXY"
CODE_CHARACTERS = 8
CODE_LIFETIME_MS = 10 * 60_000
SUFFIX_CHARACTERS = 4


class Pairing:
    """Codes of one database, of which only the sha256 is kept; each works once, for ten minutes."""

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self._database, self._accounts = database, accounts

    def new_code(self, institution_id: str, till_id: str | None, created_by: str, now_ms: int) -> str:
        """Returns a code that makes one device a terminal of the store, or of its till alone."""
        code = _random(CODE_CHARACTERS)
        with self._database.session() as session:
            session.execute(delete(PairingCodeRow).where(PairingCodeRow.expires_at_ms <= now_ms))
            session.add(
                PairingCodeRow(
                    code_hash=_hash(code),
                    institution_id=institution_id,
                    till_id=till_id,
                    created_by=created_by,
                    expires_at_ms=now_ms + CODE_LIFETIME_MS,
                )
            )
            place = f"{institution_id} {till_id}" if till_id else institution_id
            note_change(session, By(created_by, now_ms), "terminal", "code_made", place)
        return code

    def pair(self, typed: str, now_ms: int) -> str | None:
        """Returns a new device token for the code, or None when it is unknown, used or over.

        Case, spaces and hyphens do not count. The code is gone before the token is made: a failure between the two
        costs a code, never makes two devices of one.
        """
        with self._database.session() as session:
            found = session.execute(
                delete(PairingCodeRow)
                .where(PairingCodeRow.code_hash == _hash(normal(typed)), PairingCodeRow.expires_at_ms > now_ms)
                .returning(PairingCodeRow.institution_id, PairingCodeRow.till_id, PairingCodeRow.created_by)
            ).one_or_none()
        if found is None:
            return None
        institution_id, till_id, created_by = found
        name = "-".join(part for part in (institution_id, till_id, _random(SUFFIX_CHARACTERS)) if part)
        return self._accounts.put_token(
            "terminal", name, [institution_id], now_ms, till_id=till_id, created_by=created_by
        )


def shown(code: str) -> str:
    """Returns the code as people read it out: ABCD-3467."""
    return f"{code[:4]}-{code[4:]}"


def normal(typed: str) -> str:
    """Returns what was typed as the code is kept: upper case, without spaces and hyphens."""
    return "".join(typed.split()).replace("-", "").upper()


def _random(characters: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(characters))


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8")).hexdigest()
