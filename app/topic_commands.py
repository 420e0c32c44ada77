"""`swipewatch topics …`: the topics of a cluster, made and compared with what this version declares."""

from __future__ import annotations

from typing import Annotated

import typer

from app.logs import configure_logs
from app.options import Brokers, DatabaseAddress, shared_database
from app.progress import count_progress
from events.topics import DEFAULT_PARTITIONS, TOPICS, lines_of
from storage.database import Database
from storage.log import AcceptedLog

topics = typer.Typer(
    help="Makes and checks the Kafka topics of a cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@topics.command("list")
def list_topics() -> None:
    """Prints what flows in each topic, by which key and how long it is kept."""
    for line in lines_of(TOPICS):
        typer.echo(line)


@topics.command()
def create(
    brokers: Brokers,
    partitions: Annotated[
        int, typer.Option(min=1, max=10_000, help="Partitions of each topic that is spread: at most so many workers.")
    ] = DEFAULT_PARTITIONS,
    replicas: Annotated[int, typer.Option(min=1, max=100, help="How many brokers keep a copy of each topic.")] = 1,
) -> None:
    """Makes the topics that are missing, leaves the others, and checks; exit 1 if any is not as declared."""
    from streams.cluster.topics import create_topics  # Kafka's client is loaded by those who talk to a broker

    configure_logs()
    made = create_topics(brokers, partitions, replicas)
    for name in made:
        typer.echo(f"{name}: made")
    if not made:
        typer.echo("every topic was there")
    _check(brokers)


@topics.command()
def check(brokers: Brokers) -> None:
    """Compares the brokers' topics with what this version declares; exit 1 and a line for each difference."""
    configure_logs()
    _check(brokers)


@topics.command()
def repartition(
    brokers: Brokers,
    partitions: Annotated[int, typer.Option(min=1, max=10_000, help="Into how many, at least as many as there are.")],
    database: DatabaseAddress = None,
) -> None:
    """Cuts a cluster, or what an embedded product has left in PostgreSQL, into other partitions; nothing may run.

    Workers that start afterwards make their stores anew from the accepted log. Stopped half way it can be repeated.
    """
    from app.recutting import recut  # Kafka's client and numpy are loaded by those who need them

    configure_logs()
    opened = Database.open(shared_database(database, None))
    try:
        opened.claim()
        with count_progress("repartition", AcceptedLog(opened).count()) as progress:
            recut(opened, brokers, partitions, progress)
    finally:
        opened.close()
    typer.echo(f"{partitions} partitions; start the workers, and see `swipewatch findings --wait`")


def _check(brokers: str) -> None:
    from streams.cluster.topics import topic_differences

    differences = topic_differences(brokers)
    for line in differences:
        typer.echo(line, err=True)
    if differences:
        raise typer.Exit(1)
    typer.echo(f"{len(TOPICS)} topics are as declared")
