"""The decode step of IndexTTS-2's GPT as the official program runs it, on python3's PyTorch: what gpt.cpp is beside.

usage: bench/gpt.py [--codes N] [--layers N] [--threads N]

The official program runs Transformers' GPT-2. Its step, written down here from what that does: a matrix product per
layer (addmm with the weight as it lies), keys and values appended with torch.cat, reordered with index_select when
there are beams, softmax attention, two layer norms at the end, the head, then log_softmax, the processors and
multinomial. Everything else of Transformers (Python between the layers, masks, caches' bookkeeping) is left out, so
the figure is a bound in its favour. With one thread it is processor time, as in gpt.cpp; set OPENBLAS_NUM_THREADS=1.
"""
import argparse
import statistics
import time

import torch

WIDTH, HEADS, CODES, PREFIX = 1280, 20, 8194, 96


def now():
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def random_layer():
    def linear(rows, columns):
        return torch.empty(rows, columns).uniform_(-0.05, 0.05), torch.zeros(columns)

    return {"qkv": linear(WIDTH, 3 * WIDTH), "out": linear(WIDTH, WIDTH), "up": linear(WIDTH, 4 * WIDTH),
            "down": linear(4 * WIDTH, WIDTH), "norms": [(torch.ones(WIDTH), torch.zeros(WIDTH)) for _ in range(2)]}


def conv1d(x, weight_and_bias):
    weight, bias = weight_and_bias
    return torch.addmm(bias, x.view(-1, x.size(-1)), weight).view(*x.shape[:-1], weight.size(1))


def gelu_new(x):
    return 0.5 * x * (1.0 + torch.tanh(0.7978845608028654 * (x + 0.044715 * torch.pow(x, 3.0))))


def norm(x, weights):
    return torch.layer_norm(x, (WIDTH,), *weights, 1e-5)


def heads_of(x):
    return x.view(x.size(0), x.size(1), HEADS, -1).permute(0, 2, 1, 3)


def step(layers, ends, head, x, cache):
    for i, layer in enumerate(layers):
        q, k, v = conv1d(norm(x, layer["norms"][0]), layer["qkv"]).split(WIDTH, dim=2)
        cache[i] = (torch.cat([cache[i][0], heads_of(k)], 2), torch.cat([cache[i][1], heads_of(v)], 2))
        scores = torch.softmax(torch.matmul(heads_of(q), cache[i][0].transpose(-1, -2)) / 8.0, -1)
        merged = torch.matmul(scores, cache[i][1]).permute(0, 2, 1, 3).contiguous().view(x.shape)
        x = x + conv1d(merged, layer["out"])
        x = x + conv1d(gelu_new(conv1d(norm(x, layer["norms"][1]), layer["up"])), layer["down"])
    return torch.nn.functional.linear(norm(norm(x, ends[0]), ends[1]), *head)[:, -1]


def choose(logits, scores, beams):
    values = torch.log_softmax(logits, -1) if beams > 1 else logits
    values = values / 0.8
    kth = torch.topk(values, 30)[0][..., -1, None]
    values = values.masked_fill(values < kth, -float("inf"))
    ordered, indexes = torch.sort(values, descending=False)
    remove = ordered.softmax(-1).cumsum(-1) <= 0.2
    remove[..., -2:] = False
    values = values.masked_fill(remove.scatter(1, indexes, remove), -float("inf"))
    if beams == 1:
        return torch.multinomial(torch.softmax(values, -1), 1)[:, 0], None, None
    flat = (values + scores[:, None]).view(1, -1)
    picks = torch.multinomial(torch.softmax(flat, -1), 2 * beams)
    best, order = torch.sort(torch.gather(flat, -1, picks), descending=True, dim=1)
    picks = torch.gather(picks, -1, order)[0, :beams]
    return picks % CODES, torch.div(picks, CODES, rounding_mode="floor"), best[0, :beams]


def run(layers, ends, head, table, beams, codes):
    cache = [(torch.randn(beams, HEADS, PREFIX, WIDTH // HEADS), torch.randn(beams, HEADS, PREFIX, WIDTH // HEADS))
             for _ in layers]
    scores = torch.zeros(beams)
    x = table[:beams].unsqueeze(1)
    times = []
    for _ in range(codes):
        started = now()
        logits = step(layers, ends, head, x, cache).float()
        picks, parents, best = choose(logits, scores, beams)
        if parents is not None:
            scores = best
            cache = [tuple(t.index_select(0, parents) for t in pair) for pair in cache]
        x = table[picks].unsqueeze(1)
        times.append(now() - started)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--codes", type=int, default=40)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    torch.manual_seed(1)
    layers = [random_layer() for _ in range(args.layers)]
    ends = [(torch.ones(WIDTH), torch.zeros(WIDTH)) for _ in range(2)]
    head = (torch.empty(CODES, WIDTH).uniform_(-0.05, 0.05), torch.zeros(CODES))
    table = torch.empty(CODES, WIDTH).uniform_(-0.05, 0.05)
    for beams in (1, 3):
        seconds = run(layers, ends, head, table, beams, args.codes)
        print(f"{beams} beam(s): {1e3 * seconds:.1f} ms a step, {1 / seconds:.2f} codes/s "
              f"(PyTorch {torch.__version__}, {torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main()
