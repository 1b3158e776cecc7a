"""The pages of docs/reference that are made from the code (`make reference`); a test holds them in step."""

import sys
from pathlib import Path

from mapping.functions import CHAPTERS, FUNCTIONS
from mapping.functions.description import Function
from mapping.functions.faults import ITEMS_LIMIT, TEXT_LIMIT

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"

_FUNCTIONS = f"""# Functions of the mapping language

<!-- made by `make reference` from mapping/functions; write there -->

A function gives the same result for the same arguments and reads nothing else, but the deployment's lookup tables where
it says `table`. Types: `text`, `decimal`, `integer` (serves where a decimal is wanted), `boolean`, `instant` (a moment
with its zone), `date`, `list[…]`, `map[…]` (keys are text), `any`; `T` is whatever it was given; a `?` behind a type:
the value may be absent. What has a `=` may be left out.

A function that cannot do what it was asked refuses: the record becomes a dead letter that names the field, what was
given (never names, addresses, phones or e-mail) and what was expected. Texts are at most {TEXT_LIMIT:,} characters,
lists {ITEMS_LIMIT:,} items long.
"""


def pages() -> dict[Path, str]:
    """Text of each page by where it stands."""
    return {FOLDER / "mapping-functions.md": functions_page()}


def functions_page() -> str:
    """Every function by chapter: signature, sentence, examples, and what undoes it."""
    parts = [_FUNCTIONS]
    for chapter, calls in CHAPTERS.items():
        parts.append(f"## {chapter}\n")
        parts += [_function(FUNCTIONS[call.__name__]) for call in calls]
    return "\n".join(parts)


def _function(function: Function) -> str:
    undone = f"\nIts inverse is `{function.inverse}`.\n" if function.inverse else ""
    examples = "\n".join(function.examples)
    return f"### {function.name}\n\n`{function.signature}`\n\n{function.doc}\n{undone}\n```python\n{examples}\n```\n"


def main() -> int:
    """Write all pages anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(FOLDER.parents[1])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
