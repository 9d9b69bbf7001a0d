"""Classifier folders whose `model.keras` is made to run code, read other files, or exhaust its reader.

`benchmarks.hostile` tries them as files; tests/serving/test_archive_check.py holds each refusal to a text.
Where one runs after all, it leaves a file called IT_RAN in the working folder.
"""

import base64
import io
import json
import marshal
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

Files = dict[Any, bytes]  # by name, or by ZipInfo where a member is of another kind
Change = Callable[[Files], object]
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
IT_RAN = "it_ran"
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
MB = 1 << 20


class Hostile(NamedTuple):
    """What is changed in the archive, and a regular expression that the refusal matches."""

    change: Change
    refusal: str


class Runs:
    """What a pickle of this runs when it is read."""

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (IT_RAN, "w")


def list_models() -> list[tuple[str, str, Callable[[Path], Path]]]:
    """The cases of `benchmarks.hostile`: name, entry, and how it is written."""
    return [(f"classifier: {name}", "classifier", keras_archive(one.change)) for name, one in MODELS.items()]


def keras_archive(change: Change) -> Callable[[Path], Path]:
    """A classifier folder, whose archive is changed."""

    def make(folder: Path) -> Path:
        import keras

        from pipeline.images.recipe import Recipe
        from pipeline.serving.settings import Settings, save_classifier

        model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
        recipe = Recipe((8, 8), 1, "stretch", "bicubic", equalise=0, formats=("PNG",), max_pixels=10_000)
        save_classifier(model, Settings(("a", "b"), recipe, test_mirror=False), folder / "classifier")
        change_archive(folder / "classifier", change)
        return folder / "classifier"

    return make


def change_archive(folder: Path, change: Change) -> None:
    """Change the members of the archive of a classifier folder, and `classifier.json`, in place.

    What is put under the name "" replaces the whole archive.
    """
    path, settings = folder / "model.keras", folder / "classifier.json"
    files: Files = {"classifier.json": settings.read_bytes()}
    with zipfile.ZipFile(path) as archive:
        files |= {name: archive.read(name) for name in archive.namelist()}
    change(files)
    settings.write_bytes(files.pop("classifier.json"))
    if "" in files:
        path.write_bytes(files[""])
        return
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, data in files.items():
            archive.writestr(name, data)


def ask_for(**config: Any) -> Change:
    """Change the configuration of the last layer."""
    return lambda files: _edit_layers(
        files, lambda layers: [*layers[:-1], layers[-1] | {"config": layers[-1]["config"] | config}]
    )


def change_layer(**values: Any) -> Change:
    """Change what the last layer is."""
    return lambda files: _edit_layers(files, lambda layers: [*layers[:-1], layers[-1] | values])


def add_layer(class_name: str, module: str = "keras.layers", **config: Any) -> Change:
    """Put another layer behind the last one."""
    layer = {"module": module, "class_name": class_name, "config": config, "registered_name": None}
    return lambda files: _edit_layers(files, lambda layers: [*layers, layer])


def put_first(class_name: str, **config: Any) -> Change:
    """Put another layer behind the input."""
    layer = {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}
    return lambda files: _edit_layers(files, lambda layers: [layers[0], layer, *layers[1:]])


def wrap_in_network(files: Files) -> None:
    """As `put_first`, in a network of its own that gives back what it got."""
    grow, shrink = (
        {"module": "keras.layers", "class_name": name, "config": {key: 500_000}, "registered_name": None}
        for name, key in (("ZeroPadding2D", "padding"), ("Cropping2D", "cropping"))
    )

    def edit(layers: list[Any]) -> list[Any]:
        inside = [layers[0], grow, shrink]
        network = {"module": "keras", "class_name": "Sequential", "config": {"name": "in", "layers": inside}}
        return [layers[0], network | {"registered_name": None}, *layers[1:]]

    _edit_layers(files, edit)


def _edit_layers(files: Files, edit: Callable[[list[Any]], list[Any]]) -> None:
    whole = json.loads(files[CONFIG])
    whole["config"]["layers"] = edit(whole["config"]["layers"])
    files[CONFIG] = json.dumps(whole).encode()


