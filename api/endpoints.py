"""Endpoints: a view with all that a client has to know about it, in one declaration."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, request

from api.parameters import Arguments, Parameter, Schema, read_path, read_query

View = Callable[[Arguments], Response]


class Endpoint:
    """A view that Flask can call: it reads the declared parameters, then asks the view.

    Attributes:
        summary: what the route is for, in one line.
        description: what a client has to know beside it.
        parameters: all of them, those in the path too.
        answer: JSON Schema of the body of a 200.
        has_as_of: whether the answer says up to when its numbers can be trusted.
    """

    def __init__(
        self,
        view: View,
        summary: str,
        parameters: Sequence[Parameter],
        answer: Schema,
        has_as_of: bool,
    ) -> None:
        self.__name__ = view.__name__
        self.summary = summary
        self.description = view.__doc__ or ""
        self.parameters = tuple(parameters)
        self.answer = answer
        self.has_as_of = has_as_of
        self._view = view

    def __call__(self, **path: Any) -> Response:
        arguments = read_path(path, self.parameters) | read_query(request.args, self.parameters)
        return self._view(arguments)


def endpoint(
    summary: str,
    *,
    answer: Schema,
    parameters: Sequence[Parameter] = (),
    has_as_of: bool = True,
) -> Callable[[View], Endpoint]:
    """Declare a view; its docstring becomes the description in the OpenAPI document."""

    def declare(view: View) -> Endpoint:
        return Endpoint(view, summary, parameters, answer, has_as_of)

    return declare
