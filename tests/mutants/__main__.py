"""`python -m tests.mutants`, which `make mutants` runs."""

from __future__ import annotations

import sys

from tests.mutants.run import main

sys.exit(main())
