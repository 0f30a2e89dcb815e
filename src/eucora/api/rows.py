"""What several parts of the HTTP side refuse alike: one row each, so that no two of them tell it differently."""

from typing import Final

from eucora.api.problems import Row

# Every method that a route may have. TRACE would echo a token and CONNECT speaks of the connection: refused everywhere.
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

UNREADABLE: Final = Row(400, "bad-request", "The request cannot be read")
NO_SUCH_METHOD: Final = Row(405, "method-not-allowed", "The route does not know this method")
LARGE_BODY: Final = Row(413, "body-too-large", "The body is too large")
OTHER_MEDIA: Final = Row(415, "media-type-unsupported", "The body is of another media type")
INVALID: Final = Row(422, "request-invalid", "A field of the request is invalid")
LARGE_HEAD: Final = Row(431, "headers-too-large", "The headers are too large")
