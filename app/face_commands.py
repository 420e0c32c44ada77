"""`swipewatch faces …`: how well the face engines do on labelled pictures, and what a similarity is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from app.calibration_commands import calibration
from app.progress import count_progress
from events.errors import ConfigError
from storage.faces.duplicates import ALIKE_FROM

if TYPE_CHECKING:
    from video.engine import FaceEngine
    from video.evaluation.accuracy import Accuracy
    from video.evaluation.folder import Pair
    from video.evaluation.rates import Rate
    from video.evaluation.speed import Speed
    from video.evaluation.verdicts import Verdicts
    from video.evaluation.voting import Judge, Voted
    from video.verdict import Voting

ENGINES = ("sface", "dlib")
VOTINGS: tuple[Voting, ...] = ("either", "both")
TIMED_PICTURES = 30
SEED = 7
STRANGERS = 5
"""Cards of other people that each visitor tries."""

faces = typer.Typer(
    help="Measures how well faces are told apart, and what a similarity means.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
faces.add_typer(calibration, name="calibration")


@faces.command()
def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder a person, and pairs.txt as of Labeled Faces in the Wild.")
    ],
    engine: Annotated[
        list[str] | None, typer.Option(help="sface or dlib; without it both, the default one first.")
    ] = None,
    pairs: Annotated[int | None, typer.Option(min=1, help="Only so many pairs of each kind of each fold.")] = None,
    people: Annotated[int, typer.Option(min=2, help="With --degraded: so many people stand before the camera.")] = 200,
    frames: Annotated[int, typer.Option(min=1, help="With --degraded: so many frames vote.")] = 4,
    *,
    degraded: Annotated[
        bool, typer.Option("--degraded", help="The verdicts before far, dark and masked faces instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Prints how often each engine tells pairs of pictures right, what it misses, and its time for a face and a frame.

    Of two engines also what they say together where both vote; each face there is looked at twice.

    With --degraded instead how often the default engine's verdict is wrong, or inconclusive, before worse and worse
    pictures. Nothing of the pictures is kept. Each engine finds the faces by itself; times are processor time.
    """
    if degraded:
        _say_verdicts(folder, _open_engines(engine or ENGINES[:1]), people, frames, as_json=as_json)
        return
    from video.evaluation.folder import read_pairs

    chosen = read_pairs(folder, pairs)
    engines = _open_engines(engine)
    speeds = _time(engines, chosen)
    judges = {one.name: _judge_of(one, chosen) for one in engines}
    accuracies = {name: _measure(name, one, chosen) for name, one in judges.items()}
    voted = _vote(list(judges.values()), chosen)
    if not as_json:
        typer.echo("\n".join(_table(accuracies, speeds, voted)))
        return
    _print_json(
        folder,
        {
            one.name: {"version": one.version, "speed": speeds[one.name], "pairs": accuracies[one.name]}
            for one in engines
        },
        voted,
    )


def _say_verdicts(folder: Path, engines: Sequence[FaceEngine], people: int, frames: int, *, as_json: bool) -> None:
    measured = {one.name: _measure_verdicts(one, folder, people, frames) for one in engines}
    if as_json:
        _print_json(folder, {one.name: {"version": one.version, "verdicts": measured[one.name]} for one in engines})
        return
    for name, verdicts in measured.items():
        typer.echo(
            f"{name}: {people} people at most, {frames} frames of one photograph each vote; [interval of 95 %]\n"
        )
        typer.echo("\n".join(_verdict_table(verdicts)))


def _print_json(folder: Path, engines: Mapping[str, object], voted: Mapping[str, object] | None = None) -> None:
    from video.evaluation.plain import plain

    told = msgspec.json.encode(plain({"folder": str(folder), "engines": engines, "voting": voted or {}}))
    typer.echo(msgspec.json.format(told).decode())


