"""`towpath info`: addresses and sandbox credentials."""

from operations.cli.deployment import settings
from operations.cli.output import AsJson, print_json
from operations.cli.tables import print_table
from operations.info import Info
from operations.info import info as all_of_it


def info(as_json: AsJson = False) -> None:
    """Every address of what runs here, and the sandbox's credentials; the JSON's shape is a contract."""
    found = all_of_it(settings())
    if as_json:
        print_json(found)
        return
    print_table(("what", "value"), _lines(found))


def _lines(found: Info) -> list[tuple[str, str]]:
    lines = [("deployment", found.deployment), ("kafka", found.kafka)]
    lines += [("registry", found.registry), ("connect", found.connect), ("gateway", found.gateway.url)]
    for name, target in found.gateway.webhooks.items():
        lines.append((f"webhooks of {name}", target.url))
        lines += [(f"  signed with {number}", secret) for number, secret in enumerate(target.secrets, start=1)]
    for name, each in found.connections.items():
        lines.append((name, each.url or each.odbc))
        if each.stopped:
            lines.append(("  stopped", each.stopped))
        if each.user:
            lines.append(("  user, password", f"{each.user} {each.password}"))
    # first under their own names, then under those of connections
    simulators = {each.control_url: name for name, each in reversed(found.sandbox.items())}
    lines += [(f"simulator {name}", url) for url, name in reversed(simulators.items())]
    for name, process in found.processes.items():
        lines.append((f"process {name}", ", ".join(map(str, process.pids)) if process.pids else "down"))
        lines += [("  metrics", address) for address in process.metrics]
    return lines
