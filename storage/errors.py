"""What storage raises.

SwipewatchError
├── ConfigError
│   ├── DatabaseUnusable   not a database of ours, or one made by a newer swipewatch
│   └── KeyUnusable        the key file is missing, cut short or open to others
├── TransientError
│   └── DatabaseUnavailable   locked, full or gone: trying again may help
├── WrongKey               sealed under another key
├── AlteredData            sealed bytes, or a picture, that are not what was kept
├── EvidenceMissing        evidence whose file is gone
├── AskedAgain             an answer to facts that newer ones have overtaken
└── AnswerIdTaken          an answer's id that already belongs to another answer
LookupError
├── UnknownAlert
├── UnknownStill
├── UnknownClip
└── UnknownOriginal
"""

from __future__ import annotations

from events.errors import ConfigError, SwipewatchError, TransientError


class DatabaseUnusable(ConfigError):
    """The database cannot be used by this version of swipewatch; waiting does not help."""


class DatabaseUnavailable(TransientError):
    """The database did not do what was asked (locked, disk full, gone); nothing of the transaction was kept."""


class KeyUnusable(ConfigError):
    """The key file is missing although data needs it, has the wrong size, or may be read by others."""


class WrongKey(SwipewatchError):
    """The bytes were sealed under another key than the one at hand."""


class AlteredData(SwipewatchError):
    """The bytes are not the ones that were kept, or stand in another place than they were kept for."""


class EvidenceMissing(SwipewatchError):
    """The row of a picture, clip or original stands, its file does not."""


class AskedAgain(SwipewatchError):
    """The store was asked again, with new facts, after what it answers here; nothing was changed."""


class AnswerIdTaken(SwipewatchError):
    """The terminal gave this id to another answer before; nothing was changed."""


class UnknownAlert(LookupError):
    """No alert has this id."""


class UnknownStill(LookupError):
    """No picture has this id."""


class UnknownClip(LookupError):
    """No clip has this id."""


class UnknownOriginal(LookupError):
    """No sealed original has this id."""
