"""The first start of a data directory: accounts and tokens are generated, none has a default."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from config.settings import Registry
from storage.access.accounts import Accounts

ADMINISTRATOR = "admin"
EVERYWHERE = ("*",)


def first_start(accounts: Accounts, registry: Registry, at_ms: int) -> Iterator[str]:
    """Yields what the operator must note, once: the administrator's password, a sender's token, the terminals' tokens.

    A directory that has an account already yields only the tokens of terminals that are new in the registry: one that
    was revoked stays so.
    """
    if not accounts.accounts():
        password = secrets.token_urlsafe(12)
        accounts.put_account(ADMINISTRATOR, password, "administrator", at_ms, must_change_password=True)
        token = accounts.put_token("sender", "first-sender", EVERYWHERE, at_ms)
        yield "First start. Note these now; they are not shown again:"
        yield f"  log in as {ADMINISTRATOR} with password {password}, which has to be changed then"
        yield f"  send events with token {token}"
    known = {token.name for token in accounts.tokens("terminal", revoked=True)}
    for institution in registry.institutions:
        for terminal in institution.terminals:
            if terminal.terminal_id not in known:
                ids = (institution.institution_id,)
                token = accounts.put_token("terminal", terminal.terminal_id, ids, at_ms, till_id=terminal.till_id)
                yield f"  terminal {terminal.terminal_id} pairs with token {token}"
