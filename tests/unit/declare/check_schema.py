"""check_schema.py SCHEMA EXAMPLE ROOT: the schema against itself, good examples and bad ones."""

import copy
import glob
import json
import sys

try:
    import jsonschema
    import yaml
except ImportError:
    sys.exit(77)

schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)


def load(path):
    # As the parser reads it: text, whatever YAML 1.1 would make of `10:30` or `on`; but true, false and plain numbers.
    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {}
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", __import__("re").compile("^(true|false)$"), list("tf"))
    Loader.add_implicit_resolver("tag:yaml.org,2002:int", __import__("re").compile("^-?[0-9]+$"), list("-0123456789"))
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", __import__("re").compile(r"^-?[0-9]+\.[0-9]+$"), list("-0123456789"))
    return yaml.load(open(path), Loader)


first = load(sys.argv[2])
good = [sys.argv[2]] + sorted(glob.glob(sys.argv[3] + "/config/**/*.yaml", recursive=True))
for path in good:
    document = load(path)
    if path != sys.argv[2] and not (isinstance(document, dict) and {"project", "feature_views", "sources"} & set(document)):
        continue  # another program's file
    errors = [f"{path}: {list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(document)]
    if errors:
        sys.exit("\n".join(errors))

bad = [
    lambda d: d.update(colour="red"),
    lambda d: d["kafka"].pop("brokers"),
    lambda d: d["sources"]["transactions"].update(lateness="10 minutes"),
    lambda d: d["sources"]["transactions"].update(where=["x > 1"]),
    lambda d: d["sources"]["transactions"]["fields"].update(x="strng"),
    lambda d: d["feature_views"]["card_spend"]["features"]["spend"].update(windows="1h"),
    lambda d: d["feature_views"]["card_spend"]["features"]["spend"].update(windows=[{"session": 30}]),
    lambda d: d["feature_views"]["card_spend"]["features"]["spend"].update(windows=[{"rows": 0}]),
    lambda d: d["feature_views"]["card_spend"]["features"]["spend"].update(windows=[{"tumbling": "year"}]),
    lambda d: d.update(server={"max_rows": 0}),
    lambda d: d["entities"].update({"Card": {"keys": {"card": "string"}}}),
]
for number, change in enumerate(bad):
    document = copy.deepcopy(first)
    change(document)
    if validator.is_valid(document):
        sys.exit(f"bad example {number} is taken")
