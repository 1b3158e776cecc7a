"""Starts the simulated Clarity eCommerce store: `python -m sandbox.clarity --port 8085 --data DIR`."""

import argparse
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import uvicorn

from sandbox.clarity.app import DEFAULT_BASE_PATH, Settings, Simulator
from sandbox.clarity.faults import DroppableHttpProtocol
from sandbox.clarity.sessions import Credentials
from sandbox.clarity.webhooks import check_secret


def main() -> None:
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    # One line per request of the webhook sender says nothing its own line has not said.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        if arguments.webhook_secret is not None:
            check_secret(arguments.webhook_secret)
        simulator = Simulator(_settings(arguments))
    except (OSError, ValueError) as error:
        sys.exit(f"clarity sandbox: {error}")
    config = uvicorn.Config(
        simulator,
        host=arguments.host,
        port=arguments.port,
        http=DroppableHttpProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="info",
        timeout_graceful_shutdown=3,
    )
    # uvicorn raises the signal again once it has shut down in order; that is then a clean end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    # what is loaded stays: the garbage collector need not go over it again and again
    gc.freeze()
    uvicorn.Server(config).run()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _settings(arguments: argparse.Namespace) -> Settings:
    return Settings(
        data=arguments.data,
        base_path="/" + arguments.base_path.strip("/"),
        credentials=Credentials(arguments.user, arguments.password),
        webhook_url=arguments.webhook_url,
        webhook_secret=arguments.webhook_secret,
        flat_feed=arguments.flat_feed,
        seed=arguments.seed,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.clarity", description="A simulated Clarity eCommerce store."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="the store's folder; it outlives the process")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--base-path", default=DEFAULT_BASE_PATH)
    parser.add_argument("--user", default="bus", help="of the API (default: bus)")
    # other users of the machine can read a command line, but not the environment
    parser.add_argument(
        "--password",
        default=os.environ.get("CLARITY_SANDBOX_PASSWORD", "sandbox-bus"),
        help="of the API (default: CLARITY_SANDBOX_PASSWORD, or sandbox-bus)",
    )
    parser.add_argument("--webhook-url", help="send signed webhooks there")
    parser.add_argument(
        "--webhook-secret",
        default=os.environ.get("CLARITY_SANDBOX_WEBHOOK_SECRET"),
        help="whsec_… (default: CLARITY_SANDBOX_WEBHOOK_SECRET; without it, one is made and kept)",
    )
    parser.add_argument("--flat-feed", action="store_true", help="also serve the project's own GET /feed/orders/{id}")
    parser.add_argument("--seed", type=int, help="of everything made up by chance")
    return parser


if __name__ == "__main__":
    main()
