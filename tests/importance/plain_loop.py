"""Tiny models of many families, padded batches, and a plain float64 loop to compare with."""

import copy
import math

import torch
import transformers
from scipy.stats import rankdata
from torch.nn import functional as F

SIZES = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4}
WIDE = {**SIZES, "intermediate_size": 24}
GROUPED = {**WIDE, "num_key_value_heads": 2, "max_position_embeddings": 32}
HEADS = {**GROUPED, "head_dim": 8}
FAMILIES = {
    "llama": ("LlamaConfig", GROUPED),
    "mistral": ("MistralConfig", {**HEADS, "sliding_window": 4}),
    "qwen2": ("Qwen2Config", GROUPED),
    "qwen3": ("Qwen3Config", HEADS),
    "gemma2": (
        "Gemma2Config",
        {**HEADS, "sliding_window": 4, "attn_logit_softcapping": 5.0, "query_pre_attn_scalar": 8},
    ),
    "gemma3_text": ("Gemma3TextConfig", {**HEADS, "sliding_window": 4, "query_pre_attn_scalar": 8}),
    "phi3": ("Phi3Config", {**GROUPED, "pad_token_id": 0}),
    "gpt2": ("GPT2Config", {"vocab_size": 40, "n_embd": 16, "n_layer": 3, "n_head": 4, "n_positions": 32}),
    "gpt_neox": ("GPTNeoXConfig", {**WIDE, "max_position_embeddings": 32}),
    "opt": (
        "OPTConfig",
        {**SIZES, "ffn_dim": 24, "max_position_embeddings": 32, "word_embed_proj_dim": 16},
    ),
    "olmo2": ("Olmo2Config", GROUPED),
    "mixtral": (
        "MixtralConfig",
        {
            **GROUPED,
            "num_local_experts": 3,
            "num_experts_per_tok": 2,
            "experts_implementation": "eager",
            "sliding_window": None,
        },
    ),
    "gpt_oss": (
        "GptOssConfig",
        {
            **HEADS,
            "num_local_experts": 3,
            "num_experts_per_tok": 2,
            "experts_implementation": "eager",
            "sliding_window": 4,
            "max_position_embeddings": 64,
        },
    ),
    "stablelm": ("StableLmConfig", GROUPED),
    "afmoe": (
        "AfmoeConfig",
        {
            **HEADS,
            "sliding_window": 4,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "moe_intermediate_size": 16,
            "num_experts": 3,
            "num_experts_per_tok": 2,
            "num_dense_layers": 1,
            "experts_implementation": "eager",
        },
    ),
    "bloom": ("BloomConfig", {"vocab_size": 40, "hidden_size": 16, "n_layer": 3, "n_head": 4}),
    "falcon": ("FalconConfig", SIZES),
    "gpt_neo": (
        "GPTNeoConfig",
        {
            "vocab_size": 40,
            "hidden_size": 16,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
        },
    ),
    "gptj": (
        "GPTJConfig",
        {"vocab_size": 40, "n_embd": 16, "n_layer": 3, "n_head": 2, "rotary_dim": 4, "n_positions": 32},
    ),
    "codegen": (
        "CodeGenConfig",
        {"vocab_size": 40, "n_embd": 16, "n_layer": 3, "n_head": 4, "rotary_dim": 4, "n_positions": 32},
    ),
}


