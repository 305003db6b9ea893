"""Records with named fields, used like models of pydantic, without needing it."""

from __future__ import annotations

import copy
import enum
import json

REQUIRED = object()


class Model:
    """A record. A subclass lists its fields with their defaults in `FIELDS`, and in `CONVERT` how to read some of them."""

    FIELDS: dict = {}
    CONVERT: dict = {}

    def __init__(self, **values):
        missing = [name for name, default in self.FIELDS.items() if default is REQUIRED and name not in values]
        if missing:
            raise ValueError(f"{type(self).__name__}: missing {', '.join(missing)}")
        for name, default in self.FIELDS.items():
            setattr(self, name, values[name] if name in values else copy.copy(default))

    def __setattr__(self, name, value):
        if name in self.CONVERT and value is not None:
            value = self.CONVERT[name](value)
        super().__setattr__(name, value)

    @classmethod
    def model_validate(cls, value):
        """A record from a map, or the record itself."""
        return value if isinstance(value, cls) else cls(**dict(value))

    parse_obj = model_validate

    @classmethod
    def model_validate_json(cls, text):
        """A record from JSON text."""
        return cls(**json.loads(text))

    def model_dump(self, mode="python", exclude_none=False, include=None, exclude=None, **_):
        """The fields as a map; with `mode="json"`, of what JSON can say."""
        dumped = {}
        for name in self.FIELDS:
            value = getattr(self, name)
            if (include and name not in include) or (exclude and name in exclude) or (exclude_none and value is None):
                continue
            dumped[name] = _plain(value, mode, exclude_none)
        return dumped

    dict = model_dump

    def model_dump_json(self, **options):
        """The fields as JSON text."""
        return json.dumps(self.model_dump(mode="json", **options))

    json = model_dump_json

    def model_copy(self, update=None, deep=False):
        """Another record with the same fields, some of them changed."""
        made = copy.deepcopy(self) if deep else copy.copy(self)
        for name, value in (update or {}).items():
            setattr(made, name, value)
        return made

    def __eq__(self, other):
        return type(other) is type(self) and self.model_dump() == other.model_dump()

    __hash__ = None

    def __repr__(self):
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.FIELDS)
        return f"{type(self).__name__}({fields})"


def _plain(value, mode, exclude_none):
    if isinstance(value, Model):
        return value.model_dump(mode=mode, exclude_none=exclude_none)
    if isinstance(value, enum.Enum) and mode == "json":
        return value.value
    if isinstance(value, dict):
        return {key: _plain(item, mode, exclude_none) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, mode, exclude_none) for item in value]
    return value
