"""What can be wrong with a request of the page, beside what is wrong with those of programs."""

from __future__ import annotations

from htsat.web.problems import ServiceError


class NotFoundError(ServiceError):
    """There is no such thing, or it is not there any more."""

    status, code = 404, "not_found"


class NotPlayableError(ServiceError):
    """A recording of a kind that browsers do not play, and not (yet) there in another."""

    status, code = 409, "not_playable"


class LabelsElsewhereError(ServiceError):
    """The labels of a recording stand where the page must not change them."""

    status, code = 409, "labels_elsewhere"


class UnreadableLabelsError(ServiceError):
    """The label file beside a recording cannot be read."""

    status, code = 422, "bad_labels"


class CannotSaveError(ServiceError):
    """The folder of a recording cannot be written to."""

    status, code = 507, "cannot_save"
