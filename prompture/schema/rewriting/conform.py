"""A small validator for *rewritten* schemas: which branch of a union a value belongs to, and whether two branches
can be distinguished. It knows the keywords that a rewrite can emit, and nothing else."""

from __future__ import annotations

from prompture.json_values import EVERY, JSONObject, JSONValue, family, kind_of, same
from prompture.schema.patterns import finds

_FUEL = 8
_STEPS = 200_000
_DEPTH = 120


class Wire:
    """The rewritten schemas of one document; ``closed``: objects hold only what they name, said or not."""

    def __init__(self, defs: JSONObject, *, prefix: str, closed: bool) -> None:
        self._defs = defs
        self._prefix = prefix
        self._closed = closed
        self.root: JSONObject = {}

    def deref(self, schema: JSONObject) -> JSONObject:
        for _ in range(50):
            ref = schema.get("$ref")
            if not isinstance(ref, str):
                return schema
            schema = self.root if ref == "#" else self._defs.get(ref[len(self._prefix) :], {})
        return {}

    def kinds(self, schema: JSONObject, fuel: int = 40) -> frozenset[str]:
        """The kinds of value that the schema takes."""
        schema = self.deref(schema)
        if fuel == 0:
            return EVERY
        if "anyOf" in schema:
            found = frozenset().union(*(self.kinds(part, fuel - 1) for part in schema["anyOf"]))
        elif "allOf" in schema:
            found = self.kinds(schema["allOf"][0], fuel - 1)
        elif "type" in schema:
            words = schema["type"]
            found = frozenset(family(w) for w in ([words] if isinstance(words, str) else words))
        elif "enum" in schema:
            found = frozenset(kind_of(value) for value in schema["enum"])
        else:
            return EVERY
        return found | {"null"} if schema.get("nullable") else found

    def takes(self, schema: JSONObject, value: JSONValue) -> bool:
        """The value is valid under the rewritten schema; formats are not looked at.

        An answer made to hurt, deep and full of near misses, is given up after a number of steps, and taken.
        """
        return self._takes(schema, value, [_STEPS, _DEPTH])

    def _takes(self, schema: JSONObject, value: JSONValue, left: list[int]) -> bool:
        schema = self.deref(schema)
        # A value and a schema with many near misses would be compared exponentially often.
        left[0] -= 1
        if left[0] < 0 or left[1] < 0:
            return True
        if value is None and schema.get("nullable"):
            return True
        left[1] -= 1
        try:
            return self._takes_all(schema, value, left)
        finally:
            left[1] += 1

    def _takes_all(self, schema: JSONObject, value: JSONValue, left: list[int]) -> bool:
        if "anyOf" in schema and not any(
            self._takes(part, value, left) for part in schema["anyOf"]
        ):
            return False
        if "allOf" in schema and not all(
            self._takes(part, value, left) for part in schema["allOf"]
        ):
            return False
        kind = kind_of(value)
        if not _is_typed(schema, value, kind) or not _is_listed(schema, value):
            return False
        if kind == "object":
            return self._takes_object(schema, value, left)
        if kind == "array":
            return self._takes_array(schema, value, left)
        return _takes_scalar(schema, value, kind)

    def _takes_object(self, schema: JSONObject, value: JSONObject, left: list[int]) -> bool:
        properties = schema.get("properties", {})
        if any(name not in value for name in schema.get("required", ())):
            return False
        if (
            not schema.get("minProperties", 0)
            <= len(value)
            <= schema.get("maxProperties", len(value))
        ):
            return False
        rest = schema.get("additionalProperties", not (self._closed and "type" in schema))
        for name, item in value.items():
            sub = properties.get(name, rest)
            if sub is False or (isinstance(sub, dict) and not self._takes(sub, item, left)):
                return False
        return True

    def _takes_array(self, schema: JSONObject, value: list[JSONValue], left: list[int]) -> bool:
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        if schema.get("uniqueItems") and _repeats(value):
            return False
        prefix = schema.get("prefixItems", [])
        items = schema.get("items", True)
        for i, item in enumerate(value):
            sub = prefix[i] if i < len(prefix) else items
            if sub is False or (isinstance(sub, dict) and not self._takes(sub, item, left)):
                return False
        return True

    def apart(self, a: JSONObject, b: JSONObject, fuel: int = _FUEL) -> bool:
        """No value is valid under both, as far as that can be seen."""
        a, b = self.deref(a), self.deref(b)
        # Out of fuel the answer is "not apart": the branches are then tagged, which is always right.
        if a is b or fuel == 0:
            return False
        if "anyOf" in a:
            return all(self.apart(part, b, fuel - 1) for part in a["anyOf"])
        if "anyOf" in b:
            return all(self.apart(a, part, fuel - 1) for part in b["anyOf"])
        if "allOf" in a or "allOf" in b:
            return any(
                self.apart(part, b, fuel - 1)
                for part in a.get("allOf", [a] if "allOf" in b else [])
            ) or any(self.apart(a, part, fuel - 1) for part in b.get("allOf", []))
        shared = self.kinds(a) & self.kinds(b)
        if not shared:
            return True
        for one, other in ((a, b), (b, a)):
            listed = one["enum"] if "enum" in one else [one["const"]] if "const" in one else None
            # A list of values is compared value by value, which is exact.
            if listed is not None and not one.get("nullable"):
                return not any(self.takes(other, value) for value in listed)
        if shared == {"object"}:
            return self._objects_apart(a, b, fuel)
        return shared == {"array"} and self._arrays_apart(a, b, fuel)

    def _objects_apart(self, a: JSONObject, b: JSONObject, fuel: int) -> bool:
        for one, other in ((a, b), (b, a)):
            known = other.get("properties", {})
            rest = other.get("additionalProperties", not self._closed)
            for name in one.get("required", ()):
                if name not in known and rest is False:
                    return True
                own = one.get("properties", {}).get(name)
                if name in known and own is not None and self.apart(own, known[name], fuel - 1):
                    return True
        return False

    def _arrays_apart(self, a: JSONObject, b: JSONObject, fuel: int) -> bool:
        for one, other in ((a, b), (b, a)):
            if one.get("minItems", 0) > other.get("maxItems", float("inf")):
                return True
        if (
            not (a.get("minItems", 0) or b.get("minItems", 0))
            or "prefixItems" in a
            or "prefixItems" in b
        ):
            return False
        ours, theirs = a.get("items"), b.get("items")
        return (
            isinstance(ours, dict)
            and isinstance(theirs, dict)
            and self.apart(ours, theirs, fuel - 1)
        )


