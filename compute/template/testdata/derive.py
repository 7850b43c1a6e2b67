#!/usr/bin/env python3
"""Renders the templates of this folder with Python's jinja2, set up as Hugging
Face's transformers does, and records what comes of it in golden.json.

    derive.py

templates.json has whole templates and inputs for them; snippets.json has short
ones, each rendered by itself with the first input.
"""
import json, os
from datetime import datetime
from jinja2 import BaseLoader
from jinja2.exceptions import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = datetime(2026, 3, 7, 9, 5, 3)


class Raised(Exception):
    pass


def raise_exception(message):
    raise Raised(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], loader=BaseLoader())
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = lambda f: NOW.strftime(f)


def render(source, variables):
    try:
        return ["ok", env.from_string(source).render(**variables)]
    except Raised as e:
        return ["raised", str(e)]
    except TemplateError as e:
        return ["error", ""]
    except Exception as e:  # TypeError and its like
        return ["error", ""]


def variables(i):
    messages = []
    for m in i["messages"]:
        d = {"role": m["role"], "content": m["content"]}
        if m.get("name"):
            d["name"] = m["name"]
        if m.get("reasoning"):
            d["reasoning_content"] = m["reasoning"]
        if m.get("tool_call_id"):
            d["tool_call_id"] = m["tool_call_id"]
        if m.get("tool_calls"):
            d["tool_calls"] = [{"id": c["id"], "type": "function",
                                "function": {"name": c["name"], "arguments": json.loads(c["arguments"])}}
                               for c in m["tool_calls"]]
        messages.append(d)
    tools = [{"type": "function", "function": {"name": t["name"], "description": t["description"],
                                               "parameters": t["parameters"]}} for t in i.get("tools", [])]
    v = {"messages": messages, "tools": tools or None, "add_generation_prompt": i["prompt"],
         "bos_token": "<s>", "eos_token": "</s>"}
    v.update(i.get("variables", {}))
    return v


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return json.load(f)


cases = read("templates.json")
golden = {"templates": {}, "snippets": []}
for name, source in cases["templates"].items():
    source = "\n".join(source)
    golden["templates"][name] = [render(source, variables(i)) for i in cases["inputs"]]
for s in read("snippets.json"):
    golden["snippets"].append(render(s, variables(cases["inputs"][0])))
with open(os.path.join(HERE, "golden.json"), "w", encoding="utf-8") as f:
    json.dump(golden, f, indent=0, ensure_ascii=True)
    f.write("\n")
