"""Train the first, provisional safety head: LoRA on the encoder and an MLP on its mean-pooled last hidden state.

    python -m so8t.training.first_head --public FOLDER --out gate/heads/default

Needs the extra `train` and the encoder's files (`so8t models pull all-MiniLM-L6-v2`). Cross-validated: every figure
that is stored comes from examples that neither the judging model nor the fit of its thresholds had seen; pairs stay
together. About 20 minutes for each fold and 25 for the head itself, on two cores.
"""

from __future__ import annotations

import argparse
import random
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from so8t.gate.backbones.encoder import EncoderFiles, identity
from so8t.gate.backbones.encoder_llama import MAX_TOKENS
from so8t.gate.backbones.encoder_tokens import WordPiece
from so8t.gate.head_save import save as save_head
from so8t.gate.metrics import auroc
from so8t.training.calibration import Calibration, calibrate, decide, softmax
from so8t.training.head_data import Example, digest, load

ENCODER = "all-MiniLM-L6-v2"
R, ALPHA = 16, 32
BATCH, EPOCHS, FOLDS, SEED = 24, 4, 4, 8
LONGEST = 160  # tokens of a training text; the gate itself reads every window whole
BODY_RATE, HEAD_RATE = 4e-4, 1e-3
PENALTY = 1.0  # weight of p(ALLOW) on REFUSE examples
SMOOTHING = 0.05  # of the labels: two people would not give all of them the same


