"""The estimate: published figures, what raises and lowers it, what it says, which models it knows."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from estimated import DECODER, SIZES, SMALL, of, recipe
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
    T5Config,
)

from so8t.training import base as bases
from so8t.training import shape_bytes, shape_model
from so8t.training.estimate import GIB, ArchitectureUnsupported, Estimate, SequenceTooLong, estimate, table

pytestmark = pytest.mark.usefixtures("one_thread")

EIGHT = {"hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8}
LLAMA3 = LlamaConfig(**EIGHT, num_hidden_layers=32, vocab_size=128256)
MISTRAL = MistralConfig(**EIGHT, num_hidden_layers=32, vocab_size=32000)
LLAMA2 = LlamaConfig(hidden_size=4096, intermediate_size=11008, num_attention_heads=32, num_hidden_layers=32)
QWEN = Qwen2Config(
    hidden_size=2048,
    intermediate_size=11008,
    num_attention_heads=16,
    num_key_value_heads=2,
    num_hidden_layers=36,
    vocab_size=151936,
    tie_word_embeddings=True,
)


@pytest.fixture(scope="module")
def small() -> Estimate:
    """Of the plainest recipe."""
    return estimate(recipe(), SMALL)


# -- published figures


@pytest.mark.parametrize(
    ("config", "parameters"),
    [(LLAMA3, 8_030_261_248), (MISTRAL, 7_241_732_096), (LLAMA2, 6_738_415_616), (QWEN, 3_085_938_688)],
    ids=["Llama-3-8B", "Mistral-7B", "Llama-2-7B", "Qwen2.5-3B, tied"],
)
def test_a_published_model_has_its_published_number_of_parameters(config: PretrainedConfig, parameters: int) -> None:
    assert shape_model.bare(recipe(), config).num_parameters() == parameters


def test_a_7b_model_in_nf4_takes_4127_thousandths_of_a_bit_a_weight() -> None:
    # 4 + 8/64 + 32/(64 x 256): Dettmers et al., QLoRA (2023), section 3
    asked = recipe(lora_r=16)
    model = shape_model.judging(asked, shape_model.bare(asked, MISTRAL))
    with FakeTensorMode():
        shape_model.to_fake(model)
        found = shape_bytes.weights(model)
    whole = 2 * 32000 * 4096 + 65 * 4096  # embeddings, LM head, norms
    assert 8 * found.packed / (7_241_732_096 - whole) == pytest.approx(4.127, abs=0.001)
    sides = 2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336)  # in + out of q o, k v, gate up down
    assert found.adapter == 4 * 16 * 32 * sides
    assert found.head == 4 * (4096 * 2048 + 2048 + 2048 * 3 + 3)


def test_layers_of_a_7b_model_fit_12_gb_with_all_that_saves_memory_and_the_table_says_so() -> None:
    config = MistralConfig(**EIGHT, num_hidden_layers=2, vocab_size=32000)
    found = estimate(recipe(train_precision="bf16", train_optimizer="paged_adamw_8bit"), config, sequence=2048)
    assert GIB < found.total < 12 * GIB
    assert found.hints() == ()
    assert "It fits 12 GiB." in table(found)


# -- how it changes


def test_the_total_is_the_sum_of_the_lines_and_the_json_says_the_same() -> None:
    found = estimate(recipe(pet_strength=0.2), SMALL)
    told = json.loads(json.dumps(found.json()))
    assert told["total"] == found.total == sum(item["bytes"] for item in told["items"])
    assert all(item.bytes >= 0 for item in found.items)
    assert len({item.name for item in found.items}) == len(found.items)


@pytest.mark.parametrize(
    ("key", "low", "high"), [("lora_r", 7, 9), ("train_micro_batch", 1, 3), ("data_longest", 63, 65)]
)
def test_more_of_it_takes_more(key: str, low: int, high: int, small: Estimate) -> None:
    assert estimate(recipe(**{key: low}), SMALL).total < small.total < estimate(recipe(**{key: high}), SMALL).total


@pytest.mark.parametrize(
    ("key", "dear", "cheap"),
    [
        ("train_gradient_checkpointing", False, True),
        ("train_optimizer", "adamw_torch", "paged_adamw_8bit"),
        ("model_quantisation", "none", "nf4"),
    ],
)
def test_each_saver_saves(key: str, dear: Any, cheap: Any) -> None:
    settings = {"data_longest": 128, "lora_r": 64}
    assert (
        estimate(recipe(**settings, **{key: cheap}), SMALL).total
        < estimate(recipe(**settings, **{key: dear}), SMALL).total
    )


def test_dropout_keeps_a_byte_for_each_input_of_an_adapter_as_a_gpu_does() -> None:
    without, with_it = (
        of(estimate(recipe(train_gradient_checkpointing=False, lora_dropout=p), SMALL), "activations") for p in (0, 0.1)
    )
    inputs = 2 * 64 * SMALL.num_hidden_layers * (6 * 64 + 160)  # rows, tokens, layers; q k v o gate up, down
    assert 0 < with_it - without <= inputs * (4 + 1)  # what was not dropped, and the mask; the CPU's mask takes 4


def test_logits_count_for_the_learnt_tokens_alone() -> None:
    wide = LlamaConfig(**{**DECODER, "vocab_size": 20_000})
    none, some, most = (estimate(recipe(), wide, learnt=n).total for n in (0, 30, 60))
    assert most - some == pytest.approx(some - none, rel=0.2)
    assert most - some > 30 * 20_000 * 4 * 2  # logits and their gradient


def test_without_a_number_every_token_of_the_dialogues_of_a_micro_batch_is_learnt() -> None:
    asked = recipe(data_sft="generated", data_sft_share=0.3, train_micro_batch=4)
    assert estimate(asked, SMALL) == estimate(asked, SMALL, learnt=2 * 63)


def test_a_frozen_base_needs_gradients_of_the_head_alone(small: Estimate) -> None:
    asked = recipe(lora_r=0, model_quantisation="none")
    found = estimate(asked, SMALL)
    assert of(found, "gradients") == of(found, "head")
    assert of(found, "activations") < of(small, "activations")


def test_pet_switched_off_costs_nothing(small: Estimate) -> None:
    assert of(small, "PET") == 0


def test_pet_keeps_the_outputs_that_a_bf16_model_would_have_dropped() -> None:
    asked = recipe(pet_strength=0.2, train_gradient_checkpointing=False)
    assert 0 < of(estimate(asked, SMALL), "PET") < 4 * 2 * 64 * 64 * 4


# -- what it says


def test_what_does_not_fit_comes_with_what_to_change_the_largest_first() -> None:
    asked = recipe(train_gradient_checkpointing=False, model_quantisation="none", data_longest=256)
    found = estimate(asked, SMALL)
    hints = found.hints(card=found.total - 1000)
    assert hints[0] == "set train.gradient_checkpointing = true"
    assert 'set model.quantisation = "nf4"' in hints
    assert "It does not fit" in table(found, card=found.total - 1000)
    assert all(hint in table(found, card=found.total - 1000) for hint in hints)


def test_the_table_has_a_line_for_everything_that_takes_memory(small: Estimate) -> None:
    lines = table(small).splitlines()
    assert [item.name for item in small.items if item.bytes and not any(x.startswith(item.name) for x in lines)] == []
    assert any(line.startswith("peak") for line in lines)


# -- any architecture, and none


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("causal", MistralConfig(**DECODER)),
        ("causal", Qwen2Config(**DECODER, tie_word_embeddings=True)),
        ("causal", Qwen3Config(**DECODER, head_dim=16)),
        ("causal", GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=300, bos_token_id=0, eos_token_id=0)),
        ("encoder", BertConfig(**SIZES, vocab_size=300)),
        ("encoder", DistilBertConfig(dim=64, n_layers=2, n_heads=4, hidden_dim=160, vocab_size=300)),
    ],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_it_knows_every_architecture(kind: str, config: PretrainedConfig) -> None:
    found = estimate(recipe(kind, lora_dropout=0.1), config)
    bare = (AutoModelForCausalLM if kind == "causal" else AutoModel).from_config(config)
    assert found.parameters == sum(p.numel() for p in bare.parameters())
    assert found.model == type(bare).__name__


class Unknown(PretrainedConfig):
    """Of no model that transformers has."""

    model_type = "unheard-of"


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("causal", Unknown(), "'unheard-of' cannot be estimated as causal: Unrecognized configuration class"),
        ("causal", T5Config(d_model=32), "'t5' cannot be estimated as causal"),
        ("encoder", T5Config(d_model=32), "'t5' cannot be estimated as encoder"),
        ("causal", MixtralConfig(**DECODER, num_local_experts=2), "'mixtral' cannot be estimated as causal"),
    ],
    ids=["unknown", "encoder-decoder", "encoder-decoder as encoder", "experts that values choose"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # peft, on experts
def test_a_model_that_cannot_be_run_on_shapes_is_a_clear_error(kind: str, config: Any, said: str, capfd: Any) -> None:
    with pytest.raises(ArchitectureUnsupported, match=said) as caught:
        estimate(recipe(kind), config)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in capfd.readouterr().err


def test_targets_that_the_model_does_not_have_are_named() -> None:
    with pytest.raises(bases.BaseUnsupported, match=r"lora\.targets.*q_prj"):
        estimate(recipe(lora_targets=("q_prj",)), SMALL)


def test_a_row_longer_than_the_models_positions_is_an_error() -> None:
    with pytest.raises(SequenceTooLong, match="513 tokens, but the model has 512 positions"):
        estimate(recipe(), SMALL, sequence=513)


@pytest.mark.parametrize("config", [SMALL, T5Config(d_model=32)], ids=["works", "fails"])
def test_nothing_of_torch_and_the_config_is_left_changed(config: Any) -> None:
    before, dropout, attention = config.to_dict(), F.dropout, F.scaled_dot_product_attention
    with suppress(ArchitectureUnsupported):
        estimate(recipe("encoder", train_precision="bf16"), config)
    assert (F.dropout, F.scaled_dot_product_attention) == (dropout, attention)
    assert not torch.is_autocast_enabled("cuda")
    assert config.to_dict() == before
