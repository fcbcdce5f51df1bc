"""Values of a JSON Schema: plain JSON, checked with ``jsonschema``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prompture.errors import SchemaError
from prompture.schema.check import InvalidValue, Problem, pointer


def plain_copy(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the schema made of dicts, lists, strings, numbers, booleans and None alone."""
    try:
        copy: dict[str, Any] = json.loads(json.dumps(schema, default=_as_dict))
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(f"the JSON Schema is not made of JSON values: {error}") from None
    return copy


def _as_dict(found: Any) -> dict[str, Any]:
    if isinstance(found, Mapping):
        return dict(found)
    raise TypeError(f"it holds a {type(found).__name__}")


class PlainChecker:
    def __init__(self, schema: dict[str, Any]) -> None:
        import jsonschema
        from jsonschema.validators import validator_for

        cls = validator_for(schema, default=jsonschema.Draft202012Validator)
        try:
            cls.check_schema(schema)
        except jsonschema.SchemaError as e:
            raise SchemaError(f"the JSON Schema is wrong at {pointer(e.absolute_path)}") from None
        self._v = cls(schema)

    def validate(self, value: Any) -> Any:
        problems = [
            Problem(pointer(e.absolute_path), str(e.validator), str(e.validator))
            for e in self._v.iter_errors(value)
        ]
        if problems:
            raise InvalidValue(problems)
        return value

    def validate_json(self, text: str | bytes) -> Any:
        try:
            value = json.loads(text)
        except ValueError:
            raise InvalidValue([Problem("", "is not JSON", "json_invalid")]) from None
        return self.validate(value)
