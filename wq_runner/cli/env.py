"""`wq-env`: the environments that were packed for workers."""

from __future__ import annotations

from typing import NoReturn

import click

from wq_runner.cli import base


@click.group(cls=base.Group, name="wq-env")
def cli() -> None:
    """Build, list, compare and clean the environments that workers get."""


def main() -> NoReturn:
    base.main(cli)
