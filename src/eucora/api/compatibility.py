"""What a newer description of the API takes from those who wrote their client by an older one.

By the promise of docs/api.md, section 9: requests that were understood still are, and answers hold at least what they
held. What only adds (routes, optional fields, values that answers may have) is none of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
METHODS: Final = ("get", "post", "put", "patch", "delete")
# What a value must at least be, and what it may at most be.
LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def breaks(old: Schema, new: Schema) -> list[str]:
    """One sentence for each thing that breaks a client, in the order of the older document; both are OpenAPI 3.1."""
    return list(dict.fromkeys(_Pair(old, new).all()))


@dataclass(frozen=True)
class _Pair:
    old: Schema
    new: Schema
    seen: set[tuple[str, str, bool]] = field(default_factory=set)

    def all(self) -> Iterator[str]:
        for path, methods in self.old["paths"].items():
            for method in (one for one in METHODS if one in methods):
                now = self.new["paths"].get(path, {}).get(method)
                if now is None:
                    yield f"{method.upper()} {path} is gone"
                else:
                    yield from self._operation(f"{method.upper()} {path}", methods[method], now)

    def _operation(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        if old.get("operationId") != new.get("operationId"):
            yield f"{where}: its operationId was {old.get('operationId')} and is {new.get('operationId')}"
        yield from self._parameters(where, old, new)
        asked, asks = old.get("requestBody", {}), new.get("requestBody", {})
        if asks.get("required") and not asked.get("required"):
            yield f"{where}: it asks for a body now"
        yield from self._content(f"{where}, body", asked, asks, told=False)
        for status, answer in old["responses"].items():
            if status >= "300":
                continue
            now = new["responses"].get(status)
            if now is None:
                yield f"{where}: it does not answer {status} any more"
                continue
            for header in sorted(answer.get("headers", {}).keys() - now.get("headers", {}).keys()):
                yield f"{where}: the header {header} of {status} is gone"
            yield from self._content(f"{where}, answer {status}", answer, now, told=True)

    def _content(self, where: str, old: Schema, new: Schema, *, told: bool) -> Iterator[str]:
        now = new.get("content", {})
        for kind, before in old.get("content", {}).items():
            if kind in now:
                yield from self._schema(where, before.get("schema", {}), now[kind].get("schema", {}), told=told)
            else:
                yield f"{where}: it {'tells' if told else 'takes'} no {kind} any more"

    def _parameters(self, where: str, old: Schema, new: Schema) -> Iterator[str]:
        before, now = (
            {(one["in"], one["name"]): one for one in operation.get("parameters", ())} for operation in (old, new)
        )
        for key, parameter in before.items():
            if key not in now:
                yield f"{where}: the parameter {key[1]} is gone"
            else:
                place = f"{where}, parameter {key[1]}"
                yield from self._schema(place, parameter["schema"], now[key]["schema"], told=False)
        for key, parameter in now.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{where}: the parameter {key[1]} is needed now"

    def _schema(self, where: str, old: Schema, new: Schema, *, told: bool) -> Iterator[str]:
        """``told``: it is what an answer holds, and not what a request may."""
        mark = (str(old.get("$ref", "")), str(new.get("$ref", "")), told)
        if all(mark[:2]) and mark in self.seen:
            return
        self.seen.add(mark)
        where = mark[0].rpartition("/")[2] or where
        befores, nows = self._kinds(self.old, old), self._kinds(self.new, new)
        for kind in sorted((nows.keys() - befores.keys()) if told else (befores.keys() - nows.keys())):
            yield f"{where}: it may be {kind} now" if told else f"{where}: it may be no {kind} any more"
        for kind in sorted(befores.keys() & nows.keys()):
            before, now = befores[kind], nows[kind]
            yield from self._fields(where, before, now, told=told)
            if not told:
                yield from _narrowed(where, before, now)
            for inner in ("items", "additionalProperties"):
                if isinstance(before.get(inner), Mapping) and isinstance(now.get(inner), Mapping):
                    yield from self._schema(f"{where}[]", before[inner], now[inner], told=told)

    def _fields(self, where: str, old: Schema, new: Schema, *, told: bool) -> Iterator[str]:
        before, now = old.get("properties", {}), new.get("properties", {})
        needed, needs = {*old.get("required", ())}, {*new.get("required", ())}
        for name, schema in before.items():
            if name not in now:
                yield f"{where}: the field {name} is gone"
                continue
            if told and name in needed - needs:
                yield f"{where}: the field {name} may be missing now"
            if not told and name in needs - needed:
                yield f"{where}: the field {name} is needed now"
            yield from self._schema(f"{where}.{name}", schema, now[name], told=told)
        if not told:
            yield from (f"{where}: the field {name} is needed now" for name in sorted(needs - before.keys()))

    def _kinds(self, document: Schema, schema: Schema) -> dict[str, Schema]:
        """The alternatives of a schema by their JSON types; references are followed."""
        if ref := schema.get("$ref"):
            return self._kinds(document, document["components"]["schemas"][ref.rpartition("/")[2]])
        kinds: dict[str, Schema] = {}
        for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            kinds |= self._kinds(document, one)
        return kinds or {str(schema.get("type", "anything")): schema}


def _narrowed(where: str, old: Schema, new: Schema) -> Iterator[str]:
    """What a request could say, and cannot any more."""
    could, can = _values(old), _values(new)
    if can is not None:
        yield from (f"{where}: it may not be {value!r} any more" for value in could or () if value not in can)
        if could is None:
            yield f"{where}: it may only be one of {', '.join(map(str, can))} now"
    for keyword in (*LEAST, *MOST):
        before, now = old.get(keyword), new.get(keyword)
        if now is None or can is not None:
            continue
        if before is None or (now > before if keyword in LEAST else now < before):
            yield f"{where}: its {keyword} was {'none' if before is None else before} and is {now}"
    for keyword in ("pattern", "format"):
        if new.get(keyword) not in (None, old.get(keyword)):
            yield f"{where}: its {keyword} was {old.get(keyword, 'none')} and is {new[keyword]}"


def _values(schema: Schema) -> Sequence[object] | None:
    """All that it may be; None: there is no list of it."""
    listed: Sequence[object] | None = [schema["const"]] if "const" in schema else schema.get("enum")
    return listed
