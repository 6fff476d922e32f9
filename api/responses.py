"""Answers: bodies as JSON (numbers as numbers, times as RFC 3339 in UTC with `Z`) or as CSV."""

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, g, has_app_context, request
from werkzeug.datastructures import MultiDict

from api.csv import to_csv
from api.freshness import Freshness

JSON = "application/json"
CSV = "text/csv"
CSV_SUFFIX = ".csv"
GZIP = "gzip"
LEAST_COMPRESSED_BYTES = 1024
# Of 1 to 9: what larger ones save is not worth what they cost here.
COMPRESSION_LEVEL = 5
AS_OF_HEADER = "Actionsight-As-Of"
NEWEST_OBSERVATION_HEADER = "Actionsight-Newest-Observation-At"
UNKNOWN = "unknown"

# A browser may keep an answer with a tag for its user, but asks each time whether it still holds:
# rights can end at any moment. Nothing that is shared may keep it.
_KEPT_AND_ASKED = "private, no-cache"


@dataclass(frozen=True)
class Body:
    """The body of an answer, and the token of the next page of a list.

    A cache keeps it compressed, and most clients get it so: it is compressed once.
    """

    content: bytes
    next: str | None = None
    is_compressed: bool = False

    def compressed(self) -> "Body":
        """The same by gzip, where that is worth it."""
        if self.is_compressed or len(self.content) < LEAST_COMPRESSED_BYTES:
            return self
        content = gzip.compress(self.content, COMPRESSION_LEVEL, mtime=0)
        return Body(content, self.next, is_compressed=True)

    def plain(self) -> "Body":
        """The same as it is read."""
        return Body(gzip.decompress(self.content), self.next) if self.is_compressed else self

    def pack(self) -> bytes:
        """As a cache keeps it."""
        kept = self.compressed()
        encoding = GZIP if kept.is_compressed else ""
        return f"{encoding} {kept.next or ''}\n".encode() + kept.content

    @classmethod
    def unpack(cls, packed: bytes) -> "Body":
        """What `pack` gave."""
        head, _, content = packed.partition(b"\n")
        encoding, _, token = head.decode().partition(" ")
        return cls(content, token or None, is_compressed=encoding == GZIP)


def to_json(value: Any) -> bytes:
    """Serialise; times must carry a zone, and come out in UTC."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def json_response(body: Any, status: int = 200, mimetype: str = JSON) -> Response:
    """A response with this body."""
    return Response(to_json(body), status=status, mimetype=mimetype)


def media_type_for(accept: Any, path: str, *, is_list: bool) -> str | None:
    """In which form an answer goes out; None: in none that is asked for."""
    if path.endswith(CSV_SUFFIX):
        return CSV
    forms = [JSON, CSV] if is_list else [JSON]
    chosen: str | None = accept.best_match(forms) if accept else JSON
    return chosen


def current_media_type() -> str:
    """In which form the request that is answered now wants its rows; outside of one, JSON."""
    media_type: str = g.get("media_type", JSON) if has_app_context() else JSON
    return media_type


def data_body(data: Any, *, applied: Mapping[str, Any], **members: Any) -> Body:
    """The body of a single object, and the filter that was applied."""
    return Body(to_json({"data": data, **members, "filter": applied}))


def list_body(
    rows: Sequence[Mapping[str, Any]],
    token: str | None,
    *,
    applied: Mapping[str, Any],
    **members: Any,
) -> Body:
    """The body of a list in the form that is asked for: the rows alone as CSV; as JSON also the
    token of the next page, the filter that was applied and further members."""
    if current_media_type() == CSV:
        return Body(to_csv(rows), token)
    return Body(to_json({"data": rows, "next": token, **members, "filter": applied}), token)


def tag_of(body: Body) -> str:
    """A tag for a body that has no key."""
    return hashlib.blake2b(body.plain().content, digest_size=32).hexdigest()


def accepts_gzip() -> bool:
    """Whether who asks takes what gzip compressed; `gzip;q=0` names it, and says no."""
    return request.accept_encodings.quality(GZIP) > 0


def is_known_to_client(tag: str) -> bool:
    """Whether who asks has the body with this tag."""
    return request.if_none_match.contains_weak(tag)


def not_modified_response(tag: str, freshness: Freshness) -> Response:
    """A 304, for which no body is needed."""
    return _tagged(Response(status=HTTPStatus.NOT_MODIFIED), tag, freshness)


def tagged_response(tag: str, body: Body, freshness: Freshness) -> Response:
    """The body with its tag; a 304 where the client has it already.

    Both say how fresh the numbers are (two headers), which changes while the body does not.
    """
    if is_known_to_client(tag):
        return not_modified_response(tag, freshness)
    return _tagged(body_response(body), tag, freshness)


def _tagged(response: Response, tag: str, freshness: Freshness) -> Response:
    headers = response.headers
    headers.add("ETag", f'"{tag}"')
    headers.add("Cache-Control", _KEPT_AND_ASKED)
    headers["Vary"] = "Accept, Accept-Encoding, Authorization, Cookie"
    headers.add(AS_OF_HEADER, _or_unknown(freshness.as_of))
    headers.add(NEWEST_OBSERVATION_HEADER, _or_unknown(freshness.newest_observation_at))
    return response


def body_response(body: Body) -> Response:
    """A response with this body, and with the address of the next page of a list."""
    media_type = current_media_type()
    sent = body.compressed() if accepts_gzip() else body.plain()
    response = Response(sent.content, mimetype=media_type)
    response.headers.add("Vary", "Accept, Accept-Encoding")
    if sent.is_compressed:
        response.headers["Content-Encoding"] = GZIP
    if media_type == CSV:
        name = request.path.removesuffix(CSV_SUFFIX).strip("/").replace("/", "-")
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    if body.next is not None:
        query = MultiDict(request.args)
        query["next"] = body.next
        address = request.path + "?" + urlencode(list(query.items(multi=True)))
        response.headers["Link"] = f'<{address}>; rel="next"'
    return response


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, as in the bodies."""
    return to_json(moment).decode().strip('"')


def _or_unknown(moment: datetime | None) -> str:
    return UNKNOWN if moment is None else timestamp(moment)
