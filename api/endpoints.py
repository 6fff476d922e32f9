"""Endpoints: a view with all that a client has to know about it, in one declaration."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

from flask import Response, g, request
from pydantic import BaseModel

from api.cache.flights import UnderWay, current_flights
from api.errors import Problem
from api.parameters import Parameters, read_query
from api.responses import CSV, JSON, media_type_for

View = Callable[..., Response]
# A model becomes a named component; what is none is a JSON Schema of its own.
Described: TypeAlias = type[BaseModel] | Mapping[str, Any]
Tag = Literal[
    "statistics",
    "workflows",
    "runs",
    "health",
    "flakiness",
    "runners",
    "costs",
    "repositories",
    "account",
    "installation",
]


@dataclass(frozen=True)
class Declaration:
    """What a client has to know about a route; applied to a view it gives the endpoint. The view's
    docstring becomes the description in the OpenAPI document.

    Attributes:
        summary: what the route is for, in one line.
        tag: the part of the documentation to which it belongs.
        answer: the body of a success; None: it has none.
        query: what the query string may hold; None: nothing.
        headers: of the request that the view reads; None: none of its own.
        body: the request's body by media type.
        is_body_optional: whether there may be none.
        media_type: of the body of a success.
        status: of a success.
        other_status: of another kind of success, with the same body, but where it is a 204; None:
            there is none.
        is_list: whether the body is a list of rows, which can be had as CSV, too.
        is_lenient: whether unknown parameters are ignored, because others build the address.
        has_freshness: whether the answer says how fresh its numbers are.
        limits_body_itself: whether the view reads no more of a body than it wants, whatever the
            limit everywhere else is, and judges a request in an order of its own.
        failures: what a status of failure means here, beside or in place of what it means
            everywhere.
    """

    summary: str
    _: KW_ONLY
    tag: Tag
    answer: Described | None
    query: type[Parameters] | None = None
    headers: type[Parameters] | None = None
    body: Mapping[str, Described] = field(default_factory=dict)
    is_body_optional: bool = False
    media_type: str = JSON
    status: HTTPStatus = HTTPStatus.OK
    other_status: HTTPStatus | None = None
    is_list: bool = False
    is_lenient: bool = False
    has_freshness: bool = True
    limits_body_itself: bool = False
    failures: Mapping[HTTPStatus, str] = field(default_factory=dict)

    def __call__(self, view: View) -> "Endpoint":
        return Endpoint(view, self)

    @property
    def is_negotiated(self) -> bool:
        """Whether the form of the answer is what the header Accept asks for, or a 406."""
        is_json = self.media_type == JSON and self.answer is not None
        return is_json and not self.limits_body_itself


endpoint = Declaration


class Endpoint:
    """A view that Flask can call: it reads the declared parameters, then asks the view.

    A view with a `query` takes it first; ids of the path follow by name.

    Attributes:
        declared: what a client has to know about it.
        description: the same in prose.
    """

    def __init__(self, view: View, declared: Declaration) -> None:
        self.__name__ = view.__name__
        self.__qualname__ = view.__qualname__
        self.declared = declared
        self.description = view.__doc__ or ""
        self._view = view

    def __call__(self, **path: Any) -> Response:
        declared = self.declared
        if declared.limits_body_itself:
            return self._view(**path)
        g.media_type = self._media_type()
        query = read_query(
            declared.query or Parameters, request.args, is_lenient=declared.is_lenient
        )
        given = (query,) if declared.query else ()
        while True:
            try:
                return self._view(*given, **path)
            except UnderWay as flight:
                # By now the view holds no connection any more.
                current_flights().wait(flight.name)

    def _media_type(self) -> str:
        """In which form the answer goes out.

        Raises:
            Problem: 406.
        """
        declared = self.declared
        if not declared.is_negotiated:
            return declared.media_type
        chosen = media_type_for(request.accept_mimetypes, request.path, is_list=declared.is_list)
        if chosen is None:
            forms = f"{JSON} and {CSV}" if declared.is_list else JSON
            raise Problem(
                HTTPStatus.NOT_ACCEPTABLE, f"This route answers as {forms}; see the header Accept."
            )
        return chosen
