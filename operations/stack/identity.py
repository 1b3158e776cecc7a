"""Who a checkout's stack is: written at its first start, so that data of another one is never taken for its own."""

import base64
import uuid

import msgspec

from errors import ConfigurationError
from operations.stack.places import Places
from operations.stack.state import write_private


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The stack of one checkout, from its first `up` to its purge."""

    root: str
    #: Kafka's cluster id, and the mark on data that lies outside the checkout.
    cluster: str


def establish(places: Places) -> Identity:
    """The identity of this checkout's stack, made at the first start.

    Raises:
        ConfigurationError: the checkout was moved or copied together with its data, whose parts lie in two places.
    """
    try:
        identity = msgspec.json.decode(places.identity_file.read_bytes(), type=Identity)
    except FileNotFoundError:
        identity = Identity(root=str(places.root), cluster=_new_cluster_id())
        write_private(places.identity_file, msgspec.json.encode(identity))
    if identity.root != str(places.root):
        message = f"this stack was made in {identity.root}; `towpath stack down --purge` drops its data here"
        raise ConfigurationError(str(places.home), message)
    return identity


def _new_cluster_id() -> str:
    """Kafka's spelling of a random UUID; one that begins with a dash would be taken for an option."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A", 1)
