"""Steps of the tables: one line, so that two that were written at the same time are noticed before they are taken."""

import re

import pytest

from bus.settings import ROOT

FOLDERS = ("delivery/migrations/versions", "operations/projection/migrations/versions")


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_step_follows_the_one_before(folder: str) -> None:
    before: str | None = None
    for path in sorted((ROOT / folder).glob("[0-9]*.py")):
        text = path.read_text(encoding="utf-8")
        named = dict(re.findall(r'^(revision|down_revision) = (?:"(\w+)"|None)$', text, re.MULTILINE))

        assert named["revision"] == path.name.split("_")[0]
        assert named["down_revision"] == (before or "")
        before = named["revision"]
