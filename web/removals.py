"""What was deleted of the evidence, and why: the page of the record."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from storage.evidence.removals import Removals
from web.access import LoggedIn, Person, Services
from web.pages import InPages

router = APIRouter()
SWEEPS_AT_ONCE = 50
SeesRemovals = Annotated[LoggedIn, Depends(Person("see_removals"))]


@router.get("/removals")
def removals(
    request: Request, who: SeesRemovals, services: Services, pages: InPages, before: int | None = None
) -> Response:
    """What each sweep has deleted of pictures, clips and originals, the newest first, and how much room is left."""
    found = Removals(services.database).latest(SWEEPS_AT_ONCE, before)
    return pages.page(
        request,
        "removals.html",
        who=who,
        removals=found,
        space=services.free_space(),
        more=found[-1].at_ms if len({one.at_ms for one in found}) == SWEEPS_AT_ONCE else None,
    )
