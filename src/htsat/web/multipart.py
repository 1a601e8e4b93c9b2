"""The one file in a form that a browser or `curl -F file=@...` sends, as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from htsat.web.problems import BadRequestError

FIELD = "file"
_LONGEST_HEADER = 8192


class FormFile:
    """Takes the body of a form piece by piece, and gives the content of its field `file`.

    `name` is what the sender calls the file, once its part has begun.

    Raises:
        BadRequestError: when the body is no such form, or holds anything else.
    """

    def __init__(self, content_type: str) -> None:
        self.name: str | None = None
        self._disposition = ""
        self._header = ["", ""]
        self._content = bytearray()
        self._n_parts = 0
        self._is_complete = False
        _, options = parse_options_header(content_type)
        if not options.get(b"boundary"):
            raise BadRequestError("Content-Type: multipart/form-data needs a boundary")
        with _reading():
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._add_to_header(0, data[start:end]),
                    "on_header_value": lambda data, start, end: self._add_to_header(1, data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._name_part,
                    "on_part_data": lambda data, start, end: self._content.extend(data[start:end]),
                    "on_end": self._complete,
                },
            )

    def take(self, body: bytes) -> bytes:
        """What a piece of the body holds of the file."""
        with _reading():
            self._parser.write(body)
        content = bytes(self._content)
        self._content.clear()
        return content

    def finish(self) -> None:
        """There is no more; refuse a form that is cut off or empty."""
        if not self._is_complete:
            raise BadRequestError("the form is cut off")
        if not self._n_parts:
            raise BadRequestError(f"expected a form with one field, {FIELD!r}, got none")

    def _begin_part(self) -> None:
        self._n_parts += 1
        if self._n_parts > 1:
            raise BadRequestError(f"expected a form with one field, {FIELD!r}, got more")

    def _add_to_header(self, place: int, data: bytes) -> None:
        self._header[place] += data.decode("utf-8", errors="replace")
        if len(self._header[place]) > _LONGEST_HEADER:
            raise BadRequestError(f"a header in the form has more than {_LONGEST_HEADER} characters")

    def _end_header(self) -> None:
        name, value = self._header
        self._header = ["", ""]
        if name.lower() == "content-disposition":
            self._disposition = value

    def _name_part(self) -> None:
        _, options = parse_options_header(self._disposition.encode("utf-8").decode("latin-1"))
        field = options.get(b"name", b"").decode("utf-8", errors="replace")
        if field != FIELD:
            raise BadRequestError(f"expected a form with one field, {FIELD!r}, got {field!r:.80}")
        self.name = options.get(b"filename", b"").decode("utf-8", errors="replace") or None

    def _complete(self) -> None:
        self._is_complete = True


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except FormParserError as error:
        raise BadRequestError(f"the body is not multipart/form-data: {error}") from error