class Judge(nn.Module):
    """Encoder with LoRA and the head: token ids in, logits out."""

    def __init__(self, files: EncoderFiles) -> None:
        super().__init__()
        base = BertModel(BertConfig.from_json_file(files.config), add_pooling_layer=False)
        weights = safetensors.torch.load_file(files.weights)
        base.load_state_dict({k: v for k, v in weights.items() if k in base.state_dict()}, strict=True)
        targets = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]
        self.body = get_peft_model(base, LoraConfig(r=R, lora_alpha=ALPHA, lora_dropout=0.05, target_modules=targets))
        width = base.config.hidden_size
        self.head = nn.Sequential(nn.Linear(width, width // 2), nn.GELU(), nn.Dropout(0.1), nn.Linear(width // 2, 3))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.body(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, T, D)
        kept = mask.unsqueeze(-1).to(states.dtype)  # (B, T, 1)
        pooled = (states * kept).sum(1) / kept.sum(1)  # (B, D), mean over real tokens
        logits: Tensor = self.head(pooled)  # (B, 3)
        return logits


def loss_of(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy; an UNSAFE example (target 3) asks for "not ALLOW" only; REFUSE examples are fined for p(ALLOW)."""
    logs = F.log_softmax(logits.float(), -1)  # (B, 3)
    unsafe = torch.logsumexp(logs[:, 1:], -1, keepdim=True)  # (B, 1)
    picked = torch.cat([logs, unsafe], -1).gather(1, targets[:, None]).squeeze(1)  # (B,)
    fine = PENALTY * logs[:, 0].exp() * (targets == 2)  # (B,)
    smooth = SMOOTHING * (targets != 3)  # (B,)
    return ((fine - (1 - smooth) * picked - smooth * logs.mean(-1)) * weights[targets]).mean()


def batches(examples: Sequence[Example], dice: random.Random) -> Iterator[list[Example]]:
    """Batches of about equal length, in random order."""
    ordered = sorted(examples, key=lambda e: len(e.windows[0]) + dice.randint(0, 40))
    found = [ordered[i : i + BATCH] for i in range(0, len(ordered), BATCH)]
    dice.shuffle(found)
    yield from found


def encode(tokens: WordPiece, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(B, T) ids and mask, tokenised by the gate's own code; 0 is [PAD]."""
    rows = [torch.tensor(tokens.framed(text)[:LONGEST]) for text in texts]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long()


def train(files: EncoderFiles, tokens: WordPiece, examples: Sequence[Example], seed: int) -> Judge:
    """One model. The last epochs see a falling rate."""
    torch.manual_seed(seed)
    dice = random.Random(seed)  # noqa: S311 - shuffling, no secret
    model = Judge(files)
    counts = np.bincount([e.target for e in examples], minlength=4)
    weights = torch.tensor([min(3.0, len(examples) / (4 * max(int(n), 1))) for n in counts])  # rare labels weigh more
    groups = [
        {"params": [p for p in model.body.parameters() if p.requires_grad], "lr": BODY_RATE},
        {"params": list(model.head.parameters()), "lr": HEAD_RATE},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    total = EPOCHS * ((len(examples) + BATCH - 1) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [BODY_RATE, HEAD_RATE], total, pct_start=0.1)
    start, step, running = time.monotonic(), 0, 0.0
    model.train()
    for epoch in range(EPOCHS):
        for batch in batches(examples, dice):
            ids, mask = encode(tokens, [dice.choice(e.windows) for e in batch])
            # --- the update -------------------------------------------------
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(ids, mask)  # (B, 3)
            loss = loss_of(logits, torch.tensor([e.target for e in batch]), weights)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            # ----------------------------------------------------------------
            step, running = step + 1, 0.95 * running + 0.05 * loss.item()
        print(f"  epoch {epoch + 1}/{EPOCHS}  loss {running:.3f}  {time.monotonic() - start:.0f} s", flush=True)  # noqa: T201
    return model.eval()


@torch.no_grad()
def logits_of(model: Judge, tokens: WordPiece, examples: Sequence[Example]) -> NDArray[np.float64]:
    """(N, 3): of each example's windows, the one with the least logit margin for ALLOW."""
    rows = []
    for example in examples:
        ids, mask = encode(tokens, example.windows)
        logits = model(ids, mask).double()  # (W, 3)
        rows.append(logits[int((logits[:, 0] - torch.logsumexp(logits[:, 1:], -1)).argmin())].numpy())
    return np.stack(rows)


def folds(examples: Sequence[Example]) -> list[set[str]]:
    """Groups of examples, spread over FOLDS."""
    groups = sorted({e.group for e in examples})
    random.Random(SEED).shuffle(groups)  # noqa: S311 - a split, no secret
    return [set(groups[i::FOLDS]) for i in range(FOLDS)]


def cross_validate(
    files: EncoderFiles, tokens: WordPiece, examples: Sequence[Example], rounds: int
) -> tuple[list[Example], NDArray[np.float64]]:
    """The project's own examples and their logits from models that had not seen them."""
    seen: list[Example] = []
    rows: list[NDArray[np.float64]] = []
    for number, held in enumerate(folds(examples)[:rounds], 1):
        print(f"fold {number}/{rounds}", flush=True)  # noqa: T201
        model = train(files, tokens, [e for e in examples if e.group not in held], SEED + number)
        out = [e for e in examples if e.group in held and e.own]
        seen += out
        rows.append(logits_of(model, tokens, out))
    return seen, np.concatenate(rows)


def figures(examples: Sequence[Example], logits: NDArray[np.float64], bound: float) -> dict[str, Any]:
    """What head.json reports: each half is decided with the temperature and thresholds that the other half gave.

    Logits are (N, 3). The two decisions of a pair stand in the same half.
    """
    targets = np.array([e.target for e in examples])
    half = np.array([zlib.crc32(e.group.encode()) % 2 for e in examples])
    p = np.empty_like(logits)
    got = np.empty_like(targets)
    for mine in (half == 0, half == 1):
        other = calibrate(logits[~mine], targets[~mine], bound)
        p[mine] = softmax(logits[mine], other.temperature)
        got[mine] = decide(p[mine], other.thresholds)
    safe = targets == 0
    return {
        "n": len(examples),
        "accuracy": float((got == targets).mean()),
        "refuse_recall": float((got[targets == 2] == 2).mean()),
        "escalate_recall": float((got[targets == 1] == 1).mean()),
        "overcompliance": float((got[~safe] == 0).mean()),
        "over_refusal": float((got[safe] != 0).mean()),
        "auroc": auroc(1 - p[:, 0], ~safe),
    }


def main() -> None:
    """Cross-validate, calibrate, train on everything, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, default=Path("training/cases"))
    parser.add_argument("--public", type=Path, help="folder with the files that training/sources.toml names")
    parser.add_argument("--out", type=Path, default=Path("gate/heads/default"))
    parser.add_argument("--folds", type=int, default=FOLDS, help="how many of the four folds are measured")
    parser.add_argument("--max-false-allow", type=float, default=0.05)
    options = parser.parse_args()
    files = EncoderFiles.known(ENCODER)
    tokens = WordPiece(files.vocab)
    examples = load(options.cases, options.public, tokens.count, MAX_TOKENS - 2, SEED)
    print(f"{len(examples)} examples, {sum(e.own for e in examples)} of them the project's own", flush=True)  # noqa: T201
    judged, logits = cross_validate(files, tokens, examples, options.folds)
    options.out.mkdir(parents=True, exist_ok=True)
    found = calibrate(logits, np.array([e.target for e in judged]), options.max_false_allow)
    report = figures(judged, logits, options.max_false_allow)
    print(report, found.temperature, found.thresholds, flush=True)  # noqa: T201
    model = train(files, tokens, examples, SEED)
    save(options.out, files, model, found, report, digest(examples))


def save(out: Path, files: EncoderFiles, model: Judge, found: Calibration, report: dict[str, Any], data: str) -> None:
    """Write the head's folder and load it again as the gate would."""
    out.mkdir(parents=True, exist_ok=True)
    adapter = out / "adapter.safetensors"
    state = get_peft_model_state_dict(model.body)
    safetensors.torch.save_file({name: value.contiguous().float() for name, value in state.items()}, adapter)
    names = {"0.weight": "hidden.weight", "0.bias": "hidden.bias", "3.weight": "output.weight", "3.bias": "output.bias"}
    weights = {names[name]: value.numpy() for name, value in model.head.state_dict().items()}
    head = save_head(
        out,
        weights,
        adapter=adapter,
        adapter_r=R,
        adapter_alpha=float(ALPHA),
        backbone=identity(files, adapter),
        temperature=found.temperature,
        thresholds=found.thresholds,
        training_data=data,
        metrics=report,
    )
    print(f"saved {out}, digest {head.digest}")  # noqa: T201


if __name__ == "__main__":
    main()
