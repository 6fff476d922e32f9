"""Flask-Caching's store for answers: bytes in, bytes out, never a pickle."""

from typing import IO, Any

import redis
from cachelib.serializers import RedisSerializer
from flask import Flask
from flask_caching import Cache
from flask_caching.backends.rediscache import RedisCache

from actionsight.settings import Settings
from api.cache.recent import Recent
from api.cache_server import Outage, connect
from api.seals import Seal, seal_of

PREFIX = "actionsight:answers:"
# No entry is ever stale. Those that nobody can ask for any more go by this, where the server has
# no bound of its own.
LIFETIME_SECONDS = 3600

cache = Cache(with_jinja2_ext=False)


class BytesSerializer(RedisSerializer):
    """Bytes as they are: whatever else lies in the cache is never executed."""

    def dumps(self, value: Any, _protocol: int = 0) -> bytes:
        """The bytes.

        Raises:
            TypeError: the value is no bytes.
        """
        if not isinstance(value, bytes):
            raise TypeError(f"answers are cached as bytes, not as {type(value).__name__}")
        return value

    def loads(self, value: bytes | None) -> bytes | None:
        """The bytes; None where there are none."""
        return value

    def dump(self, value: Any, f: IO[bytes], _protocol: int = 0) -> None:
        """As `dumps`, to a file."""
        f.write(self.dumps(value))

    def load(self, f: IO[bytes]) -> bytes | None:
        """As `loads`, from a file."""
        return self.loads(f.read())


class AnswerCache(RedisCache):
    """The cache server, with sealed values: what was not put there by us under that key is a miss.
    While it is away nothing is found and nothing is kept.

    Attributes:
        recent: what this process found or put there a moment ago, which it does not ask for again.
    """

    serializer = BytesSerializer()

    @classmethod
    def factory(
        cls, app: Flask, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> "AnswerCache":
        """As Flask-Caching makes it from the application's configuration."""
        client = connect(config["CACHE_REDIS_URL"])
        prefix = config["CACHE_KEY_PREFIX"]
        return cls(client, *args, seal=seal_of(app), key_prefix=prefix, **kwargs)

    def __init__(self, *args: Any, seal: Seal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seal = seal
        self.recent = Recent()
        self.outage = Outage("answers are computed each time")

    def get(self, key: str) -> Any:
        """The value; None where it is not known."""
        if self.outage.is_on:
            return None
        if (value := self.recent.find(key)) is not None:
            return value
        try:
            value = self._seal.open(key, super().get(key))
        except redis.RedisError as error:
            self.outage.note(error)
            return None
        if value is not None:
            self.recent.keep(key, value)
        return value

    def set(self, key: str, value: Any, timeout: Any = None) -> Any:
        """Keep a value, if that can be."""
        if self.outage.is_on:
            return False
        try:
            is_kept = super().set(key, self._seal.close(key, value), timeout)
            self.recent.keep(key, value)
            return is_kept
        except redis.RedisError as error:
            self.outage.note(error)
            return False

    def is_up(self) -> bool:
        """Whether the server answers now."""
        try:
            return bool(self._write_client.ping())
        except redis.RedisError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._write_client.close()


def init_app(app: Flask, settings: Settings) -> None:
    """Give this application its cache; without an address every answer is computed."""
    config: dict[str, Any] = {"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": True}
    if settings.cache_url is not None:
        config = {
            "CACHE_TYPE": f"{__name__}.{AnswerCache.__name__}",
            "CACHE_REDIS_URL": settings.cache_url,
            "CACHE_KEY_PREFIX": PREFIX,
            "CACHE_DEFAULT_TIMEOUT": LIFETIME_SECONDS,
        }
    cache.init_app(app, config)


def store_of(app: Flask) -> AnswerCache | None:
    """The application's store; None: nothing is cached."""
    store: Any = app.extensions["cache"][cache]
    return store if isinstance(store, AnswerCache) else None
