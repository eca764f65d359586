"""Route reads and writes metadata, and leaves the content alone."""

from wappa_guest import Config, Message, configure, count, log, processor

routes: Config = {}


@configure
def start(config: Config) -> None:
    """Keeps the routes."""
    global routes
    routes = config


@processor
def route(message: Message) -> None:
    """Works on one message."""
    metadata = message.metadata
    keys = ",".join(metadata)
    to = route_of(message)

    metadata["route"] = to
    metadata["keys"] = keys
    metadata["position"] = f"{message.index}/{message.batch_length}"
    metadata.pop("secret", None)
    if (error := message.error) is not None:
        metadata["last_error"] = error
        message.clear_error()

    count("routed")
    log.debug(f"routed to {to}")


def route_of(message: Message) -> str:
    """The config for the message's kind, else the default."""
    default = routes.get("default", "none")
    if "kind" not in message.metadata:
        return default
    return routes.get(f"route.{message.metadata['kind']}", default)
