#!/usr/bin/env python3
"""A whole run of IndexTTS-2 by the official program and by greenroom, in turns, on the same files and the CPU.

    index_tts.py UPSTREAM MODEL_DIR --voice VOICE.wav --text TEXT [--greenroom PROGRAM] [--runs N] [--threads N]
                 [--max-mel-tokens N] [--num-beams N] [--emotion-text TEXT] [--emotion-tokens N]
                 [--only official|greenroom]

UPSTREAM is a checkout of github.com/index-tts/index-tts whose IndexTTS2 takes `aux_paths` (main at ee40fa7 does);
MODEL_DIR has the layout that the official program and `greenroom demo-models --real` write: hf_cache and all.
Run it with a Python that has what UPSTREAM imports: torch, torchaudio, transformers==4.52.1, modelscope, omegaconf,
librosa, sentencepiece, einops, munch, json5, accelerate, datasets==3.6.0, openai-whisper, descript-audiotools, and
WeTextProcessing (without it text is not normalised). Nothing is downloaded. Both sides: float32, a voice that is new,
25 steps, guidance 0.7, so many threads. With random weights give a small --max-mel-tokens: they never say "stop".
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

STAGES = ("emotion text", "reference", "generation", "latents", "flow", "vocoder")

# Entries that the classes ask for and a model's config.yaml may leave out; none changes what is computed.
CONFIG_DEFAULTS = {"s2mel": {
    "reg_loss_type": "l1",
    "length_regulator": {"content_codebook_size": 2048, "n_codebooks": 1, "quantizer_dropout": 0.0, "n_f0_bins": 512},
    "DiT": {"class_dropout_prob": 0.1, "block_size": 8192, "target": "mel", "content_codebook_size": 1024,
            "content_type": "discrete", "n_f0_bins": 512, "content_codebooks": 1, "zero_prompt_speech_token": False,
            "add_resblock_in_transformer": False},
    "wavenet": {"p_dropout": 0.2}}}

CHAT = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n")


class Clock:
    """Wall and processor seconds of named stages; a stage inside another one is not counted twice."""

    def __init__(self):
        self.spent = {}
        self.open = []

    def run(self, stage, function, *args, **kwargs):
        inner = [0.0, 0.0]
        self.open.append(inner)
        started = time.perf_counter(), time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            took = time.perf_counter() - started[0], time.process_time() - started[1]
            self.open.pop()
            total = self.spent.setdefault(stage, [0.0, 0.0])
            for i in (0, 1):
                total[i] += took[i] - inner[i]
                if self.open:
                    self.open[-1][i] += took[i]

    def watch(self, owner, name, stage):
        inner = getattr(owner, name)
        setattr(owner, name, lambda *args, **kwargs: self.run(stage, inner, *args, **kwargs))


def fill_in(model_dir):
    """Lets the official program read a demo model: small files that only transformers asks for, matrices in a dict."""
    import tokenizers
    import torch
    import transformers
    load = torch.load

    def unwrapped(*args, **kwargs):
        found = load(*args, **kwargs)
        alone = isinstance(found, dict) and list(found) in (["emo_matrix"], ["spk_matrix"])
        return next(iter(found.values())) if alone else found

    torch.load = unwrapped
    extractor = transformers.SeamlessM4TFeatureExtractor
    if not os.path.exists(model_dir + "/hf_cache/w2v-bert-2.0/preprocessor_config.json"):
        extractor.from_pretrained = classmethod(lambda cls, *_, **__: cls(padding_value=1.0))
    plain = transformers.AutoTokenizer.from_pretrained

    def tokenizer(folder, *args, **kwargs):
        if os.path.exists(os.path.join(folder, "tokenizer_config.json")):
            return plain(folder, *args, **kwargs)
        with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as file:
            content = json.load(file)
        for token in content["added_tokens"]:
            for field in ("single_word", "lstrip", "rstrip", "normalized"):
                token.setdefault(field, False)
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizers.Tokenizer.from_str(json.dumps(content)), eos_token="<|im_end|>",
            chat_template=CHAT, model_input_names=["input_ids", "attention_mask"])

    transformers.AutoTokenizer.from_pretrained = tokenizer


def without_normaliser():
    from indextts.utils.front import TextNormalizer
    TextNormalizer.load = lambda self: None
    TextNormalizer.normalize = lambda self, text: text


def load_official(options, folder):
    from omegaconf import OmegaConf
    from indextts.infer_v2 import IndexTTS2
    fill_in(options.model_dir)
    try:
        import tn  # noqa: F401
    except ImportError:
        print("WeTextProcessing is not installed: text as it is", file=sys.stderr)
        without_normaliser()
    own = OmegaConf.load(options.model_dir + "/config.yaml")
    config = os.path.join(folder, "config.yaml")
    OmegaConf.save(OmegaConf.merge(CONFIG_DEFAULTS, own), config)
    cache = options.model_dir + "/hf_cache/"
    return IndexTTS2(
        cfg_path=config, model_dir=options.model_dir, device="cpu", use_qwen_emo=options.emotion_text is not None,
        aux_paths={"w2v_bert": cache + "w2v-bert-2.0", "semantic_codec": cache + "semantic_codec_model.safetensors",
                   "campplus": cache + "campplus_cn_common.bin", "bigvgan": cache + "bigvgan"})


def watch_stages(tts, clock, emotion_tokens):
    """Every call is counted for its stage. What a new voice needs, conditioners included, is the reference."""
    for owner, name in ((tts, "_load_and_cut_audio"), (tts, "extract_features"), (tts, "get_emb"), (tts, "mel_fn"),
                        (tts.semantic_codec, "quantize"), (tts.campplus_model, "forward"),
                        (tts.gpt, "get_conditioning"), (tts.gpt, "merge_emovec")):
        clock.watch(owner, name, "reference")
    clock.watch(tts.gpt, "inference_speech", "generation")
    clock.watch(tts.gpt, "forward", "latents")
    clock.watch(tts.s2mel.models["cfm"], "inference", "flow")
    clock.watch(tts.bigvgan, "forward", "vocoder")
    if tts.qwen_emo is None:
        return
    clock.watch(tts.qwen_emo, "inference", "emotion text")
    # Random weights answer without end. greenroom stops at 512 tokens.
    generate = tts.qwen_emo.model.generate
    limit = {"max_new_tokens": emotion_tokens}
    tts.qwen_emo.model.generate = lambda **kwargs: generate(**{**kwargs, **limit})


def official(options):
    """One run in this process; the figures as a line of JSON at the end of standard output."""
    started = time.perf_counter(), time.process_time()
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path.insert(0, options.upstream)
    import torch
    torch.set_num_threads(options.threads)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        tts = load_official(options, folder)
        load = time.perf_counter() - started[0], time.process_time() - started[1]
        watch_stages(tts, clock, options.emotion_tokens)
        tokens = []
        speech = tts.gpt.inference_speech

        def counted(*args, **kwargs):
            result = speech(*args, **kwargs)
            tokens.append(result[0].shape[-1])
            return result

        tts.gpt.inference_speech = counted
        torch.manual_seed(1)
        before = time.perf_counter()
        rate, audio = tts.infer(
            options.voice, options.text, None, use_emo_text=options.emotion_text is not None,
            emo_text=options.emotion_text, num_beams=options.num_beams, max_mel_tokens=options.max_mel_tokens)
        spoke = time.perf_counter() - before
    print(json.dumps({"what": f"official, torch {torch.__version__}", "load": load, "stages": clock.spent,
                      "speak": spoke, "audio": len(audio) / rate, "tokens": sum(tokens)}))


def official_command(options):
    return [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--inside"]


def greenroom_command(options, folder):
    command = [options.greenroom, "speak", "--local", "--timings", "--model", options.model_dir, "--voice",
               options.voice, "--text", options.text, "--max-mel-tokens", str(options.max_mel_tokens), "--num-beams",
               str(options.num_beams), "--threads", str(options.threads), "--device", "cpu", "--precision", "float32"]
    if options.emotion_text is not None:
        command += ["--emotion-text", options.emotion_text, "--emotion-weight", "1"]
    return command + [folder + "/out.wav"]


def read_greenroom(text):
    stages = {name.replace("_", " "): [float(seconds), None]
              for name, seconds in re.findall(r"^  (\w+) +([\d.]+) s ", text, re.M)}
    audio, took = re.search(r": ([\d.]+) s of audio in ([\d.]+) s", text).groups()
    tokens = int(re.search(r"(\d+) speech tokens", text).group(1))
    load = float(took) - sum(seconds for seconds, _ in stages.values())
    return {"what": "greenroom", "load": [load, None], "stages": stages, "speak": float(took) - load,
            "audio": float(audio), "tokens": tokens}


def measured(command, environment):
    """Its standard output, with wall and processor seconds and the peak resident memory of the process."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command[0]} failed with {child.returncode}: {output[-2000:]}")
    return output, {"wall": time.perf_counter() - started, "processor": usage.ru_utime + usage.ru_stime,
                    "peak": usage.ru_maxrss / 2**20}


