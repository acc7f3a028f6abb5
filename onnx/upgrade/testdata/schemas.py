"""Writes schemas.json: for each operator of ONNX's default domain, the version that brought it and those that redefined it, up to 21.

Run it with onnx 1.23: python3 schemas.py
"""
import collections
import json
import pathlib

import onnx.defs

NEWEST = 21

versions = collections.defaultdict(set)
for schema in onnx.defs.get_all_schemas_with_history():
    if schema.domain == "" and schema.since_version <= NEWEST:
        versions[schema.name].add(schema.since_version)
lines = [f"{json.dumps(name)}: {json.dumps(sorted(versions[name]))}" for name in sorted(versions)]
(pathlib.Path(__file__).parent / "schemas.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
