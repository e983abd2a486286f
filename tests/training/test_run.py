"""`so8t train`, from a recipe to a head that the gate loads, on a small random language model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import small_models
import tiny_run
from click.testing import CliRunner, Result

from so8t.agent.cli.main import cli
from so8t.gate.head import Head


def train(*words: Any) -> Result:
    return CliRunner().invoke(cli, ["train", *map(str, words)], catch_exceptions=True)


def error_of(result: Result) -> str:
    """The message of an error of ours; anything else is no clear error."""
    assert result.exit_code != 0
    if result.exception is None or isinstance(result.exception, SystemExit):
        return result.output
    assert type(result.exception).__module__.startswith("so8t."), repr(result.exception)
    return str(result.exception)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> tuple[Path, Result]:
    """A finished run."""
    folder = tmp_path_factory.mktemp("done")
    file = tiny_run.write(folder)
    return folder, train(file, "--out", folder / "run")


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_run_ends_with_figures_a_report_and_a_head(done: tuple[Path, Result]) -> None:
    folder, result = done
    assert result.exit_code == 0, result.output
    assert "refuse recall" in result.output
    assert str(folder / "run" / "report" / "report.html") in result.output
    assert Head.load(folder / "run" / "head").meta.backbone.startswith("gguf:base@")


def test_the_head_has_learned_what_the_cases_show(done: tuple[Path, Result]) -> None:
    metrics = Head.load(done[0] / "run" / "head").meta.metrics
    assert metrics["lift"]["value"] > 0.1
    assert metrics["auroc"]["value"] > 0.8


def test_the_gate_decides_as_the_trained_model_did(done: tuple[Path, Result]) -> None:
    assert "30 of 30 verdicts equal (100.0%), 0 REFUSE became ALLOW" in done[1].output


def test_every_step_is_logged_with_all_terms_raw_and_weighted_and_with_pets_strength(done: tuple[Path, Result]) -> None:
    steps = [row for row in rows(done[0] / "run") if "loss/total" in row]
    assert [row["step"] for row in steps] == list(range(1, len(steps) + 1))
    for row in steps:
        for term in ("sft", "safety", "penalty", "escalate", "pet"):
            assert {f"loss/{term}", f"weighted/{term}", f"share/{term}"} <= row.keys()
        assert row["loss/total"] == pytest.approx(sum(v for k, v in row.items() if k.startswith("weighted/")), abs=1e-4)
        assert sum(v for k, v in row.items() if k.startswith("share/")) == pytest.approx(1)
        assert row["weighted/pet"] == pytest.approx(row["lambda_pet"] * row["loss/pet"], rel=1e-4)


def test_pet_comes_in_three_phases_and_the_head_slows_down_and_freezes(done: tuple[Path, Result]) -> None:
    steps = [row for row in rows(done[0] / "run") if "loss/total" in row]
    n = len(steps)
    strengths = [row["lambda_pet"] for row in steps]
    assert set(strengths[: int(0.3 * n)]) == {0.0}
    assert all(strength > 0 for strength in strengths[int(0.3 * n) + 1 :])
    assert strengths[-1] == 0.1
    assert steps[-1]["lr/head"] == 0.0
    assert steps[int(0.7 * n)]["lr/head"] == pytest.approx(0.1 * 2e-2)


def test_the_base_model_is_left_as_it_was(done: tuple[Path, Result]) -> None:
    folder = done[0]
    before = safetensors.numpy.load_file(folder / "base" / "model.safetensors")
    merged = safetensors.numpy.load_file(folder / "run" / "model" / "model.safetensors")
    assert before.keys() == merged.keys()
    changed = {name for name in before if not np.array_equal(before[name], merged[name])}
    assert changed
    assert all("_proj." in name for name in changed)  # what LoRA may touch
    assert {file.name for file in (folder / "base").iterdir()}.isdisjoint({"adapter_model.safetensors", "head.json"})


def test_a_checkpoint_holds_what_was_trained_and_not_the_base(done: tuple[Path, Result]) -> None:
    last = max((done[0] / "run").glob("checkpoint-*"))
    names = safetensors.numpy.load_file(last / "model.safetensors").keys()
    assert all("lora_" in name or name.startswith("head.") for name in names)


def test_a_second_run_does_not_write_over_the_first(done: tuple[Path, Result]) -> None:
    folder = done[0]
    head = (folder / "run" / "head" / "head.json").read_bytes()
    message = error_of(train(folder / "tiny.toml", "--out", folder / "run"))
    assert "--resume" in message
    assert "--out" in message
    assert (folder / "run" / "head" / "head.json").read_bytes() == head


def test_resuming_with_another_recipe_is_an_error_that_names_the_key(done: tuple[Path, Result]) -> None:
    folder = done[0]
    message = error_of(train(folder / "tiny.toml", "--out", folder / "run", "--resume", "--set", "lora.r=8"))
    assert "lora.r was 4" in message


def test_resuming_where_nothing_was_saved_is_an_error(done: tuple[Path, Result], tmp_path: Path) -> None:
    message = error_of(train(done[0] / "tiny.toml", "--out", tmp_path / "new", "--resume"))
    assert "no checkpoint to resume from" in message


def test_eval_asks_the_written_head_through_the_gate(done: tuple[Path, Result], tmp_path: Path) -> None:
    folder = done[0]
    result = train("eval", folder / "run" / "head", folder / "cases.jsonl", "--json", "--out", tmp_path / "report")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["n"] == 150
    assert figures["auroc"]["value"] > 0.8
    assert figures["slices"]["language"]["en"]["n"] == 150
    assert (tmp_path / "report" / "report.html").exists()


def test_eval_prints_a_table_for_each_dimension(done: tuple[Path, Result]) -> None:
    result = train("eval", done[0] / "run" / "head", done[0] / "cases.jsonl")
    for word in ("category", "files", "language", "difficulty", "easy", "source", "kind", "turn", "95 % interval"):
        assert word in result.output


def test_eval_of_a_folder_without_a_head_and_of_files_without_cases_are_errors(
    done: tuple[Path, Result], tmp_path: Path
) -> None:
    folder = done[0]
    assert "head" in error_of(train("eval", tmp_path, folder / "cases.jsonl"))
    (tmp_path / "none.jsonl").write_text("", encoding="utf-8")
    assert "no labelled case" in error_of(train("eval", folder / "run" / "head", tmp_path / "none.jsonl"))


def test_a_head_on_another_language_model_than_its_own_is_refused(done: tuple[Path, Result], tmp_path: Path) -> None:
    folder = done[0]
    other = tmp_path / "other.gguf"
    data = bytearray((folder / "run" / "base-f32.gguf").read_bytes())
    data[-1] ^= 1
    other.write_bytes(bytes(data))
    message = error_of(train("eval", folder / "run" / "head", folder / "cases.jsonl", "--backbone", other))
    assert "other.gguf" in message


def test_doctor_looks_at_the_language_model_of_a_head(
    done: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SO8T_DATA", str(tmp_path / "data"))
    config = tmp_path / "agent.toml"

    def backbone(text: str) -> dict[str, Any]:
        config.write_text(f'[gate]\nhead = "{(done[0] / "run" / "head").as_posix()}"\n{text}', encoding="utf-8")
        result = CliRunner().invoke(cli, ["--config", str(config), "doctor", "--json"])
        checks: list[dict[str, Any]] = [json.loads(line) for line in result.stdout.splitlines()]
        return next(check for check in checks if check["name"] == "backbone")

    assert backbone("")["ok"]
    (tmp_path / "other.gguf").write_bytes(b"other")
    assert "not the file that the head was trained on" in backbone('backbone = "other.gguf"\n')["text"]
    assert not backbone('backbone = "nowhere.gguf"\n')["ok"]


def test_export_puts_the_head_on_another_kind_of_file_and_says_what_that_changes(done: tuple[Path, Result]) -> None:
    folder = done[0]
    result = train("export", folder / "run", "q8_0")
    assert result.exit_code == 0, result.output
    assert "of 30 verdicts equal" in result.output
    old, new = Head.load(folder / "run" / "head"), Head.load(folder / "run" / "head-q8_0")
    assert old.meta.backbone != new.meta.backbone
    assert np.array_equal(old.weights["output.weight"], new.weights["output.weight"])


def test_export_of_an_unknown_kind_or_of_no_run_is_an_error(done: tuple[Path, Result], tmp_path: Path) -> None:
    assert "q4_k_m" in error_of(train("export", done[0] / "run", "q5"))
    assert "no training run" in error_of(train("export", tmp_path, "q8_0"))


# ---- stopping and going on ---------------------------------------------------------------------------------------


def start(file: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "so8t.training", "run", str(file), "--out", str(out), *words]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(file: Path, out: Path, *words: str) -> None:
    """A run to its end, in a process of its own."""
    process = start(file, out, *words)
    output = process.communicate()[0]
    assert process.returncode == 0, output


def reached(process: subprocess.Popen[str], run: Path, step: int) -> None:
    """Return when the log has `step`."""
    log = run / "log.jsonl"
    while process.poll() is None:
        if log.exists() and any(f'{{"step": {step},' in line for line in log.read_text(encoding="utf-8").splitlines()):
            return
    raise AssertionError(process.communicate()[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped, in a process as the stopped ones."""
    folder = tmp_path_factory.mktemp("whole")
    finish(tiny_run.write(folder), folder / "run")
    return folder


