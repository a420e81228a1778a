"""Turns a trained checkpoint into a GGUF file that llama.cpp loads."""

from gguf_writer import write_gguf
from tokenizer import SPECIAL

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NORMAL, CONTROL = 1, 3
MOSTLY_Q8_0 = 7


def metadata(config, tokenizer, parameters):
    """The keys of the architecture `llama` and of a byte-level BPE tokenizer."""
    start, end, text_end = (tokenizer.id[token] for token in SPECIAL)
    label = f"{parameters / 1e6:.1f}M"
    return {
        "general.architecture": "llama",
        "general.name": config.name,
        "general.basename": "Acorn",
        "general.size_label": label,
        "general.license": "apache-2.0",
        "general.description": "The bundled demonstration model of Freehold",
        "general.languages": ["en"],
        "general.file_type": MOSTLY_Q8_0,
        "general.quantization_version": 2,
        "llama.vocab_size": config.vocab,
        "llama.context_length": config.context,
        "llama.embedding_length": config.width,
        "llama.block_count": config.layers,
        "llama.feed_forward_length": config.ffn,
        "llama.attention.head_count": config.heads,
        "llama.attention.head_count_kv": config.heads,
        "llama.attention.layer_norm_rms_epsilon": config.norm_eps,
        "llama.rope.dimension_count": config.width // config.heads,
        "llama.rope.freq_base": config.rope_base,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokenizer.tokens,
        "tokenizer.ggml.token_type": [CONTROL if token in SPECIAL else NORMAL for token in tokenizer.tokens],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in tokenizer.merges],
        "tokenizer.ggml.bos_token_id": text_end,
        "tokenizer.ggml.eos_token_id": end,
        "tokenizer.ggml.eot_token_id": end,
        "tokenizer.ggml.padding_token_id": text_end,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }


def interleave(array, heads):
    """Rows of Q or K: from two halves of each head to adjacent pairs."""
    rows, width = array.shape
    return array.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)


def export(model, tokenizer, path):
    """Write `model` as Q8_0 with F32 norms; the output matrix is the embedding."""
    tensors = {name: weight.detach().float().numpy() for name, weight in model.state_dict().items()}
    for name, array in tensors.items():
        if name.endswith(("attn_q.weight", "attn_k.weight")):
            tensors[name] = interleave(array, model.config.heads)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_gguf(path, metadata(model.config, tokenizer, model.count()), tensors)
