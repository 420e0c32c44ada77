"""Who may come in: people with a role, their sessions, senders' and terminals' tokens, and who looked at which face."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Literal, cast, get_args

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.models import AccountRow, FaceViewRow, SessionRow, TokenRow

Role = Literal["viewer", "operator", "administrator"]
TokenKind = Literal["sender", "terminal"]
ROLES: tuple[Role, ...] = get_args(Role)
EVERYWHERE = "*"
SESSION_LIFETIME_MS = 12 * 3_600_000
MIN_PASSWORD_LENGTH = 10
TOKEN_PREFIXES: dict[TokenKind, str] = {"sender": "sws_", "terminal": "swt_"}


class AccountError(ValueError):
    """An account or token was asked for that cannot be; the message says what is allowed."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person who may log in."""

    username: str
    role: Role


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A sender or a terminal, and the institutions it speaks for; a terminal without till shows the whole store."""

    kind: TokenKind
    name: str
    institution_ids: tuple[str, ...]
    till_id: str | None

    def speaks_for(self, institution_id: str) -> bool:
        """Returns whether the holder may speak for the institution; `*` speaks for all."""
        return EVERYWHERE in self.institution_ids or institution_id in self.institution_ids

    @property
    def speaks_for_all(self) -> bool:
        """Whether the holder may send reference events that belong to no institution."""
        return EVERYWHERE in self.institution_ids


class Accounts:
    """Accounts, sessions and tokens of one database; safe to call from any thread.

    Passwords are kept as argon2id, session and token values as sha256 only: what a thief of the database gets opens
    nothing.
    """

    def __init__(self, database: Database, hasher: PasswordHasher | None = None) -> None:
        self._database = database
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    def put_account(self, username: str, password: str, role: Role, now_ms: int) -> None:
        """The account exists with this password and role; all its sessions have ended.

        Raises: AccountError for an empty name, an unknown role or a password shorter than ten characters.
        """
        _check_account(username, password, role)
        password_hash = self._hasher.hash(password)
        with self._database.session() as session:
            row = session.get(AccountRow, username)
            if row is None:
                session.add(AccountRow(username=username, password_hash=password_hash, role=role, created_at_ms=now_ms))
                return
            row.password_hash, row.role = password_hash, role
            session.execute(delete(SessionRow).where(SessionRow.username == username))

    def accounts(self) -> list[Account]:
        """Returns everybody who may log in, by name."""
        with self._database.read() as session:
            rows = session.scalars(select(AccountRow).order_by(AccountRow.username))
            return [_account_of(row) for row in rows]

    def remove_account(self, username: str) -> bool:
        """The account and its sessions are gone; returns whether there was one."""
        with self._database.session() as session:
            session.execute(delete(SessionRow).where(SessionRow.username == username))
            row = session.get(AccountRow, username)
            if row is not None:
                session.delete(row)
            return row is not None

    def log_in(self, username: str, password: str, now_ms: int) -> str | None:
        """Returns a new session's token, or None; an unknown name takes as long as a wrong password."""
        with self._database.read() as session:
            row = session.get(AccountRow, username)
            password_hash = self._nobody if row is None else row.password_hash
        if not self._is_password(password_hash, password) or row is None:
            return None
        return self._open_session(username, now_ms)

    def session_account(self, session_token: str, now_ms: int) -> Account | None:
        """Returns whose session it is, or None when it is unknown or over."""
        with self._database.read() as session:
            row = session.execute(
                select(AccountRow)
                .join(SessionRow, SessionRow.username == AccountRow.username)
                .where(SessionRow.token_hash == _hash(session_token), SessionRow.expires_at_ms > now_ms)
            ).scalar_one_or_none()
            return None if row is None else _account_of(row)

    def log_out(self, session_token: str) -> None:
        """The session is over; an unknown one changes nothing."""
        with self._database.session() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_hash == _hash(session_token)))

    def put_token(
        self,
        kind: TokenKind,
        name: str,
        institution_ids: Sequence[str],
        now_ms: int,
        *,
        till_id: str | None = None,
        token: str | None = None,
    ) -> str:
        """The name has this token and no other; returns it (a fresh one unless given). It cannot be read again.

        Raises: AccountError for an empty name or no institution, or a name that another kind of token has.
        """
        if not name or not institution_ids:
            raise AccountError("a token needs a name and at least one institution, or `*` for all")
        plain = token or TOKEN_PREFIXES[kind] + secrets.token_urlsafe(32)
        with self._database.session() as session:
            _replace_token(
                session,
                TokenRow(
                    token_hash=_hash(plain),
                    kind=kind,
                    name=name,
                    institution_ids=list(institution_ids),
                    till_id=till_id,
                    created_at_ms=now_ms,
                    revoked_at_ms=None,
                ),
            )
        return plain

    def token(self, kind: TokenKind, plain: str) -> Token | None:
        """Returns whom the token names, or None when it is unknown, revoked or of another kind."""
        with self._database.read() as session:
            row = session.get(TokenRow, _hash(plain))
            if row is None or row.kind != kind or row.revoked_at_ms is not None:
                return None
            return _token_of(row)

    def tokens(self, kind: TokenKind) -> list[Token]:
        """Returns all tokens of the kind that are not revoked, by name."""
        with self._database.read() as session:
            rows = session.scalars(
                select(TokenRow).where(TokenRow.kind == kind, TokenRow.revoked_at_ms.is_(None)).order_by(TokenRow.name)
            )
            return [_token_of(row) for row in rows]

    def revoke_token(self, name: str, now_ms: int) -> bool:
        """The name's token opens nothing any more; returns whether there was one that did."""
        with self._database.session() as session:
            revoked = session.execute(
                update(TokenRow)
                .where(TokenRow.name == name, TokenRow.revoked_at_ms.is_(None))
                .values(revoked_at_ms=now_ms)
                .returning(TokenRow.name)
            ).all()
            return bool(revoked)

    def record_face_view(self, still_id: str, username: str, reason: str, now_ms: int) -> None:
        """It is on record that this person saw this picture, when and why."""
        with self._database.session() as session:
            session.add(FaceViewRow(still_id=still_id, username=username, at_ms=now_ms, reason=reason))

    def _is_password(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def _open_session(self, username: str, now_ms: int) -> str:
        plain = secrets.token_urlsafe(32)
        with self._database.session() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at_ms <= now_ms))
            session.add(
                SessionRow(token_hash=_hash(plain), username=username, expires_at_ms=now_ms + SESSION_LIFETIME_MS)
            )
        return plain


def _check_account(username: str, password: str, role: str) -> None:
    if not username or username != username.strip():
        raise AccountError("a username is not empty and has no space around it")
    if role not in ROLES:
        raise AccountError(f"a role is one of {', '.join(ROLES)}")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise AccountError(f"a password has at least {MIN_PASSWORD_LENGTH} characters")


def _replace_token(session: Session, row: TokenRow) -> None:
    before = session.execute(select(TokenRow).where(TokenRow.name == row.name)).scalar_one_or_none()
    if before is not None and before.kind != row.kind:
        raise AccountError(f"the name {row.name} belongs to a {before.kind}'s token")
    if before is not None:
        session.delete(before)
        session.flush()
    session.add(row)


def _hash(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8")).hexdigest()


def _account_of(row: AccountRow) -> Account:
    return Account(username=row.username, role=cast("Role", row.role))


def _token_of(row: TokenRow) -> Token:
    return Token(
        kind=cast("TokenKind", row.kind),
        name=row.name,
        institution_ids=tuple(row.institution_ids),
        till_id=row.till_id,
    )