def same(first: Path, second: Path) -> None:
    """Weights to the last bit, thresholds, and the log."""
    for name in ("head/head.safetensors", "model/model.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert Head.load(first / "head").meta.thresholds == Head.load(second / "head").meta.thresholds
    assert rows(first) == rows(second)


def test_a_run_that_was_killed_ends_with_the_same_weights_as_one_that_was_not(whole: Path) -> None:
    run = whole / "killed"
    process = start(whole / "tiny.toml", run)
    reached(process, run, 14)  # steps after the first checkpoint, which are lost
    process.kill()
    process.communicate()
    assert not (run / "head").exists()
    finish(whole / "tiny.toml", run, "--resume")
    same(whole / "run", run)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process alone")
def test_ctrl_c_saves_and_resume_goes_on_to_the_same_weights(whole: Path) -> None:
    run = whole / "interrupted"
    process = start(whole / "tiny.toml", run)
    reached(process, run, 3)
    process.send_signal(signal.SIGINT)
    output = process.communicate()[0]
    assert process.returncode == 130, output
    assert "go on with --resume" in output
    assert "Traceback" not in output
    finish(whole / "tiny.toml", run, "--resume")
    same(whole / "run", run)


def test_a_checkpoint_that_was_cut_off_is_passed_over(whole: Path) -> None:
    run = whole / "cut"
    process = start(whole / "tiny.toml", run)
    reached(process, run, 24)
    process.kill()
    process.communicate()
    newest = max(run.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    (newest / "trainer_state.json").write_text("{", encoding="utf-8")
    finish(whole / "tiny.toml", run, "--resume")
    same(whole / "run", run)


def test_two_processes_train_together_and_the_first_one_writes(tmp_path: Path) -> None:
    file, out = tiny_run.write(tmp_path), tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "so8t.training", "run", str(file), "--out", str(out), "--set", "train.epochs=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("30 of 30 verdicts equal") == 1
    assert [row["step"] for row in rows(out) if "loss/total" in row] == list(range(1, 11))  # 67 cases by 2 x 4 x 2
    assert sum("eval/auroc" in row for row in rows(out)) == 2


# ---- what cannot be trained --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, one_thread: None) -> Path:
    tiny_run.write(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([*tiny_run.cases(), "{broken"], "line 151"),
        ([case for case in tiny_run.cases() if case["label"] != "REFUSE"], "REFUSE"),
        (tiny_run.cases()[:3], "3 cases"),
        ([case | {"label": None} for case in tiny_run.cases()], "no labelled case"),
    ],
    ids=["a broken line", "a label is missing", "three cases", "no label"],
)
def test_cases_that_cannot_be_learned_from_are_an_error_before_training(
    tmp_path: Path, lines: list[Any], told: str
) -> None:
    file = tiny_run.write(tmp_path, lines=lines)
    assert told in error_of(train(file, "--out", tmp_path / "run"))
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_broken_lines_can_be_skipped_and_are_counted_in_the_report(tmp_path: Path, one_thread: None) -> None:
    file = tiny_run.write(tmp_path, lines=[*tiny_run.cases(), "{broken"])
    words = ("--set", "data.skip_bad_lines=true", "--set", "train.epochs=1")
    result = train(file, "--out", tmp_path / "run", *words)
    assert result.exit_code == 0, result.output
    assert "1 broken" in (tmp_path / "run" / "report" / "report.html").read_text(encoding="utf-8")


def test_a_source_that_is_held_out_is_all_that_is_tested_on(tmp_path: Path, one_thread: None) -> None:
    lines = [case | {"source": "other" if n >= 120 else "own"} for n, case in enumerate(tiny_run.cases())]
    file = tiny_run.write(tmp_path, lines=lines)
    words = ("--set", 'data.held_out=["other"]', "--set", "train.epochs=1", "--set", "export.check=0")
    assert train(file, "--out", tmp_path / "run", *words).exit_code == 0
    judged = (tmp_path / "run" / "judged.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["source"] for line in judged] == ["other"] * 30


def test_only_the_languages_of_the_recipe_are_learned(tmp_path: Path, one_thread: None) -> None:
    lines = [case | {"lang": "ja" if n >= 120 else "en"} for n, case in enumerate(tiny_run.cases())]
    file = tiny_run.write(tmp_path, lines=lines)
    words = ("--set", 'data.languages=["en"]', "--set", "train.epochs=1", "--set", "export.check=0")
    assert train(file, "--out", tmp_path / "run", *words).exit_code == 0
    judged = (tmp_path / "run" / "judged.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["language"] for line in judged} == {"en"}
    message = error_of(train(file, "--out", tmp_path / "other", "--set", 'data.languages=["fr"]'))
    assert "one of en, ja" in message or "one of ja, en" in message


def test_a_tokenizer_that_is_not_the_bases_is_an_error(folder: Path) -> None:
    words = small_models.llama3(400)
    shutil.rmtree(folder / "base")
    small_models.save(folder / "base", small_models.model("llama", words, vocab_size=5000), words)
    message = error_of(train(folder / "tiny.toml", "--out", folder / "run"))
    assert "do not belong together" in message


def test_a_base_without_a_pad_token_is_trained_as_it_is(folder: Path, done: tuple[Path, Result]) -> None:
    tokenizer = json.loads((folder / "base" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert tokenizer.get("pad_token") is None
    assert done[1].exit_code == 0


def test_losses_that_are_no_number_stop_the_run_and_say_what_to_change(folder: Path) -> None:
    weights = safetensors.numpy.load_file(folder / "base" / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"] * np.float32("nan")
    safetensors.numpy.save_file(weights, folder / "base" / "model.safetensors", metadata={"format": "pt"})
    message = error_of(train(folder / "tiny.toml", "--out", folder / "run"))
    assert "step 1: loss nan" in message
    assert "halve train.body_rate" in message


def test_an_encoder_that_the_gate_cannot_read_is_an_error_before_it_is_loaded(folder: Path) -> None:
    changes = ("--set", 'model.kind="encoder"', "--set", "export.gguf=[]")
    message = error_of(train(folder / "tiny.toml", "--out", folder / "run", *changes))
    assert "all-MiniLM-L6-v2" in message


def test_a_language_model_without_a_file_for_the_gate_is_an_error(folder: Path) -> None:
    assert "export.gguf" in error_of(train(folder / "tiny.toml", "--out", folder / "run", "--set", "export.gguf=[]"))


def test_tensorboard_gets_what_the_log_holds(folder: Path) -> None:
    words = ("--set", "train.tensorboard=true", "--set", "train.epochs=1", "--set", "export.check=0")
    assert train(folder / "tiny.toml", "--out", folder / "run", *words).exit_code == 0
    assert list((folder / "run" / "tensorboard").glob("events*"))


# ---- the command line --------------------------------------------------------------------------------------------


def test_an_unknown_recipe_is_answered_with_the_recipes_and_commands_there_are() -> None:
    message = error_of(train("encodr"))
    for name in ("encoder", "mini", "qlora-3b-12gb", "qlora-7b-12gb", "fsdp", "eval"):
        assert name in message


@pytest.mark.parametrize("text", ["train.epochs", "=1", "train.epochs=many", "nothing.at=1", "epochs=1"])
def test_a_change_that_fits_nothing_is_a_clear_error(folder: Path, text: str) -> None:
    assert error_of(train(folder / "tiny.toml", "--out", folder / "run", "--set", text))


def test_a_file_that_is_no_recipe_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe[model")
    assert "x.toml" in error_of(train(tmp_path / "x.toml"))
