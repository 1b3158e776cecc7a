"""Commands that are imported when they are run, so that help and completion answer at once."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer.core
import typer.main
from typer.core import TyperCommand


class LazyCommand(TyperCommand):
    """Stands for a command or group: shows its help line, and becomes the real one when it is entered."""

    def __init__(self, name: str, module: str, attribute: str, help_line: str, panel: str) -> None:
        super().__init__(name, help=help_line, short_help=help_line, rich_help_panel=panel)
        self._module = module
        self._attribute = attribute

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The real command's context; the framework then runs that command."""
        return self.load().make_context(info_name, args, parent, **extra)

    def load(self) -> Any:
        """The real command."""
        target = getattr(import_module(self._module), self._attribute)
        app = target if isinstance(target, typer.Typer) else _alone(self.name or "", target)
        command = typer.main.get_command(app)
        command.name = self.name
        return command


def _alone(name: str, function: Callable[..., Any]) -> typer.Typer:
    app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.command(name)(function)
    return app
