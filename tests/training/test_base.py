"""Base models: found by name or folder, loaded as they are, adapted where asked; whatever is broken is said clearly."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import small_models as small
import torch
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    CohereConfig,
    Gemma2Config,
    GPT2Config,
    GraniteConfig,
)

from so8t.training.base import Base, BaseNotFound, BaseUnsupported, find, load
from so8t.training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 60,
}
BERT_TARGETS = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense")
ROWS = {
    "input_ids": torch.tensor([[5, 17, 30, 8, 26, 17, 9], [1, 2, 3, 4, 0, 0, 0]]),
    "attention_mask": torch.tensor([[1] * 7, [1] * 4 + [0] * 3]),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the folders `encoder` and `causal`."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(4)
    BertModel(BertConfig(**SIZE, initializer_range=0.2)).save_pretrained(folder / "encoder")
    words = small.qwen()
    small.save(folder / "causal", small.model("qwen3", words), words)
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_HUB_OFFLINE=1 does; the variable itself is read once, at the import."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def recipe(base: str, kind: str, **sections: dict[str, Any]) -> Recipe:
    model = {"base": base, "kind": kind} | sections.pop("model", {})
    export = {"gguf": ["q8_0"]} if kind == "causal" else {}
    return Recipe.model_validate({"model": model, "export": export, "lora": {"dropout": 0.0}} | sections)


def loaded(models: Path, kind: str, **sections: dict[str, Any]) -> Base:
    return load(recipe(kind, kind, **sections), models)


def unsupported(folder: Path, kind: str, **sections: dict[str, Any]) -> str:
    """What the error says, which is one line and names the model."""
    with pytest.raises(BaseUnsupported) as error:
        load(recipe(folder.name, kind, **sections), folder.parent)
    assert "\n" not in str(error.value)
    return str(error.value)


@torch.inference_mode()
def outputs(model: Any) -> Tensor:
    found: Tensor = model.eval()(**ROWS)[0]  # (B, T, D) or (B, T, V)
    return found


def plain(models: Path, kind: str) -> Any:
    """As transformers loads it."""
    auto: Any = AutoModelForCausalLM if kind == "causal" else AutoModel
    return auto.from_pretrained(models / kind, dtype=torch.float32)


def adapted(model: nn.Module) -> set[str]:
    """The names of the base's modules that have an adapter."""
    names = (name for name, p in model.named_parameters() if p.requires_grad)
    return {name.removeprefix("base_model.model.").partition(".lora_")[0] for name in names}


@pytest.mark.parametrize("kind", ["encoder", "causal"])
def test_without_an_adapter_the_outputs_are_those_of_transformers_to_the_last_bit(models: Path, kind: str) -> None:
    base = loaded(models, kind, lora={"r": 0})
    expected = plain(models, kind)
    assert torch.equal(outputs(base.model), outputs(expected))
    assert type(base.model) is type(expected)
    assert not any(p.requires_grad for p in base.model.parameters())
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in base.model.state_dict().items())
    assert (base.name, base.folder, base.dimension) == (kind, models / kind, expected.config.hidden_size)


@pytest.mark.parametrize("kind", ["encoder", "causal"])
def test_a_new_adapter_changes_nothing_until_it_is_trained(models: Path, kind: str) -> None:
    base = loaded(models, kind)
    assert torch.equal(outputs(base.model), outputs(plain(models, kind)))
    with torch.no_grad():
        for name, p in base.model.named_parameters():
            p += 1.0 if "lora_B" in name else 0.0
    assert not torch.allclose(outputs(base.model), outputs(plain(models, kind)), atol=0.1)


def test_weights_of_half_precision_are_loaded_in_float32(models: Path, tmp_path: Path) -> None:
    plain(models, "encoder").to(torch.bfloat16).save_pretrained(tmp_path / "encoder")
    base = loaded(tmp_path, "encoder", lora={"r": 0})
    assert {p.dtype for p in base.model.parameters()} == {torch.float32}


def test_the_adapter_is_on_the_targets_alone(models: Path) -> None:
    base = loaded(models, "encoder", lora={"targets": list(BERT_TARGETS)})
    parts = [f"attention.self.{name}" for name in ("query", "key", "value")]
    parts += ["attention.output.dense", "intermediate.dense", "output.dense"]
    assert adapted(base.model) == {f"encoder.layer.{n}.{part}" for n in range(2) for part in parts}
    base = loaded(models, "causal", lora={"targets": ["q_proj"]})
    assert adapted(base.model) == {f"model.layers.{n}.self_attn.q_proj" for n in range(2)}


def test_all_linear_leaves_the_head_of_a_language_model_alone(models: Path) -> None:
    parts = [f"self_attn.{name}_proj" for name in "qkvo"] + [f"mlp.{name}_proj" for name in ("gate", "up", "down")]
    assert adapted(loaded(models, "causal").model) == {f"model.layers.{n}.{part}" for n in range(2) for part in parts}


def test_targets_may_be_a_regular_expression(models: Path) -> None:
    base = loaded(models, "causal", lora={"targets": r".*\.1\.mlp\..*_proj"})
    assert adapted(base.model) == {f"model.layers.1.mlp.{name}_proj" for name in ("gate", "up", "down")}