def _is_typed(schema: JSONObject, value: JSONValue, kind: str) -> bool:
    words = schema.get("type")
    if words is None:
        return True
    for word in (words,) if isinstance(words, str) else words:
        if word == kind:
            return True
        if (
            word == "integer"
            and kind == "number"
            and (isinstance(value, int) or value.is_integer())
        ):
            return True
    return False


def _is_listed(schema: JSONObject, value: JSONValue) -> bool:
    if "enum" in schema and not any(same(value, member) for member in schema["enum"]):
        return False
    return "const" not in schema or same(value, schema["const"])


def _takes_scalar(schema: JSONObject, value: JSONValue, kind: str) -> bool:
    if kind == "string":
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return False
        pattern = schema.get("pattern")
        return pattern is None or finds(pattern, value) is not False
    return kind != "number" or _takes_number(schema, value)


def _takes_number(schema: JSONObject, value: JSONValue) -> bool:
    if "minimum" in schema and value < schema["minimum"]:
        return False
    if "maximum" in schema and value > schema["maximum"]:
        return False
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        return False
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        return False
    step = schema.get("multipleOf")
    if not step:
        return True
    if isinstance(step, float):
        quotient = value / step
        return quotient not in (float("inf"), float("-inf")) and int(quotient) == quotient
    return bool(value % step == 0)


def _repeats(values: list[JSONValue]) -> bool:
    scalars: set[tuple[str, JSONValue]] = set()
    others: list[JSONValue] = []
    for value in values:
        kind = kind_of(value)
        if kind in ("object", "array"):
            if any(same(value, other) for other in others):
                return True
            others.append(value)
        elif (kind, value) in scalars:
            return True
        else:
            scalars.add((kind, value))
    return False