def tiny_model(family, dtype=torch.float64, **changes):
    """Return a model with weights large enough that every layer really does something."""
    name, settings = FAMILIES[family]
    config = getattr(transformers, name)(**{**settings, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = transformers.AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * (0.25 if parameter.dim() > 1 else 0.1))
    return model.to(dtype).eval()


def make_batch():
    """Return six examples of 3 to 9 tokens, padded left, right or not; the third has no label, the fifth only one."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(1, 40, (6, 9), generator=generator)
    mask = torch.ones_like(ids)
    mask[0, :4], mask[1, 6:], mask[2, :2], mask[3, :6] = 0, 0, 0, 0
    ids = ids * mask
    labels = ids.masked_fill(mask == 0, -100)
    labels[2] = -100
    labels[4, :-1] = -100
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def by_definition(model, batch, *, attention=True):
    """Return every fold score by its definition, one example at a time, without padding, in float64."""
    model = eager_copy(model) if attention else copy.deepcopy(model).double().train(mode=False)
    layers = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList))
    columns = [[] for _ in range(8)]
    for ids, mask, labels in zip(*(batch[k] for k in ("input_ids", "attention_mask", "labels")), strict=True):
        seen = one_example(model, layers, ids[mask == 1], labels[mask == 1], attention=attention)
        for place, values in zip(columns, seen, strict=True):
            if values is not None:
                place.append(values)
    names = ("fisher", "gradient", "taylor", "angular", "block-influence", "norm-ratio", "attention", "attention-keep")
    scores = {
        n: torch.cat([torch.as_tensor(v).reshape(len(layers), -1) for v in vs], 1)
        for n, vs in zip(names, columns, strict=True)
        if vs
    }
    return {name: values.double().mean(1) for name, values in scores.items()}


def eager_copy(model):
    """Return a float64 copy with eager attention, set by force: Falcon ignores a request and returns unmasked maps."""
    made = copy.deepcopy(model).double().train(mode=False)
    for module in made.modules():
        if isinstance(module, transformers.PreTrainedModel):
            module.config._attn_implementation_internal = "eager"
    return made


def one_example(model, layers, ids, labels, *, attention):
    """Return the terms of one example: ``(layers, terms)`` for each score, or None."""
    inputs, outputs = [], []
    hooks = [
        m.register_forward_pre_hook(lambda _, a, k: inputs.append(a[0] if a else k["hidden_states"]), with_kwargs=True)
        for m in layers
    ]
    hooks += [
        m.register_forward_hook(lambda _, a, o: outputs.append(o if torch.is_tensor(o) else o[0])) for m in layers
    ]
    softmax = F.softmax
    F.softmax = lambda x, dim=-1, **_: softmax(x, dim)  # transformers would round to float32
    try:
        result = model(input_ids=ids[None], use_cache=False, output_attentions=attention)
    finally:
        F.softmax = softmax
    for hook in hooks:
        hook.remove()
    h_in, h_out = torch.stack([x[0] for x in inputs]), torch.stack([x[0] for x in outputs])
    cosine = F.cosine_similarity(h_in, h_out, dim=-1).clamp(-1, 1).detach()
    ratio = ((h_out - h_in).norm(dim=-1) / h_out.norm(dim=-1)).detach()
    maps = [concentrations(result.attentions, drop) for drop in (True, False)] if attention else [None, None]
    shared = (torch.arccos(cosine[:, -1]) / math.pi, 1 - cosine, ratio, *maps)
    targets = labels[1:]
    if not bool((targets != -100).any()):
        return (None, None, None, *shared)
    chosen = result.logits[0, :-1].log_softmax(-1)[torch.arange(len(targets)), targets.clamp_min(0)]
    value = chosen[targets != -100].sum()
    model.zero_grad()
    gradients = torch.autograd.grad(value, outputs, retain_graph=True)
    value.backward()
    squares = torch.stack([sum(p.grad.square().sum() for p in m.parameters() if p.grad is not None) for m in layers])
    effect = torch.stack(
        [(g * (o - i)).sum().abs() for g, i, o in zip(gradients, inputs, outputs, strict=True)]
    ).detach()
    return (squares, squares.sqrt(), effect, *shared)


def concentrations(attentions, drop):
    """Return concentrations ``(layers, heads × queries)`` of one example's maps, by the definition."""
    rows = []
    for weights in attentions:
        row = []
        for head in weights[0].detach():
            for query, line in enumerate(head):
                keys = line[: query + 1]
                keys = keys[keys > 0][1:] if drop else keys[keys > 0]
                if len(keys) >= 2:
                    p = keys / keys.sum()
                    row.append(1 + float((p * p.log()).sum()) / math.log(len(keys)))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64) if rows[0] else None


def drop_losses(model, batch):
    """Return float64 ``(layers,)``: the increase of the mean loss without each layer, example by example, unpadded."""
    model = copy.deepcopy(model).double().eval()
    layers = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList))
    whole = mean_loss(model, batch)
    return torch.stack([mean_loss_without(model, layer, batch) - whole for layer in layers])


def mean_loss_without(model, layer, batch):
    """Return the mean loss while a layer is an identity."""
    seen = []
    hooks = [
        layer.register_forward_pre_hook(
            lambda _, a, k: seen.append(a[0] if a else k["hidden_states"]), with_kwargs=True
        ),
        layer.register_forward_hook(lambda _, a, o: seen[-1] if torch.is_tensor(o) else (seen[-1], *o[1:])),
    ]
    loss = mean_loss(model, batch)
    for hook in hooks:
        hook.remove()
    return loss


@torch.no_grad()
def mean_loss(model, batch):
    """Return the mean over examples that have a label of the loss, summed over their labels."""
    total = []
    for ids, mask, labels in zip(*(batch[k] for k in ("input_ids", "attention_mask", "labels")), strict=True):
        targets = labels[mask == 1][1:]
        if bool((targets != -100).any()):
            logits = model(input_ids=ids[mask == 1][None], use_cache=False).logits[0, :-1].log_softmax(-1)
            total.append(-logits[targets != -100].gather(1, targets[targets != -100][:, None]).sum())
    return torch.stack(total).mean()


def absolute_weights(model):
    """Return float64 ``(layers,)``: ``Σ|w|``."""
    layers = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList))
    sums = [sum(float(p.double().abs().sum()) for p in layer.parameters()) for layer in layers]
    return torch.tensor(sums, dtype=torch.float64)


def mean_ranks(*scores):
    """Return float64 ``(layers,)``: ranks from 0 to 1, ties shared, averaged."""
    return torch.stack([torch.from_numpy(rankdata(s) - 1) / (len(s) - 1) for s in scores]).mean(0)