def set_file(name: str, data: bytes) -> Change:
    return lambda files: files.update({name: data})


def set_later(name: str, build: Callable[[], bytes]) -> Change:
    return lambda files: files.update({name: build()})


def bomb(files: Files) -> None:
    """Weights of 200 MB of zeros, in 200 kB."""
    info = zipfile.ZipInfo(WEIGHTS)
    info.compress_type = zipfile.ZIP_DEFLATED
    del files[WEIGHTS]
    files[info] = bytes(200 * MB)


def link_config(files: Files) -> None:
    info = zipfile.ZipInfo(CONFIG)
    info.external_attr = 0o120777 << 16
    del files[CONFIG]
    files[info] = b"/etc/hostname"


def double(files: Files) -> None:
    files[zipfile.ZipInfo(CONFIG)] = files[CONFIG]


def state_weights(write: Callable[[Any], object]) -> Change:
    """Put an HDF5 file that `write` fills in place of the weights."""

    def change(files: Files) -> None:
        import h5py

        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            write(file)
        files[WEIGHTS] = stream.getvalue()

    return change


def link_outside(file: Any) -> None:
    import h5py

    file["layers"] = h5py.ExternalLink("/etc/hostname", "/")


def link_inside(file: Any) -> None:
    import h5py

    file["a"] = [1.0]
    file["layers"] = h5py.SoftLink("/a")


def read_outside(file: Any) -> None:
    file.create_dataset("layers/x", shape=(8,), dtype="uint8", external=[("/etc/hostname", 0, 8)])


def map_outside(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout((8,), "uint8")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape=(8,))
    file.create_virtual_dataset("layers/x", layout)


def hold_texts(file: Any) -> None:
    file["layers/x"] = [base64.b64encode(pickle.dumps(Runs())).decode()]


def state_more(file: Any) -> None:
    """An array of 400 GB of which nothing is stored."""
    file.create_dataset("layers/x", shape=(10**6, 10**5), dtype="float32", chunks=(1000, 1000))


def hold_other_shapes(file: Any) -> None:
    """The weights of another network."""
    file["layers/flatten/vars/x"] = [1.0]
    file["layers/dense/vars/0"] = [[1.0]]
    file["layers/dense/vars/1"] = [1.0]