def test_the_adapter_has_the_strength_of_the_recipe_fractions_too(models: Path) -> None:
    model: Any = loaded(models, "causal", lora={"r": 4, "alpha": 2.5, "targets": ["q_proj"]}).model
    assert model.peft_config["default"].lora_alpha == 2.5
    assert {m.scaling["default"] for m in model.modules() if hasattr(m, "lora_A")} == {2.5 / 4}


@pytest.mark.parametrize("targets", [["nowhere"], ["q_proj", "v_prj"], ["proj"]])
def test_a_target_that_is_nowhere_is_an_error_that_names_the_layers_even_beside_others(
    models: Path, targets: list[str]
) -> None:
    said = unsupported(models / "causal", "causal", lora={"targets": targets})
    assert said.startswith(f"lora.targets: unknown layer '{targets[-1]}': one of ")
    assert "q_proj" in said
    assert targets[-1] != "v_prj" or "one of v_proj" in said


@pytest.mark.parametrize("targets", ["", "q_proj", "(", [], ".*norm"])
def test_targets_that_fit_nothing_or_no_linear_layer_are_an_error_that_says_what_to_set(
    models: Path, targets: Any
) -> None:
    said = unsupported(models / "causal", "causal", lora={"targets": targets})
    assert 'Set "all-linear", or a list of some of' in said
    assert "gate_proj" in said


@pytest.mark.parametrize("kind", ["encoder", "causal"])
@pytest.mark.parametrize("r", [0, 4])
def test_gradient_checkpointing_runs_the_blocks_again_in_backward(models: Path, kind: str, r: int) -> None:
    runs = [runs_of_a_block(loaded(models, kind, lora={"r": r}, train=on(flag)).model) for flag in (False, True)]
    assert runs == ([1, 2] if r else [1, 1])  # nothing goes back into a frozen base


def test_gradient_checkpointing_changes_no_gradient(models: Path) -> None:
    found = []
    for flag in (False, True):
        torch.manual_seed(1)
        model = loaded(models, "causal", train=on(flag)).model.train()
        model(**ROWS)[0].square().mean().backward()
        found.append({name: p.grad for name, p in model.named_parameters() if p.requires_grad})
    plain_, again = found
    assert any(bool(grad.any()) for grad in plain_.values())
    assert all(torch.equal(grad, again[name]) for name, grad in plain_.items())


def on(checkpointing: bool) -> dict[str, Any]:
    return {"gradient_checkpointing": checkpointing}


def runs_of_a_block(model: nn.Module) -> int:
    """Of the first block's first layer, in one forward and backward."""
    ends = ("layers.0.self_attn.q_proj", "encoder.layer.0.attention.self.query")
    layer = next(module for name, module in model.named_modules() if name.endswith(ends))
    runs: list[int] = []
    layer.register_forward_pre_hook(lambda *_: runs.append(1))
    states = model.train()(**ROWS)[0]
    if states.requires_grad:
        states.square().mean().backward()
    return len(runs)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_nf4_weights_are_packed_near_the_exact_ones_and_train_through_the_adapter(
    tmp_path: Path, checkpointing: bool
) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes")
    try:
        bitsandbytes.functional.quantize_4bit(torch.ones(64), quant_type="nf4")
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"bitsandbytes has no NF4 on this machine's CPU: {error}")
    words = small.qwen()
    small.save(tmp_path / "causal", small.model("qwen3", words, intermediate_size=128), words)  # whole NF4 blocks of 64
    train = {"precision": "float32"} | on(checkpointing)
    model: Any = loaded(tmp_path, "causal", model={"quantisation": "nf4"}, train=train).model
    assert model.base_model.model.model.layers[0].mlp.up_proj.weight.dtype == torch.uint8
    assert model.base_model.model.lm_head.weight.is_floating_point()
    exact, got = outputs(plain(tmp_path, "causal")), outputs(model)
    assert 0 < (got - exact).square().mean().sqrt() < 0.5 * exact.std()
    model.train()(**ROWS)[0].square().mean().backward()  # after an evaluation, as in a run
    trained = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert all(torch.isfinite(grad).all() for grad in trained.values())
    assert all(bool(grad.any()) for name, grad in trained.items() if "lora_B" in name)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def with_(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(facts | changes), encoding="utf-8")

    return change


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (without("config.json"), "model_type"),
        (with_("config.json", b"{"), "not a valid JSON"),
        (with_("config.json", b"[]"), "model_type"),
        (with_("config.json", b"\xff\xfe"), "not a valid JSON"),
        (config(model_type="nothing"), "nothing"),
        (config(hidden_size="wide"), "hidden_size"),
        (config(num_attention_heads=5), "multiple of the number of attention heads"),
        (config(hidden_size=64), "cannot be loaded"),
        (config(num_hidden_layers=3), "lacks 16 weights, such as encoder.layer.2."),
        (without("model.safetensors"), "model.safetensors"),
        (with_("model.safetensors", b""), "header"),
        (with_("model.safetensors", b"\xff" * 100), "header"),
        (cut, "cannot be loaded"),
    ],
)
def test_a_broken_folder_is_an_error_that_says_what_is_broken(
    models: Path, tmp_path: Path, broken: Callable[[Path], None], says: str
) -> None:
    folder = Path(shutil.copytree(models / "encoder", tmp_path / "encoder"))
    broken(folder)
    said = unsupported(folder, "encoder")
    assert said.startswith("encoder ")
    assert says in said


