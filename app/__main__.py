"""`swipewatch` and `python -m app`: runs a command and turns errors into exit codes and a sentence.

Exit codes: 0 done; 1 the command's own answer is no; 2 the configuration or the input is wrong; 3 a dependency is away
or a part has given up, and starting again may help.
"""

from __future__ import annotations

import sys

from app.commands import commands
from events.errors import ConfigError, TransientError


def main() -> None:
    """Runs the command that the arguments name."""
    try:
        commands()
    except ConfigError as error:
        sys.exit(_say(error, 2))
    except TransientError as error:
        sys.exit(_say(error, 3))


def _say(error: Exception, code: int) -> int:
    sys.stderr.write(f"swipewatch: {error}\n")
    return code


if __name__ == "__main__":
    main()
