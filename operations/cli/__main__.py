"""Makes `python -m operations.cli` the command."""

from operations.cli.app import main

main()
