"""Small random models with small real tokenizers, in the layout of Hugging Face, for the tests of the exporter."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2Tokenizer,
    Qwen3Config,
)

from so8t.training.export.byte_level import LLAMA3

TEXTS = (
    "Please delete the file notes.md, won't you?  It's 12345.67 bytes.",
    "def f(x):\n    return x ** 2\n\n\n  # done\t!",
    "明日の天気はどうですか。ファイルを消してください。",
    "カタカナとひらがな、漢字１２３と½",
    "Как дела? Удалите файл «заметки».",
    "안녕하세요, 파일을 지워 주세요",
    "مرحبا، احذف الملف من فضلك",
    "👩‍👩‍👧 family 🇯🇵 👍🏽 ok 😀😀",
    "<|im_start|>user\nhello<|im_end|>\n<tool>list</tool>",
)
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
CONTROL = ("<|im_start|>", "<|im_end|>")
OWN = ("<tool>", "</tool>")
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
    "use_cache": False,
}
CONFIGS: dict[str, type[Any]] = {
    "llama": LlamaConfig,
    "mistral": MistralConfig,
    "qwen2": Qwen2Config,
    "qwen3": Qwen3Config,
}


def qwen(size: int = 400) -> PreTrainedTokenizerFast:
    """As Qwen's: transformers' own class, which composes (NFC); no bos."""
    trained = byte_level("", size)
    state = trained.model
    vocabulary = {p: n for p, n in trained.get_vocab().items() if p not in (*CONTROL, *OWN)}
    merges = _merges(state)
    made = Qwen2Tokenizer(vocabulary, merges, eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token=None)
    made.add_special_tokens({"additional_special_tokens": list(CONTROL)})
    made.add_tokens([AddedToken(token, normalized=False) for token in OWN])
    made.chat_template = TEMPLATE
    return made


def llama3(size: int = 400, *, ignore_merges: bool = True) -> PreTrainedTokenizerFast:
    """As Llama 3's: a bos before each text, up to three digits together."""
    trained = byte_level(LLAMA3, size, ignore_merges=ignore_merges)
    trained.add_special_tokens([AddedToken("<|begin|>", special=True, normalized=False)])
    begin = trained.token_to_id("<|begin|>")
    trained.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", pair="<|begin|> $A $B", special_tokens=[("<|begin|>", begin)]
    )
    return wrapped(trained, bos_token="<|begin|>")


def byte_level(pattern: str, size: int = 400, *, ignore_merges: bool = False) -> Tokenizer:
    """A byte-level BPE trained on TEXTS; an empty pattern is GPT-2's."""
    made = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    steps = [pre_tokenizers.Split(Regex(pattern), "isolated")] if pattern else []
    made.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(False, use_regex=not pattern)])
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(TEXTS * 3, trainer)
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL])
    made.add_tokens([AddedToken(token, special=False, normalized=False) for token in OWN])
    return made


def llama2(size: int = 300, *, scheme: str = "prepend") -> PreTrainedTokenizerFast:
    """As Llama 2's and Mistral's: SentencePiece BPE with byte fallback. `scheme`: prepend, or one of Metaspace's."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=256 + size, special_tokens=special, limit_alphabet=90, show_progress=False)
    trained.train_from_iterator(TEXTS * 3, trainer)
    vocabulary = trained.get_vocab()
    made = Tokenizer(
        models.BPE(vocabulary, _all_merges(vocabulary), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    if scheme == "prepend":
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    return _sentencepiece(made)


def unigram(size: int = 200) -> PreTrainedTokenizerFast:
    """A SentencePiece unigram model without byte fallback."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=special, unk_token="<unk>", show_progress=False)
    made.train_from_iterator(TEXTS * 3, trainer)
    return _sentencepiece(made)


def _sentencepiece(made: Tokenizer) -> PreTrainedTokenizerFast:
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>", *CONTROL)])
    made.add_tokens([AddedToken(token, special=False, normalized=False) for token in OWN])
    made.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)])
    return wrapped(made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def wrapped(made: Tokenizer, **options: Any) -> PreTrainedTokenizerFast:
    """As transformers saves and loads it."""
    fast = PreTrainedTokenizerFast(tokenizer_object=made, **{"eos_token": "<|im_end|>"} | options)
    fast.chat_template = TEMPLATE
    return fast


def model(kind: str, words: PreTrainedTokenizerFast, **options: Any) -> Any:
    """A random causal model whose norms and biases are random too, so that a lost one shows."""
    torch.manual_seed(8)
    config = CONFIGS[kind](**SIZES | {"vocab_size": len(words) + 3, "pad_token_id": None} | options)
    made = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, value in made.named_parameters():
            if value.ndim == 1:
                value.copy_((1.0 if "norm" in name else 0.0) + 0.3 * torch.randn_like(value))
    return made


def save(folder: Path, made: Any, words: PreTrainedTokenizerFast) -> Path:
    """Write both to `folder`."""
    made.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def _merges(model_: Any) -> list[tuple[str, str]]:
    pairs = json.loads(model_.__getstate__())["merges"]
    return [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in pairs]


def _all_merges(vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Every pair of pieces that gives a piece, piece by piece: what transformers makes of a SentencePiece model."""
    special = re.compile("<unk>|<s>|</s>|<0x..>")
    ordered = sorted(vocabulary.items(), key=lambda item: item[1])
    pieces = {piece: None for piece, _ in ordered if not special.fullmatch(piece)}
    cuts = ((piece[:cut], piece[cut:]) for piece in pieces for cut in range(1, len(piece)))
    return [(left, right) for left, right in cuts if left in pieces and right in pieces]