@faces.command()
def calibrate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder a person, with that person's pictures.")],
    made_from: Annotated[
        str, typer.Option("--made-from", help="Whose pictures these are, for those who read the file.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    engine: Annotated[str, typer.Option(help="sface or dlib.")] = ENGINES[0],
    people: Annotated[int | None, typer.Option(min=100, help="Only so many people.")] = None,
) -> None:
    """Writes how alike strangers are, and holders with themselves: numbers alone, no picture and no embedding."""
    from video.calibration_file import write_calibration
    from video.evaluation.calibrating import calibrate_on, choose_people
    from video.evaluation.folder import people_of

    (opened,) = _open_engines([engine])
    chosen = choose_people(people_of(folder), people)
    with count_progress(engine, len(chosen)) as progress:
        made = calibrate_on(opened, chosen, progress)
    out.write_text(write_calibration(made, made_from), encoding="utf-8")
    typer.echo(f"{made.pairs:,} pairs of {made.people} people, {sum(made.own)} of one person; {out}")


def _open_engines(names: Sequence[str] | None) -> list[FaceEngine]:
    from video.worker import open_engine

    return [open_engine(name) for name in dict.fromkeys(names or ENGINES)]


def _time(engines: Sequence[FaceEngine], pairs: Sequence[Pair]) -> dict[str, Speed]:
    from video.evaluation.speed import measure_speed
    from video.sface_engine import open_sface

    pictures = sorted({pair.first for pair in pairs})[:TIMED_PICTURES]
    with count_progress("time", len(pictures)) as progress:
        return measure_speed(engines, open_sface(), pictures, progress)


def _judge_of(engine: FaceEngine, pairs: Sequence[Pair]) -> Judge:
    from video.evaluation.accuracy import embed_pictures
    from video.evaluation.voting import Judge

    pictures = sorted({path for pair in pairs for path in (pair.first, pair.second)})
    with count_progress(engine.name, len(pictures)) as progress:
        embedded = embed_pictures(engine, pictures, progress)
    if embedded.missed.hits == embedded.missed.of:
        raise ConfigError("command line", "DIR", f"{engine.name} finds no face", "pictures with a face in the middle")
    return Judge(embedded=embedded, thresholds=engine.thresholds)


def _measure(name: str, judge: Judge, pairs: Sequence[Pair]) -> Accuracy:
    from video.evaluation.accuracy import measure_accuracy

    return measure_accuracy(pairs, judge.embedded, judge.thresholds, alike_from=ALIKE_FROM[name])


def _vote(judges: Sequence[Judge], pairs: Sequence[Pair]) -> dict[str, Voted]:
    """Returns what the first two engines say together; nothing of one engine alone."""
    from video.evaluation.voting import measure_voting

    return {voting: measure_voting(pairs, judges[0], judges[1], voting) for voting in VOTINGS if len(judges) > 1}


def _measure_verdicts(engine: FaceEngine, folder: Path, people: int, frames: int) -> list[Verdicts]:
    from video.evaluation.degraded import degradings
    from video.evaluation.folder import people_of
    from video.evaluation.verdicts import Trial, choose_visits, embed_references

    visits = choose_visits(people_of(folder), people, SEED)
    references = embed_references(engine, visits)
    trial = Trial(engine=engine, thresholds=engine.thresholds, frames=frames, strangers=STRANGERS, seed=SEED)
    ways = degradings()
    with count_progress(engine.name, len(ways) * len(references)) as progress:
        return [trial.measure(way, visits, references, progress) for way in ways]


def _verdict_table(verdicts: Sequence[Verdicts]) -> list[str]:
    titles = (
        "picture",
        "wrong",
        "false reject",
        "false accept",
        "own inconclusive",
        "others inconclusive",
        "no usable frame",
    )
    rows = [
        (
            one.name,
            _words(one.wrong),
            _words(one.false_reject),
            _words(one.false_accept),
            f"{one.inconclusive_own.value:.3f}",
            f"{one.inconclusive_strange.value:.3f}",
            f"{one.unusable.value:.3f}",
        )
        for one in verdicts
    ]
    return _aligned([titles, *rows])


def _table(accuracies: Mapping[str, Accuracy], speeds: Mapping[str, Speed], voted: Mapping[str, Voted]) -> list[str]:
    columns = [_column(one, speeds[name]) for name, one in accuracies.items()]
    columns += [dict.fromkeys(columns[0], "-") | _verdict_rows(one) for one in voted.values()]
    first = next(iter(accuracies.values()))
    one_of, two_of = first.pairs.hits, first.pairs.of - first.pairs.hits
    rows = [("", *accuracies, *voted), *((title, *(column[title] for column in columns)) for title in columns[0])]
    said = f"{one_of} pairs of one person, {two_of} of two; one picture each, no vote; [interval of 95 %]"
    return [said, "", *_aligned(rows)]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _column(one: Accuracy, speed: Speed) -> dict[str, str]:
    """Returns what the table says of one engine, by the titles of its rows."""
    folded = one.folded
    folds = "-" if folded is None else f"{folded.mean:.4f} ± {folded.standard_error:.4f} in {len(folded.folds)} folds"
    return {
        "accuracy, threshold of the other folds": folds,
        "accuracy, best threshold": _words(one.best),
        "same accepted at 1 false in 1,000 listed": f"{_words(one.accepted)} from {one.accept_from:.3f}",
        "same accepted at 1 false in 1,000 of all": f"{_words(one.accepted_widely)} from {one.accept_widely_from:.3f}",
        "all pairs of different people": f"{one.strangers:,}",
        "no face found": _words(one.missed),
        "refused by the quality gate": _words(one.refused),
        **_verdict_rows(one),
        "one person, alike enough for a duplicate": f"{_words(one.own_alike)} from {one.alike_from:.2f}",
        "two people, alike enough for a duplicate": _words(one.strange_alike, digits=7),
        f"find faces in 640 × 360, ms ({speed.pictures} pictures)": f"{speed.detect_ms:.1f}",
        "embed a face, ms": f"{speed.embed_ms:.1f}",
    }


def _verdict_rows(one: Accuracy | Voted) -> dict[str, str]:
    return {
        "one person called a mismatch": _words(one.false_mismatch),
        "two people called a match": _words(one.false_match),
        "one person undecided": _words(one.undecided_same),
        "two people undecided": _words(one.undecided_different),
    }


def _words(rate: Rate, digits: int = 4) -> str:
    return f"{rate.value:.{digits}f} [{rate.low:.{digits}f}, {rate.high:.{digits}f}] of {rate.of}"
