#!/usr/bin/env python3
"""IndexTTS-2's acoustic stages by the official classes, on the files that greenroom_index_tts_audio_bench wrote.

    index_tts_audio.py UPSTREAM FOLDER [--seconds S] [--reference S] [--steps N] [--threads N] [--only STAGE]

UPSTREAM is a checkout of github.com/index-tts/index-tts. Needs PyTorch; modules that only downloads and training
need are replaced by empty ones where they are not installed.
"""
import argparse
import importlib.abc
import importlib.machinery
import sys
import time
import types

import torch


class Settings(dict):
    """A dict whose entries are attributes too, as the official configuration classes have it."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Nothing:
    """Whatever a module that is not installed would have had."""

    def __init_subclass__(cls, **unused):
        super().__init_subclass__()

    def __getattr__(self, name):
        return self

    def __call__(self, *unused, **also_unused):
        return self


def missing(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Nothing if name[0].isupper() else Nothing()


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Empty modules in place of those that are not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in ("huggingface_hub", "librosa", "tqdm", "einops", "matplotlib", "munch", "scipy"):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = missing
        if spec.name == "tqdm":
            module.tqdm = lambda items, **unused: items
        return module

    def exec_module(self, module):
        pass


def attention(q, k, v, attn_mask=None, dropout_p=0.0):
    """torch.nn.functional.scaled_dot_product_attention, which PyTorch 1.13 does not have."""
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, float("-inf"))
    return scores.softmax(-1) @ v


def load_vocoder(folder):
    from indextts.s2mel.modules.bigvgan import bigvgan
    config = Settings(
        resblock="1", upsample_rates=[4, 4, 2, 2, 2, 2], upsample_kernel_sizes=[8, 8, 4, 4, 4, 4],
        upsample_initial_channel=1536, resblock_kernel_sizes=[3, 7, 11], resblock_dilation_sizes=[[1, 3, 5]] * 3,
        use_tanh_at_final=False, use_bias_at_final=False, activation="snakebeta", snake_logscale=True, num_mels=80,
        use_cuda_kernel=False)
    model = bigvgan.BigVGAN(config, use_cuda_kernel=False)
    state = torch.load(folder + "/bigvgan_generator.pt", map_location="cpu")["generator"]
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all("filter" in name for name in missing), (missing[:3], unexpected[:3])
    model.remove_weight_norm()
    return model.eval()


def load_flow(folder):
    from indextts.s2mel.modules.flow_matching import CFM
    config = Settings(
        reg_loss_type="l1", dit_type="DiT", style_encoder=Settings(dim=192),
        DiT=Settings(hidden_dim=512, num_heads=8, depth=13, class_dropout_prob=0.1, block_size=8192, in_channels=80,
                     style_condition=True, final_layer_type="wavenet", target="mel", content_dim=512,
                     content_codebook_size=1024, content_type="discrete", f0_condition=False, n_f0_bins=512,
                     content_codebooks=1, is_causal=False, long_skip_connection=True, zero_prompt_speech_token=False,
                     time_as_token=False, style_as_token=False, uvit_skip_connection=True,
                     add_resblock_in_transformer=False),
        wavenet=Settings(hidden_dim=512, num_layers=8, kernel_size=5, dilation_rate=1, p_dropout=0.2,
                         style_condition=True))
    model = CFM(config)
    state = torch.load(folder + "/s2mel.pth", map_location="cpu")["net"]["cfm"]
    _, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected, unexpected[:3]
    model.eval()
    model.estimator.setup_caches(max_batch_size=1, max_seq_length=8192)
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("upstream")
    parser.add_argument("folder")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--reference", type=float, default=3)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    sys.path.insert(0, options.upstream)
    sys.meta_path.append(StandIns())
    if not hasattr(torch.nn.functional, "scaled_dot_product_attention"):
        torch.nn.functional.scaled_dot_product_attention = attention
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    rate = 22050 / 256
    frames, reference = int(options.seconds * rate), int(options.reference * rate)
    print(f"official Python, torch {torch.__version__}, {options.threads} threads")
    with torch.inference_mode():
        if options.only != "flow":
            vocoder = load_vocoder(options.folder)
            mel = torch.randn(1, 80, frames) * 2 - 5
            vocoder(mel[:, :, :8])
            started = time.process_time()
            vocoder(mel)
            spent = time.process_time() - started
            print(f"vocoder, {frames} frames: {spent:.2f} s, RTF {spent / options.seconds:.2f}")
        if options.only != "vocoder":
            flow = load_flow(options.folder)
            total = reference + frames
            started = time.process_time()
            flow.inference(torch.randn(1, total, 512), torch.LongTensor([total]), torch.randn(1, 80, reference),
                           torch.randn(1, 192), None, options.steps, inference_cfg_rate=0.7)
            spent = time.process_time() - started
            print(f"flow, {reference} + {frames} frames, {options.steps} steps: {spent:.2f} s, "
                  f"{spent / options.steps:.3f} s a step")


if __name__ == "__main__":
    main()
