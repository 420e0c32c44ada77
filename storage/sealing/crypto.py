"""Sealing what is sensitive: AES-256-GCM under a key that lies outside the database.

A sealed text is `SW1` + the key's 8-byte mark + a 12-byte random nonce + ciphertext with its 16-byte tag. The context
(what the bytes are and whom they belong to) is bound to it: sealed bytes moved to another place do not open there.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.errors import AlteredData, KeyUnusable, WrongKey
from storage.sealing.durable_files import replace_file, write_new_file

KEY_BYTES = 32
_MAGIC = b"SW1"
_MARK_BYTES = 8
_NONCE_BYTES = 12
HEAD_BYTES = len(_MAGIC) + _MARK_BYTES + _NONCE_BYTES


class _Keys(NamedTuple):
    """The key that seals, by its mark, and all that open."""

    sealing: bytes
    ciphers: Mapping[bytes, AESGCM]


class Keyring:
    """The key under which a product's sensitive data is sealed, and the earlier ones that still open some of it.

    One that was opened from a file follows it: a key that is put into force seals from then on, in every process.
    """

    def __init__(self, key: bytes, earlier: Iterable[bytes] = ()) -> None:
        self._keys = _keys_of(key, earlier)
        self._path: Path | None = None
        self._read_at: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"Keyring(mark={self._keys.sealing.hex()})"

    @classmethod
    def open(cls, path: Path, *, needed: bool = False) -> Keyring:
        """Returns the keyring of the key file, made if absent (0600, its folder 0700) unless it is `needed`.

        Args:
            path: the key file, 32 bytes; earlier keys lie beside it.
            needed: whether data exists that was sealed before (`storage.sealing.rows.has_sealed_data`): then a new key
                would hide that the old one is lost.

        Raises: KeyUnusable if the file has another size or may be read by others, or is absent though needed.
        """
        written_at = _written_at(path)
        keyring = cls(open_key(path, needed=needed), [_read_key(one) for one in earlier_keys(path)])
        keyring._path, keyring._read_at = path, written_at
        return keyring

    def seal(self, plain: bytes, context: str) -> bytes:
        """Returns the bytes sealed for this context; sealing the same twice gives different bytes."""
        self._follow()
        keys, nonce = self._keys, secrets.token_bytes(_NONCE_BYTES)
        return _MAGIC + keys.sealing + nonce + keys.ciphers[keys.sealing].encrypt(nonce, plain, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Returns the plain bytes.

        Raises: WrongKey if they were sealed under a key that is not at hand; AlteredData if they were changed, cut
        short, or sealed for another context.
        """
        mark = mark_in(sealed)
        if mark not in self._keys.ciphers:
            self._follow()
        cipher = self._keys.ciphers.get(mark)
        if cipher is None:
            raise WrongKey(f"sealed under key {mark.hex()}, the key at hand is {self._keys.sealing.hex()}")
        nonce = sealed[HEAD_BYTES - _NONCE_BYTES : HEAD_BYTES]
        try:
            return cipher.decrypt(nonce, sealed[HEAD_BYTES:], context.encode())
        except InvalidTag:
            raise AlteredData("the sealed bytes were altered, or belong to another place") from None

    def is_current(self, sealed: bytes) -> bool:
        """Returns whether bytes were sealed under the key in force; their head is enough. Raises: AlteredData."""
        self._follow()
        return mark_in(sealed) == self._keys.sealing

    def _follow(self) -> None:
        """Takes the keys in anew when the file has changed; while it cannot be read those at hand stay."""
        if self._path is None or (written_at := _written_at(self._path)) in (None, self._read_at):
            return
        try:
            key = _read_key(self._path)
            earlier = [_read_key(one) for one in earlier_keys(self._path)]
        except KeyUnusable:
            return
        self._keys, self._read_at = _keys_of(key, earlier), written_at


def mark_of(key: bytes) -> bytes:
    """Returns the 8 bytes that name a key; nothing leads from them to it."""
    return hashlib.sha256(b"swipewatch key mark\x00" + key).digest()[:_MARK_BYTES]


def mark_in(sealed: bytes) -> bytes:
    """Returns the mark of the key that bytes were sealed under. Raises: AlteredData."""
    if len(sealed) < HEAD_BYTES or not sealed.startswith(_MAGIC):
        raise AlteredData("the bytes are not sealed by swipewatch, or cut short")
    return sealed[len(_MAGIC) : len(_MAGIC) + _MARK_BYTES]


def earlier_keys(path: Path) -> list[Path]:
    """Returns the files of the keys that were in force before a key file's: NAME-MARK.key beside NAME.key."""
    return sorted(path.parent.glob(f"{path.stem}-{'[0-9a-f]' * 2 * _MARK_BYTES}{path.suffix}"))


def put_new_key(path: Path) -> None:
    """Afterwards a new key is in force and the one before lies beside it, whenever the power fails.

    Raises: KeyUnusable.
    """
    old = _read_key(path)
    write_new_file(path.with_name(f"{path.stem}-{mark_of(old).hex()}{path.suffix}"), old)
    replace_file(path, secrets.token_bytes(KEY_BYTES))


def _keys_of(key: bytes, earlier: Iterable[bytes]) -> _Keys:
    ciphers = {}
    for one in (*earlier, key):
        if len(one) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        ciphers[mark_of(one)] = AESGCM(one)
    return _Keys(mark_of(key), ciphers)


def _written_at(path: Path) -> tuple[int, int] | None:
    """Returns what changes when a file is replaced; None while there is none."""
    try:
        known = path.stat()
    except OSError:
        return None
    return known.st_mtime_ns, known.st_ino


def keyed_mark(key: bytes, plain: str) -> str:
    """Returns what stands for a number that must not be kept: 28 characters, and nothing without the key leads back."""
    return "m-" + hmac.new(key, plain.encode(), hashlib.sha256).hexdigest()[:26]


def open_key(path: Path, *, needed: bool = False) -> bytes:
    """Returns the 32 bytes of a key file, made if absent (0600, its folder 0700) unless it is `needed`.

    Raises: KeyUnusable if the file has another size or may be read by others, or is absent though needed.
    """
    if not path.exists():
        if needed:
            raise KeyUnusable(str(path), "key file", "absent", "restore it: sealed data in the database needs it")
        _make_key(path)
    return _read_key(path)


def _make_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    write_new_file(path, secrets.token_bytes(KEY_BYTES))


def _read_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            others = os.fstat(file.fileno()).st_mode & 0o077
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise KeyUnusable(str(path), "key file", error.strerror, "a readable file") from error
    if others:
        raise KeyUnusable(str(path), "key file", f"mode {others:03o} for others", "readable by its owner alone (0600)")
    if len(key) != KEY_BYTES:
        raise KeyUnusable(str(path), "key file", f"{len(key)} bytes", f"exactly {KEY_BYTES} bytes")
    return key