def name_at_length(files: Files) -> None:
    """Whoever writes down where each object is takes terabytes."""
    network: dict[str, Any] = {
        "module": "keras",
        "class_name": "Sequential",
        "registered_name": None,
        "config": {},
    }
    files[CONFIG] = json.dumps(network | {"k" * (2 * MB): [{}] * (MB // 4)}).encode()


def nest_at_length(file: Any) -> None:
    """As `name_at_length`: 20,000 groups in one of a name of 60,000 letters."""
    outer = file.create_group("g" * 60_000)
    for number in range(20_000):
        outer.create_group(str(number))


def nest_deep(file: Any) -> None:
    for _ in range(1000):
        file = file.create_group("g")


def _no_class(name: str, module: str | None, place: str = "") -> str:
    return (
        rf"asks at config\.layers\[\d\]{place} for the class '{name}' of the module {module!r}; allowed are"
    )


def _pack_code() -> Mapping[str, Any]:
    """A Python function as Keras packs one: the code of it, which leaves IT_RAN."""
    code = (lambda x: __import__("pathlib").Path("it_ran").touch() or x).__code__
    return {
        "class_name": "__lambda__",
        "config": {
            "code": base64.b64encode(marshal.dumps(code)).decode(),
            "defaults": None,
            "closure": None,
        },
    }


SYSTEM = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
FOREIGN = "holds the file '{}'; allowed are config.json, metadata.json, model.weights.h5, each once"
MODELS = {
    "a Lambda layer": Hostile(
        add_layer("Lambda", function=_pack_code()), _no_class("Lambda", "keras.layers")
    ),
    "a function as activation": Hostile(
        ask_for(activation=_pack_code()),
        _no_class("__lambda__", None, r"\.config\.activation"),
    ),
    "a function by its import path": Hostile(
        ask_for(activation=SYSTEM), _no_class("function", "os", r"\.config\.activation")
    ),
    "a saved model": Hostile(add_layer("TFSMLayer", filepath=IT_RAN), _no_class("TFSMLayer", "keras.layers")),
    "a layer that reads a file": Hostile(
        add_layer("StringLookup", vocabulary="/etc/passwd"),
        _no_class("StringLookup", "keras.layers"),
    ),
    "a download": Hostile(
        add_layer("get_file", "keras.utils", fname="x", origin="http://127.0.0.1:9/x"),
        _no_class("get_file", "keras.utils"),
    ),
    "a class that is called like another": Hostile(
        change_layer(registered_name="Custom>Lambda"),
        r"asks at config.layers.\d. for keras.layers.Dense under the name 'Custom>Lambda'",
    ),
    "a class of another module": Hostile(
        change_layer(module="keras.src.layers.core.lambda_layer"),
        _no_class("Dense", "keras.src.layers.core.lambda_layer"),
    ),
    "a pickle beside": Hostile(
        set_later("assets/x.pkl", lambda: pickle.dumps(Runs())), FOREIGN.format("assets/x.pkl")
    ),
    "a pickle instead": Hostile(set_later("", lambda: pickle.dumps(Runs())), "is damaged: File is not a zip"),
    "a path that climbs": Hostile(set_file(f"../../{IT_RAN}", b"x"), FOREIGN.format(rf"../../{IT_RAN}")),
    "an absolute path": Hostile(set_file(f"/tmp/{IT_RAN}", b"x"), FOREIGN.format(rf"/tmp/{IT_RAN}")),
    "two configurations": Hostile(double, "holds the file config.json 2 times"),
    "a link as configuration": Hostile(link_config, "its config.json is a link to another file"),
    "a bomb": Hostile(bomb, r"unpacks to 209,\d+,\d+ bytes, many times its"),
    "NumPy's weights": Hostile(set_file("model.weights.npz", b"x"), FOREIGN.format("model.weights.npz")),
    "a link into another file": Hostile(state_weights(link_outside), "at 'layers' has a link to another"),
    "a link inside": Hostile(state_weights(link_inside), "at 'layers' has a link to another"),
    "weights of another file": Hostile(state_weights(read_outside), "at 'layers/x' has its numbers in anoth"),
    "weights mapped from a file": Hostile(
        state_weights(map_outside), "at 'layers/x' has its numbers in anot"
    ),
    "texts as weights": Hostile(state_weights(hold_texts), "at 'layers/x' holds no numbers"),
    "weights that are not there": Hostile(state_weights(state_more), "state 400,000,000,000 bytes and have"),
    "weights of another network": Hostile(state_weights(hold_other_shapes), "is damaged: "),
    "weights that are text": Hostile(set_file(WEIGHTS, b"x" * 1000), "is damaged: "),
    "JSON 100,000 deep": Hostile(set_file(CONFIG, DEEP), "is damaged: .*recursion depth"),
    "2,000,000 units": Hostile(ask_for(units=2_000_000), "ask for .* weights and it holds"),
    "10^15 units": Hostile(ask_for(units=10**15), "ask for .* weights and it holds"),
    "a picture of 10^12 pixels": Hostile(
        put_first("ZeroPadding2D", padding=500_000), "makes 1,000,0.* numbers"
    ),
    "such a picture in a network inside": Hostile(
        wrap_in_network, "makes 1,000,0.* numbers of one picture; allo"
    ),
    "a long name of many objects": Hostile(name_at_length, "is damaged: A Sequential"),
    "a long name of many arrays": Hostile(state_weights(nest_at_length), "at 'ggg.*has a longer name"),
    "groups in groups": Hostile(state_weights(nest_deep), "lies deeper than Keras writes"),
    "a config of 20 MB": Hostile(
        set_file(CONFIG, b" " * (20 * MB)), "config.json has 20,971,520 bytes; allowed are 4,194,304"
    ),
    "settings 100,000 deep": Hostile(set_file("classifier.json", DEEP), "is damaged"),
    "settings that are a list": Hostile(set_file("classifier.json", b"[1]"), "is damaged"),
}
