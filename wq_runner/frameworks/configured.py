"""What the results of PocketCoffea depend on: its configuration, as it reaches coffea's Runner.

The processor comes packed into the function of the Runner, and holds the configurator. So its attributes,
and those of the configurator, are what is compared; besides, the code of the analysis, which is what lies
beside the configuration too, and the files that the parameters name.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wq_runner.code import own_modules
from wq_runner.environment.choice import Wish
from wq_runner.executors import environments
from wq_runner.fingerprint import identity, mentioned_variables, model_files, packages
from wq_runner.fingerprint.identity import Places
from wq_runner.frameworks.kept import Described
from wq_runner.remote import functions
from wq_runner.remote.contents import CODE, FILE, hash_of

_PROCESSOR = "processor_instance"
_CONFIGURATION = "cfg"  # the attribute of a processor
# lists that PocketCoffea makes of sets: their order is another one in each process, and means nothing
_UNORDERED = ("requested_weights", "available_weights_variations", "available_shape_variations")
_FRAMEWORK, _CUT = "pocket_coffea.", "Cut"
_OF_CVMFS = "/cvmfs/"  # where what has a name does not change
_BESIDE = "*.py"
_MOST_BESIDE = 500


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What stays from call to call: the directory of the configuration, and what workers get."""

    base: Path
    arguments: Mapping[str, Any]

    def describe(self, function: Any) -> Described:
        """Say what the results of a function of coffea's Runner depend on."""
        places = Places.around(self.base)
        bare, processor = _parted(function)
        sources = list(own_modules.sources().values())
        beside = _beside(self.base)
        scripts = {*(one.path for one in sources), *beside}
        read = {
            **{places.name(f"{CODE}{path}"): own_modules.hash_file(path) for path in beside},
            **identity.code(sources, places),
            **{f"the package file {name}": value for name, value in packages.edited_files().items()},
        }
        values = {
            identity.FORM: identity.VERSION,
            "the processor": f"{type(processor).__module__}:{type(processor).__qualname__}",
            "how coffea's Runner calls it": identity.of_value(bare, places),
            "the environment": environments.fingerprint(self._wish, packages.installed_packages()),
            **mentioned_variables.variables(scripts, read),
            **model_files.named(scripts, processor, places),
            **_named_by(getattr(processor, "params", None), places),
            **read,
            **_state(processor, places),
        }
        seed = self.arguments.get("seed")
        if seed is not None:
            values["the seed of random numbers"] = str(seed)
        return Described(values=values, places=places)

    @property
    def _wish(self) -> Wish:
        """What workers get."""
        arguments = self.arguments
        return Wish(
            environment=arguments.get("environment", "auto"),
            extra_files=tuple(Path(one) for one in arguments.get("extra_files", ())),
            setup_commands=tuple(arguments.get("setup_commands", ())),
        )


def _parted(function: Any) -> tuple[Any, Any]:
    """Return coffea's work function, however wrapped, without its processor, and that."""
    if not isinstance(function, functools.partial):
        return function, None
    parts = [_parted(one) for one in function.args]
    keywords = dict(function.keywords)
    found = keywords.pop(_PROCESSOR, None)
    if isinstance(found, bytes):
        found = functions.unpacked(found)
    if found is None:
        found = next((one for _, one in parts if one is not None), None)
    return functools.partial(function.func, *(one for one, _ in parts), **keywords), found


def _beside(base: Path) -> list[Path]:
    """Return the code that lies beside the configuration: the setup of an executor has it imported anew."""
    return sorted(itertools.islice(base.glob(_BESIDE), _MOST_BESIDE))


def _state(processor: Any, places: Places) -> dict[str, str]:
    """Return the hash of each attribute of a processor, and of each of its configuration."""
    configuration = getattr(processor, _CONFIGURATION, None)
    own = dict(getattr(processor, "__dict__", {}))
    if configuration is None or not hasattr(configuration, "__dict__"):
        return identity.state(processor, places)
    del own[_CONFIGURATION]
    names = {cut._id: cut.name for cut in _cuts(vars(configuration), set()) if isinstance(cut._id, str)}
    found = {
        f"{name} of the processor": identity.of_value(value, places, names) for name, value in own.items()
    }
    found |= {
        f"{name} of the configuration": identity.of_value(_ordered(name, value), places, names)
        for name, value in vars(configuration).items()
        if value is not processor
    }
    found["the class of the processor"] = identity.of_value(type(processor), places, names)
    return found


def _cuts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the cuts of a configuration: their ids have hashes in them, which are others in each process."""
    if id(value) in seen:
        return
    seen.add(id(value))
    kind = type(value)
    if kind.__name__ == _CUT and hasattr(value, "_id"):
        yield value
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inner = value
    elif kind.__module__.startswith(_FRAMEWORK) and hasattr(value, "__dict__"):
        inner = vars(value).values()
    for one in inner:
        yield from _cuts(one, seen)


def _ordered(name: str, value: Any) -> Any:
    if name not in _UNORDERED:
        return value
    if isinstance(value, Mapping):
        return {key: _ordered(name, one) for key, one in value.items()}
    return set(value) if isinstance(value, list) else value


# -- files that the parameters name


def _named_by(parameters: Any, places: Places) -> dict[str, str]:
    """Return the hash of each file that the parameters name: libraries in C open them, and tell nobody."""
    config = getattr(sys.modules.get("omegaconf"), "OmegaConf", None)
    if config is not None and config.is_config(parameters):
        parameters = config.to_container(parameters)
    found = {Path(text).resolve() for text in _texts(parameters) if _is_file(text)}
    return {places.name(f"{FILE}{path}"): hash_of(f"{FILE}{path}") for path in sorted(found)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _texts(one)


def _is_file(text: str) -> bool:
    if ("/" not in text and "." not in text) or text.startswith(_OF_CVMFS) or "\0" in text:
        return False
    try:
        return Path(text).is_file()
    except OSError:  # too long for a name
        return False
