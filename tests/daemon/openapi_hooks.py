# SPDX-License-Identifier: Apache-2.0
"""What schemathesis does to the bodies that it makes (test_openapi.py)."""
import schemathesis


def whole(value):
    """JSON Schema calls 7.0 an integer. Dynamo takes no such number, and /v1 none that may have been rounded."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(one) for one in value]
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items()}
    return value


@schemathesis.hook
def map_body(context, body):
    return whole(body)
