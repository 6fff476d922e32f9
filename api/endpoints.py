"""Endpoints: a view with all that a client has to know about it, in one declaration."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response, request

from api.cache.flights import UnderWay, current_flights
from api.parameters import Arguments, Parameter, Schema, read_path, read_query

View = Callable[[Arguments], Response]


class Endpoint:
    """A view that Flask can call: it reads the declared parameters, then asks the view.

    Attributes:
        summary: what the route is for, in one line.
        description: what a client has to know beside it.
        parameters: all of them, those in the path too.
        answer: JSON Schema of the body of a success; None: a success has no body.
        media_type: of that body.
        status: of a success.
        other_status: of another kind of success, with the same body, but where it is a 204; None:
            there is none.
        is_lenient: whether unknown parameters are ignored, because others build the address.
        has_freshness: whether the answer says how fresh its numbers are.
        body: JSON Schema of the request's body by media type. A view with a body gets no
            arguments: it reads the whole request itself, in an order of its own.
        limits_body_itself: whether the view reads no more of a body than it wants, whatever the
            limit everywhere else is.
        failures: what a status of failure means here, beside or in place of what it means
            everywhere.
    """

    def __init__(
        self,
        view: View,
        summary: str,
        *,
        parameters: Sequence[Parameter],
        answer: Schema | None,
        media_type: str,
        status: HTTPStatus,
        other_status: HTTPStatus | None,
        is_lenient: bool,
        has_freshness: bool,
        body: Mapping[str, Schema],
        limits_body_itself: bool,
        failures: Mapping[HTTPStatus, str],
    ) -> None:
        self.__name__ = view.__name__
        self.__qualname__ = view.__qualname__
        self.summary = summary
        self.description = view.__doc__ or ""
        self.parameters = tuple(parameters)
        self.answer = answer
        self.media_type = media_type
        self.status = status
        self.other_status = other_status
        self.is_lenient = is_lenient
        self.has_freshness = has_freshness
        self.body = body
        self.limits_body_itself = limits_body_itself
        self.failures = failures
        self._view = view

    def __call__(self, **path: Any) -> Response:
        if self.body:
            return self._view({})
        query = read_query(request.args, self.parameters, is_lenient=self.is_lenient)
        arguments = read_path(path, self.parameters) | query
        while True:
            try:
                return self._view(arguments)
            except UnderWay as flight:
                # By now the view holds no connection any more.
                current_flights().wait(flight.name)


def endpoint(
    summary: str,
    *,
    answer: Schema | None,
    media_type: str = "application/json",
    parameters: Sequence[Parameter] = (),
    status: HTTPStatus = HTTPStatus.OK,
    other_status: HTTPStatus | None = None,
    is_lenient: bool = False,
    has_freshness: bool = True,
    body: Mapping[str, Schema] | None = None,
    limits_body_itself: bool = False,
    failures: Mapping[HTTPStatus, str] | None = None,
) -> Callable[[View], Endpoint]:
    """Declare a view; its docstring becomes the description in the OpenAPI document."""

    def declare(view: View) -> Endpoint:
        return Endpoint(
            view,
            summary,
            parameters=parameters,
            answer=answer,
            media_type=media_type,
            status=status,
            other_status=other_status,
            is_lenient=is_lenient,
            has_freshness=has_freshness,
            body=body or {},
            limits_body_itself=limits_body_itself,
            failures=failures or {},
        )

    return declare
