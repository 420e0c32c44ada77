"""`swipewatch topics …`: the topics of a cluster, made and compared with what this version declares."""

from __future__ import annotations

from typing import Annotated

import typer

from app.logs import configure_logs
from app.options import Brokers
from events.topics import DEFAULT_PARTITIONS, TOPICS, lines_of

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


def _check(brokers: str) -> None:
    from streams.cluster.topics import topic_differences

    differences = topic_differences(brokers)
    for line in differences:
        typer.echo(line, err=True)
    if differences:
        raise typer.Exit(1)
    typer.echo(f"{len(TOPICS)} topics are as declared")
