"""What is told of a deployment without asking anybody."""

import re
import shutil
from pathlib import Path

from bus.settings import load
from operations.check import check
from operations.stack.settings import REPOSITORY_ROOT


def test_row_of_a_lookup_table_may_hold_line_breaks(tmp_path: Path) -> None:
    demo = tmp_path / "deployments" / "demo"
    shutil.copytree(REPOSITORY_ROOT / "deployments" / "demo", demo)
    (demo / "lookups" / "sizes.csv").write_text('key,value\nS,"small\nor less"\nM,medium\n')
    variables = re.findall(r"env:(\w+)", (demo / "towpath.toml").read_text())

    found = check(load(dict.fromkeys(variables, "20001"), tmp_path))

    assert found.lookups["sizes"] == 2
    assert found.problems == ()
