"""Sealing what is sensitive: AES-256-GCM under a key that lies outside the database.

A sealed text is `SW1` + the key's 8-byte mark + a 12-byte random nonce + ciphertext with its 16-byte tag. The context
(what the bytes are and whom they belong to) is bound to it: sealed bytes moved to another place do not open there.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.durable_files import write_new_file
from storage.errors import AlteredData, KeyUnusable, WrongKey

KEY_BYTES = 32
_MAGIC = b"SW1"
_MARK_BYTES = 8
_NONCE_BYTES = 12
_HEAD_BYTES = len(_MAGIC) + _MARK_BYTES + _NONCE_BYTES


class Keyring:
    """The key under which a product's sensitive data is sealed."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)
        self._mark = hashlib.sha256(b"swipewatch key mark\x00" + key).digest()[:_MARK_BYTES]

    def __repr__(self) -> str:
        return f"Keyring(mark={self._mark.hex()})"

    @classmethod
    def open(cls, path: Path, *, needed: bool = False) -> Keyring:
        """Returns the keyring of the key file, made if absent (0600, its folder 0700) unless it is `needed`.

        Args:
            path: the key file, 32 bytes.
            needed: whether data exists that was sealed before (`storage.references.has_sealed_data`): then a new key
                would hide that the old one is lost.

        Raises: KeyUnusable if the file has another size or may be read by others, or is absent though needed.
        """
        return cls(open_key(path, needed=needed))

    def seal(self, plain: bytes, context: str) -> bytes:
        """Returns the bytes sealed for this context; sealing the same twice gives different bytes."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _MAGIC + self._mark + nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Returns the plain bytes.

        Raises: WrongKey if they were sealed under another key; AlteredData if they were changed, cut short, or sealed
        for another context.
        """
        if len(sealed) < _HEAD_BYTES or not sealed.startswith(_MAGIC):
            raise AlteredData("the bytes are not sealed by swipewatch, or cut short")
        mark = sealed[len(_MAGIC) : len(_MAGIC) + _MARK_BYTES]
        if mark != self._mark:
            raise WrongKey(f"sealed under key {mark.hex()}, the key at hand is {self._mark.hex()}")
        nonce = sealed[_HEAD_BYTES - _NONCE_BYTES : _HEAD_BYTES]
        try:
            return self._cipher.decrypt(nonce, sealed[_HEAD_BYTES:], context.encode())
        except InvalidTag:
            raise AlteredData("the sealed bytes were altered, or belong to another place") from None


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
