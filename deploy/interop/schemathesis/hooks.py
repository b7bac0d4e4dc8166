"""What schemathesis does not know: a body of lines, of which it makes up one."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    if isinstance(value, bytes):
        return value
    return json.dumps(value).encode() + b"\n"
