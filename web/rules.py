"""The rules as they are in force: versions, modes, what each found today, and which are halted or silent."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from storage.queries.numbers import NumberQueries
from storage.rule_halts import RuleHalts
from web.access import LoggedIn, Person, Services
from web.dashboard import AtCentre, OnDesk, OnWall
from web.pages import InPages
from web.wording import day_start_ms

router = APIRouter()
ResumesRules = Annotated[LoggedIn, Depends(Person("resume_rules"))]


@router.get("/rules")
def rules(request: Request, who: AtCentre, services: Services, pages: InPages, desk: OnDesk) -> Response:
    """Every rule in force, and the versions by time."""
    now_ms = services.now_ms()
    in_force = services.rules_at(now_ms)
    begun = [one for one in in_force.versions if one.effective_from_ms <= now_ms]
    return pages.page(
        request,
        "rules.html",
        who=who,
        rules=in_force.rules,
        versions=tuple(reversed(in_force.versions)),
        current=begun[-1] if begun else None,
        found=NumberQueries(services.database).findings_by_detector(day_start_ms(now_ms, services.time_zone)),
        halts={halt.detector: halt for halt in RuleHalts(services.database).standing()},
        snoozes=desk.snoozes(now_ms),
    )


@router.post("/rules/{rule}/resume")
def resume_rule(
    rule: str, who: ResumesRules, services: Services, wall: OnWall, to: Annotated[Literal["/", "/rules"], Form()] = "/"
) -> Response:
    """A rule that was halted makes alerts again; what was recorded meanwhile makes none."""
    RuleHalts(services.database).resume(rule, who.account.username, services.now_ms())
    wall.forget()
    return RedirectResponse(to, 303)
