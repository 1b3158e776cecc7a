"""The company database tells its own tables over ODBC, and what an add-on changes in them is told at the next look."""

import json
from pathlib import Path

import msgspec
import psycopg

from bus.secret import Secret
from connect.discovered import Field, Kind
from operations.discover import discover, write
from tests.doubles.deployment import deployment, of_system
from tests.integration.dynamics_gp.company import Sandbox


def test_tables_are_discovered_proposed_and_compared_with_the_last_time(sandbox: Sandbox, tmp_path: Path) -> None:
    connection = msgspec.structs.replace(
        of_system("gp-two", "dynamics-gp"), odbc=Secret(sandbox.proxied), dialect="postgresql"
    )
    settings, kept = deployment(connection), tmp_path / "discovered" / "gp-two.json"
    first = discover(settings, "gp-two", kept, only=["SOP1010*"])

    with psycopg.connect(sandbox.superuser_dsn, autocommit=True) as add_on:
        add_on.execute('ALTER TABLE dbo."SOP10100" ADD COLUMN "ADDON" varchar(7)')
        try:
            second = discover(settings, "gp-two", kept, only=["SOP10100"])
        finally:
            add_on.execute('ALTER TABLE dbo."SOP10100" DROP COLUMN "ADDON"')

    (table,) = [each for each in first.records if each.name == "SOP10100"]
    fields = {each.name: each for each in table.fields}
    assert (first.how, first.since, first.changes) == ("catalogue", None, ())
    assert fields["SOPNUMBE"].kind is Kind.TEXT
    assert (fields["DOCAMNT"].precision, fields["DOCAMNT"].scale) == (19, 5)
    assert fields["DOCDATE"].kind is Kind.MOMENT
    (change,) = second.changes
    assert (change.record, change.field, change.what, change.after) == ("SOP10100", "ADDON", "added", "text(7)")
    written, _ = write(second, tmp_path / "proposed")
    assert [path.name for path in written] == ["sop_10100.avsc", "sop_10100.py"]
    names = [each["name"] for each in json.loads(written[0].read_text())["fields"]]
    assert {"SOPNUMBE", "ADDON"} <= set(names)
    everything = second.kept_in.read_text() + "".join(path.read_text() for path in written)
    assert "secret" not in everything
    assert (
        Field(name="ADDON", kind=Kind.TEXT, length=7, nullable=True, said="character varying")
        in second.records[0].fields
    )
