"""The import contracts see every module: import-linter follows packages only."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "schemas",
    "mapping",
    "bus",
    "connect",
    "delivery",
    "producers",
    "streams",
    "consumers",
    "operations",
    "sandbox",
)


def test_each_folder_with_code_is_a_package() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}

    assert {folder.relative_to(ROOT) for folder in folders if not (folder / "__init__.py").exists()} == set()
