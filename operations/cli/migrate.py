"""`towpath migrate`: tables of stores and projection."""

from operations.cli.deployment import settings
from operations.cli.output import AsJson, out, print_json
from operations.migrate import migrate as take_steps


def migrate(as_json: AsJson = False) -> None:
    """Bring the tables of all stores and of the projection to this version; a second time does nothing."""
    steps = take_steps(settings())
    if as_json:
        print_json({"steps": steps})
        return
    for step in steps:
        out().print(step, markup=False)
    if not steps:
        out().print("all tables are up to date")
