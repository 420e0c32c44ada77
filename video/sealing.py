"""Seals what the camera worker keeps on disk: AES-256-GCM under a key that lies elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class SealBroken(ValueError):
    """The bytes were altered, or sealed under another key."""


@dataclass(frozen=True, kw_only=True)
class Seal:
    """Two functions that undo each other; `unseal` raises SealBroken for anything that `seal` did not make."""

    seal: Callable[[bytes], bytes]
    unseal: Callable[[bytes], bytes]


def seal_with(key: bytes, context: str) -> Seal:
    """Returns the seal of a 32-byte key for one purpose; what is sealed for another purpose does not open."""
    cipher, purpose = AESGCM(key), context.encode()

    def seal(plain: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + cipher.encrypt(nonce, plain, purpose)

    def unseal(sealed: bytes) -> bytes:
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("altered bytes or another key") from error

    return Seal(seal=seal, unseal=unseal)