def test_an_encoder_without_a_pooler_is_whole(tmp_path: Path) -> None:
    BertForMaskedLM(BertConfig(**SIZE)).save_pretrained(tmp_path / "encoder")
    assert loaded(tmp_path, "encoder").dimension == 32


def test_a_language_model_asked_for_as_an_encoder_is_an_error_and_the_reverse(models: Path, tmp_path: Path) -> None:
    assert 'is a Qwen3ForCausalLM: set model.kind = "causal"' in unsupported(models / "causal", "encoder")
    assert 'is a BertModel: set model.kind = "encoder"' in unsupported(models / "encoder", "causal")
    BertForMaskedLM(BertConfig(**SIZE)).save_pretrained(tmp_path / "masked")
    assert 'is a BertForMaskedLM: set model.kind = "encoder"' in unsupported(tmp_path / "masked", "causal")


def test_an_encoder_that_does_not_say_what_it_is_is_no_language_model_either(models: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models / "encoder", tmp_path / "unnamed"))
    config(architectures=None)(folder)
    assert "unknown architecture" not in unsupported(folder, "causal")
    assert load(recipe("unnamed", "encoder"), tmp_path).dimension == 32


@pytest.mark.parametrize("made", [Gemma2Config, CohereConfig, GraniteConfig])
def test_a_language_model_that_scales_its_logits_is_an_error(tmp_path: Path, made: Any) -> None:
    scaled = made(**SIZE, num_key_value_heads=1, **({"logits_scaling": 8.0} if made is GraniteConfig else {}))
    scaled.architectures = ["XForCausalLM"]
    scaled.save_pretrained(tmp_path / "scaled")  # no weights: they are not even looked at
    assert "scaled scales its logits" in unsupported(tmp_path / "scaled", "causal")


def test_a_language_model_that_could_not_be_exported_is_an_error_before_its_training(tmp_path: Path) -> None:
    unknown = GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=60, architectures=["GPT2LMHeadModel"])
    unknown.save_pretrained(tmp_path / "gpt")
    said = unsupported(tmp_path / "gpt", "causal")
    assert "gpt could not be written as GGUF after the training: unknown architecture 'gpt2'" in said


def test_a_folder_is_found_beside_the_recipe_and_by_its_whole_path(models: Path) -> None:
    assert find("causal", models) == ("causal", models / "causal")
    assert find(str(models / "causal"), Path("elsewhere")) == ("causal", models / "causal")
    assert find("../causal", models / "encoder")[0] == "causal"


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "name", ["so8t-minni", "someone/model", "causal/config.json", "~nobody/x", "a\0b", "x" * 5000, "モデル", "a b/c/d"]
)
def test_a_name_that_is_nowhere_is_an_error_that_lists_the_names_there_are(models: Path, name: str) -> None:
    with pytest.raises(BaseNotFound) as error:
        find(name, models)
    said = str(error.value)
    assert said.startswith(f"unknown model {name!r}: one of ")
    assert "so8t-mini" in said
    assert "all-MiniLM-L6-v2" in said
    assert "a folder, or a name on the hub" in said
    assert name != "so8t-minni" or "one of so8t-mini," in said


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A proxy that lets nobody through stands between here and the hub."""

    class Refuses(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(407)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    huggingface_hub.close_session()  # it reads the variable when it is made
    yield
    huggingface_hub.close_session()
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("proxy")
def test_a_proxy_that_refuses_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(BaseNotFound, match=r"unknown model 'someone/model'.*407"):
        find("someone/model", tmp_path)


def test_an_encoder_that_was_not_downloaded_is_an_error_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SO8T_CACHE", str(tmp_path / "empty"))
    with pytest.raises(BaseNotFound, match="so8t models pull all-MiniLM-L6-v2"):
        find("all-MiniLM-L6-v2", tmp_path)


def test_so8t_mini_is_found_by_name_with_a_cache_that_is_not_there_yet_and_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SO8T_CACHE", str(tmp_path / "new" / "cache"))
    name, folder = find("so8t-mini", tmp_path)
    assert name == "so8t-mini"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert find("so8t-mini", tmp_path) == (name, folder)
    assert (folder / "model.safetensors").stat().st_mtime_ns == made
    assert [path for path in folder.parent.iterdir() if path.is_dir()] == [folder]
    base = load(recipe("so8t-mini", "causal"), tmp_path)
    assert (base.name, base.dimension) == ("so8t-mini", 256)


def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("SO8T_CACHE", str(tmp_path / "file"))
    with pytest.raises(BaseNotFound, match=r"so8t-mini cannot be made ready.*SO8T_CACHE"):
        find("so8t-mini", tmp_path)
