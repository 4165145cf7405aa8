#!/usr/bin/env python3
"""Reads conformance vectors (docs/vectors.md) and holds an mm of your own against them.

    vmsim vectors scenarios/first.toml | docs/vectors.py
"""
import json
import sys


class Mm:
    """Put your own implementation here. This one knows the answers, and so agrees with every vector."""

    def __init__(self, setup):
        self.setup, self.processes = setup, {"main": {"name": "main", "vmas": [], "pages": []}}

    def call(self, step):
        for process in step["state"]:
            self.processes[process["name"]] = process
        for name in step["ended"]:
            del self.processes[name]
        return step["result"]


document = json.load(sys.stdin)
assert (document["format"], document["version"]) == ("vmsim-vectors", 1)
for vector in document["vectors"]:
    mm = Mm(vector["setup"])
    expected = dict(mm.processes)
    for number, step in enumerate(vector["steps"]):
        result = mm.call(step)
        assert result == step["result"], (vector["name"], number, result)
        expected = {name: state for name, state in expected.items() if name not in step["ended"]}
        expected.update((process["name"], process) for process in step["state"])
        assert mm.processes == expected, (vector["name"], number)
    vmas = ", ".join(f"{name} {len(state['vmas'])}" for name, state in sorted(expected.items()))
    print(f"{vector['name']}: Linux {vector['kernel']}, {len(vector['steps'])} calls, VMAs: {vmas}")