def run_once(side, options):
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), XDG_CACHE_HOME=folder)
        command = official_command(options) if side == "official" else greenroom_command(options, folder)
        output, process = measured(command, environment)
        figures = json.loads(output.splitlines()[-1]) if side == "official" else read_greenroom(output)
        return {**figures, **process}


def median(runs, get):
    return statistics.median(get(run) for run in runs)


def report(sides):
    """One row a figure: the medians, and how many times as fast, or as small, greenroom is."""
    names = list(sides)
    print(f"{'':28}" + "".join(f"{sides[name][0]['what']:>28}" for name in names) + f"{'ratio':>8}")

    def row(label, get, form="{:.2f} s", more_is_better=False):
        values = [median(sides[name], get) for name in names]
        over = values[::-1] if more_is_better else values
        ratio = f"{over[0] / over[1]:8.2f}" if len(values) == 2 and over[1] else ""
        print(f"{label:28}" + "".join(f"{form.format(value):>28}" for value in values) + ratio)

    row("load (imports included)", lambda run: run["load"][0])
    for stage in STAGES:
        if any(stage in run["stages"] for runs in sides.values() for run in runs):
            row(stage, lambda run, stage=stage: run["stages"].get(stage, [0.0])[0])
    row("generation, tokens/s", lambda run: run["tokens"] / run["stages"]["generation"][0], "{:.2f}",
        more_is_better=True)
    row("speaking, all stages", lambda run: run["speak"])
    row("real-time factor", lambda run: run["speak"] / run["audio"], "{:.1f}")
    row("whole process", lambda run: run["wall"])
    row("whole process, processor", lambda run: run["processor"])
    row("peak resident memory", lambda run: run["peak"], "{:.2f} GiB")
    print("tokens: " + ", ".join(f"{name} {[run['tokens'] for run in sides[name]]}" for name in names))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("upstream")
    parser.add_argument("model_dir")
    parser.add_argument("--voice", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--greenroom", default="greenroom")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--max-mel-tokens", type=int, default=43)
    parser.add_argument("--num-beams", type=int, default=3)
    parser.add_argument("--emotion-text")
    parser.add_argument("--emotion-tokens", type=int, default=512, help="of the official program's answer, at most")
    parser.add_argument("--only", choices=("official", "greenroom"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        official(options)
        return
    sides = {side: [] for side in ("official", "greenroom") if options.only in (None, side)}
    for _ in range(options.runs):
        for side, runs in sides.items():
            runs.append(run_once(side, options))
            print(side, json.dumps(runs[-1]), flush=True)
    report(sides)


if __name__ == "__main__":
    main()
