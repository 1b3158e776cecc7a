"""What is shown of mappings, which may be a stranger's."""

from pathlib import Path

from typer.testing import CliRunner

from operations.cli.mapping import app

OLD = "mapping: try/it\nversion: 1\nfrom: {order: canonical.order.Order}\nto: canonical.order_status.OrderStatus\n"
FIELDS = 'fields: {status: "\\"\\e[2Jnew\\""}\n'


def test_what_a_file_says_to_the_terminal_is_shown_in_letters(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OLD + FIELDS, encoding="utf-8")
    new.write_text(OLD + FIELDS.replace("new", "newer"), encoding="utf-8")

    shown = CliRunner().invoke(app, ["diff", str(old), str(new)]).output

    assert '- "\\x1b[2Jnew"' in shown
    assert '+ "\\x1b[2Jnewer"' in shown
    assert "\x1b" not in shown
