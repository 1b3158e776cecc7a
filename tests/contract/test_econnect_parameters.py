"""The parameters our client may send are those the simulator takes, kept in two files that were written apart."""

import json
from pathlib import Path

import pytest

from sandbox.dynamics_gp.tables import Parameter, procedures

DOCUMENTED = json.loads((Path(__file__).parents[2] / "schemas/systems/dynamics_gp/procedures.json").read_text("utf-8"))
SIMULATED = {procedure.name: procedure for procedure in procedures()}


def test_same_procedures() -> None:
    assert set(SIMULATED) == set(DOCUMENTED)


@pytest.mark.parametrize("procedure", sorted(DOCUMENTED))
def test_same_parameters_in_the_same_order(procedure: str) -> None:
    simulated = [_described(given) for given in SIMULATED[procedure].inputs]

    assert simulated == DOCUMENTED[procedure]


def _described(given: Parameter) -> dict[str, object]:
    kind = given.kind
    types = {"c": "char", "v": "varchar", "s": "smallint", "t": "tinyint", "i": "int", "d": "datetime", "txt": "text"}
    name = f"numeric(19,{kind.size or 5})" if kind.letter == "n" else types[kind.letter]
    return {
        "name": given.name,
        "type": name,
        "length": kind.size if kind.letter in {"c", "v"} else None,
        "required": given.required,
        "default": None if given.default is None else given.default.strip("'"),
    }
