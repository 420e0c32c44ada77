"""Who may come in: people with a role, their sessions, tokens of devices and programs, and who looked at which face."""

from __future__ import annotations

import copy
import hashlib
import secrets
import time
from collections.abc import Sequence
from typing import Literal, cast, get_args

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from storage.access.changes import MACHINE, SIGN_ON, By, ChangeAction, ChangedKind, note_change
from storage.database import Database
from storage.models import AccountRow, FaceViewRow, SessionRow, TokenRow

Role = Literal["viewer", "operator", "auditor", "supervisor", "rule_editor", "administrator"]
TokenKind = Literal["sender", "terminal", "agent"]
ROLES: tuple[Role, ...] = get_args(Role)
EVERYWHERE = "*"
SESSION_LIFETIME_MS = 12 * 3_600_000
MIN_PASSWORD_LENGTH = 10
TOKEN_PREFIXES: dict[TokenKind, str] = {"sender": "sws_", "terminal": "swt_", "agent": "swa_"}


AccountProblem = Literal[
    "name",
    "role",
    "password",
    "taken",
    "unknown",
    "last_administrator",
    "kept_elsewhere",
    "disabled",
    "token",
    "everywhere",
]


class AccountError(ValueError):
    """An account or token was asked for that cannot be; `problem` is why, the message says what is allowed."""

    def __init__(self, problem: AccountProblem, message: str) -> None:
        super().__init__(message)
        self.problem: AccountProblem = problem


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person who may log in, unless disabled.

    `must_change_password`: somebody else knows the password. `subject`: who this is at the centre's single sign-on,
    which then says the role; null for an account with a password here.
    """

    username: str
    role: Role
    created_at_ms: int
    must_change_password: bool
    disabled: bool
    subject: str | None


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A sender, a terminal or a store's camera agent, and the institutions it speaks for.

    A terminal without till shows the whole store.
    """

    kind: TokenKind
    name: str
    institution_ids: tuple[str, ...]
    till_id: str | None
    created_at_ms: int = 0
    created_by: str | None = None

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
    nothing. Each change is on record with it (`storage.access.changes`).
    """

    def __init__(self, database: Database, hasher: PasswordHasher | None = None) -> None:
        self._database = database
        self.by: By | None = None
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    def acting_as(self, actor: str, at_ms: int) -> Accounts:
        """Returns these accounts; what is changed through it is on record as this person's, at this time."""
        acting = copy.copy(self)
        acting.by = By(actor, at_ms)
        return acting

    def put_account(
        self, username: str, password: str, role: Role, now_ms: int, *, must_change_password: bool = False
    ) -> None:
        """The account exists with this password and role and is not disabled; all its sessions have ended.

        Raises: AccountError for an empty name, an unknown role or a password shorter than ten characters.
        """
        _check_account(username, password, role)
        password_hash = self._hasher.hash(password)
        with self._database.session() as session:
            row = session.get(AccountRow, username)
            if row is None:
                row = AccountRow(username=username, created_at_ms=now_ms)
                session.add(row)
            row.password_hash, row.role, row.must_change_password = password_hash, role, must_change_password
            row.disabled_at_ms = row.subject = None
            _end_sessions(session, username)
            self._note(session, "account", "password_set", username, role)

    def add_account(self, username: str, role: Role, now_ms: int) -> str:
        """A new account exists; returns its one-time password, which must be changed at the first log-in.

        Raises: AccountError for an empty name, an unknown role or a name that is taken.
        """
        password = _one_time_password()
        _check_account(username, password, role)
        row = AccountRow(
            username=username,
            password_hash=self._hasher.hash(password),
            role=role,
            created_at_ms=now_ms,
            must_change_password=True,
        )
        with self._database.session() as session:
            if session.get(AccountRow, username) is not None:
                raise AccountError("taken", f"there is an account {username} already")
            session.add(row)
            self._note(session, "account", "added", username, role)
        return password

    def reset_password(self, username: str) -> str:
        """The account has a new one-time password, which is returned, and no sessions.

        Raises: AccountError for an unknown name, or one whose password is not kept here.
        """
        password = _one_time_password()
        self._set_password(username, password, "password_reset")
        return password

    def change_password(self, username: str, password: str) -> None:
        """The account has the password of its owner's choice; all its sessions have ended.

        Raises: AccountError for a password shorter than ten characters or equal to the name, an unknown name, or one
        whose password is not kept here.
        """
        if len(password) < MIN_PASSWORD_LENGTH or password == username:
            raise AccountError(
                "password", f"a password has {MIN_PASSWORD_LENGTH} characters or more and is not the name"
            )
        self._set_password(username, password, "password_changed")

    def set_role(self, username: str, role: Role) -> None:
        """The account has the role; its sessions have ended.

        Raises: AccountError for an unknown name or role, or if nobody would be administrator any more.
        """
        if role not in ROLES:
            raise AccountError("role", f"a role is one of {', '.join(ROLES)}")
        with self._database.session() as session:
            row = _existing(session, username)
            if role != "administrator":
                _keep_an_administrator(session, username)
            if row.role != role:
                self._note(session, "account", "role_changed", username, f"{row.role} → {role}")
            row.role = role
            _end_sessions(session, username)

    def disable(self, username: str, now_ms: int) -> None:
        """Nobody can log in by the account, and its sessions have ended.

        Raises: AccountError for an unknown name, or if nobody would be administrator any more.
        """
        with self._database.session() as session:
            row = _existing(session, username)
            _keep_an_administrator(session, username)
            if row.disabled_at_ms is None:
                self._note(session, "account", "disabled", username)
            row.disabled_at_ms = row.disabled_at_ms or now_ms
            _end_sessions(session, username)

    def enable(self, username: str) -> None:
        """The account can be logged in by again. Raises: AccountError for an unknown name."""
        with self._database.session() as session:
            row = _existing(session, username)
            if row.disabled_at_ms is not None:
                self._note(session, "account", "enabled", username)
            row.disabled_at_ms = None

    def accounts(self) -> list[Account]:
        """Returns everybody who may log in, by name."""
        with self._database.read() as session:
            rows = session.scalars(select(AccountRow).order_by(AccountRow.username))
            return [_account_of(row) for row in rows]

    def remove_account(self, username: str) -> bool:
        """The account and its sessions are gone; returns whether there was one."""
        with self._database.session() as session:
            _end_sessions(session, username)
            row = session.get(AccountRow, username)
            if row is not None:
                session.delete(row)
                self._note(session, "account", "removed", username)
            return row is not None

    def log_in(self, username: str, password: str, now_ms: int) -> str | None:
        """Returns a new session's token, or None; an unknown name takes as long as a wrong password."""
        if not self.is_password(username, password):
            return None
        return self._open_session(username, now_ms)

    def log_in_subject(self, username: str, subject: str, role: Role, now_ms: int) -> str:
        """Returns a session's token for somebody whom the centre's single sign-on vouches for, with this role.

        The account is made at the first log-in; its role is the sign-on's word each time.

        Raises: AccountError for a disabled account, or a name that is somebody else's.
        """
        _check_account(username, self._nobody, role)
        with self._database.session() as session:
            row = session.get(AccountRow, username)
            if row is None:
                values = {"password_hash": self._nobody, "role": role, "created_at_ms": now_ms, "subject": subject}
                row = AccountRow(username=username, **values)
                session.add(row)
                note_change(session, By(SIGN_ON, now_ms), "account", "added", username, role)
            if row.subject != subject:
                raise AccountError("taken", f"the name {username} belongs to another account")
            if row.disabled_at_ms is not None:
                raise AccountError("disabled", f"the account {username} is disabled")
            if row.role != role:
                note_change(session, By(SIGN_ON, now_ms), "account", "role_changed", username, f"{row.role} → {role}")
            row.role = role
        return self._open_session(username, now_ms)

    def is_password(self, username: str, password: str) -> bool:
        """Returns whether it is the password of an account that is not disabled; always takes as long."""
        with self._database.read() as session:
            row = session.get(AccountRow, username)
            is_open = row is not None and row.disabled_at_ms is None and row.subject is None
            password_hash = row.password_hash if row is not None and is_open else self._nobody
        try:
            self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
        return is_open

    def session_account(self, session_token: str, now_ms: int) -> Account | None:
        """Returns whose session it is, or None when it is unknown or over."""
        with self._database.read() as session:
            row = session.execute(
                select(AccountRow)
                .join(SessionRow, SessionRow.username == AccountRow.username)
                .where(
                    SessionRow.token_hash == _hash(session_token),
                    SessionRow.expires_at_ms > now_ms,
                    AccountRow.disabled_at_ms.is_(None),
                )
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
        created_by: str | None = None,
    ) -> str:
        """The name has this token and no other; returns it (a fresh one unless given). It cannot be read again.

        Raises: AccountError for an empty name or no institution, a name that another kind of token has, or an agent for
            all institutions: it learns the faces of whoever swipes there.
        """
        if not name or name != name.strip() or not all(institution_ids) or not institution_ids:
            raise AccountError("token", "a token needs a name and at least one institution, or `*` for all")
        if kind == "agent" and EVERYWHERE in institution_ids:
            raise AccountError("everywhere", "a camera agent speaks for the institutions that are named, not for all")
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
                    created_by=created_by,
                ),
            )
            places = " ".join(institution_ids) + (f" {till_id}" if till_id else "")
            actor = created_by or (self.by.actor if self.by else MACHINE)
            note_change(session, By(actor, now_ms), kind, "token_made", name, places)
        return plain

    def token(self, kind: TokenKind, plain: str) -> Token | None:
        """Returns whom the token names, or None when it is unknown, revoked or of another kind."""
        with self._database.read() as session:
            row = session.get(TokenRow, _hash(plain))
            if row is None or row.kind != kind or row.revoked_at_ms is not None:
                return None
            return _token_of(row)

    def tokens(self, kind: TokenKind, *, revoked: bool = False) -> list[Token]:
        """Returns all tokens of the kind that are not revoked, by name; with `revoked`, those that are as well."""
        wanted = TokenRow.kind == kind if revoked else (TokenRow.kind == kind) & TokenRow.revoked_at_ms.is_(None)
        with self._database.read() as session:
            return [_token_of(row) for row in session.scalars(select(TokenRow).where(wanted).order_by(TokenRow.name))]

    def revoke_token(self, name: str, now_ms: int, kind: TokenKind | None = None) -> bool:
        """The name's token (if of the kind) opens nothing any more; returns whether there was one that did."""
        with self._database.session() as session:
            standing = (TokenRow.name == name) & TokenRow.revoked_at_ms.is_(None)
            revoked = session.execute(
                update(TokenRow)
                .where(standing if kind is None else standing & (TokenRow.kind == kind))
                .values(revoked_at_ms=now_ms)
                .returning(TokenRow.kind)
            ).all()
            for row in revoked:
                self._note(session, cast("TokenKind", row.kind), "token_revoked", name)
            return bool(revoked)

    def record_face_view(self, still_id: str, username: str, reason: str, now_ms: int, note: str = "") -> None:
        """It is on record that this person saw this picture, when and why; `note` is what the person wrote of it."""
        with self._database.session() as session:
            session.add(
                FaceViewRow(still_id=still_id, username=username, at_ms=now_ms, reason=reason, note=note or None)
            )

    def _note(self, session: Session, kind: ChangedKind, action: ChangeAction, subject: str, detail: str = "") -> None:
        by = self.by or By(MACHINE, time.time_ns() // 1_000_000)
        note_change(session, by, kind, action, subject, detail)

    def _set_password(
        self, username: str, password: str, action: Literal["password_reset", "password_changed"]
    ) -> None:
        password_hash = self._hasher.hash(password)
        with self._database.session() as session:
            row = _existing(session, username)
            if row.subject is not None:
                raise AccountError("kept_elsewhere", f"the password of {username} is kept by the single sign-on")
            row.password_hash, row.must_change_password = password_hash, action == "password_reset"
            _end_sessions(session, username)
            self._note(session, "account", action, username)

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
        raise AccountError("name", "a username is not empty and has no space around it")
    if role not in ROLES:
        raise AccountError("role", f"a role is one of {', '.join(ROLES)}")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise AccountError("password", f"a password has at least {MIN_PASSWORD_LENGTH} characters")


def _existing(session: Session, username: str) -> AccountRow:
    row = session.get(AccountRow, username)
    if row is None:
        raise AccountError("unknown", f"there is no account {username}")
    return row


def _keep_an_administrator(session: Session, leaving: str) -> None:
    others = select(AccountRow.username).where(
        AccountRow.role == "administrator", AccountRow.disabled_at_ms.is_(None), AccountRow.username != leaving
    )
    row = _existing(session, leaving)
    if row.role == "administrator" and row.disabled_at_ms is None and session.scalars(others).first() is None:
        raise AccountError("last_administrator", f"{leaving} is the last administrator")


def _end_sessions(session: Session, username: str) -> None:
    session.execute(delete(SessionRow).where(SessionRow.username == username))


def _one_time_password() -> str:
    return "-".join(secrets.token_hex(2) for _ in range(4))


def _replace_token(session: Session, row: TokenRow) -> None:
    before = session.execute(select(TokenRow).where(TokenRow.name == row.name)).scalar_one_or_none()
    if before is not None and before.kind != row.kind:
        raise AccountError("token", f"the name {row.name} belongs to a {before.kind}'s token")
    if before is not None:
        session.delete(before)
        session.flush()
    session.add(row)


def _hash(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8")).hexdigest()


def _account_of(row: AccountRow) -> Account:
    return Account(
        username=row.username,
        role=cast("Role", row.role),
        created_at_ms=row.created_at_ms,
        must_change_password=row.must_change_password,
        disabled=row.disabled_at_ms is not None,
        subject=row.subject,
    )


def _token_of(row: TokenRow) -> Token:
    return Token(
        kind=cast("TokenKind", row.kind),
        name=row.name,
        institution_ids=tuple(row.institution_ids),
        till_id=row.till_id,
        created_at_ms=row.created_at_ms,
        created_by=row.created_by,
    )
